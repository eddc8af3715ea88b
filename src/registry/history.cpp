#include "registry/history.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"
#include "registry/draft.h"

namespace hawser::registry {

namespace {

// Of tokens and keys it is remembered that they changed, not what they were: even their hashes go
// with them.
bool has_secrets(model::Kind kind) {
    return kind == model::Kind::join_token || kind == model::Kind::operator_token ||
           kind == model::Kind::authority;
}

std::string value_of(const ResourcePtr& value, model::Kind kind) {
    return value == nullptr || has_secrets(kind) ? std::string() : model::encode(*value);
}

// What rows may hold, whatever a server put into the log.
std::string clip(std::string_view text) {
    constexpr std::size_t ellipsis = 3;
    std::string shown = printable(text, limits::actor_length - ellipsis);
    if (shown.size() <= limits::actor_length) return shown;
    constexpr std::size_t escape = 4;
    return printable(text, limits::actor_length / escape - ellipsis);
}

// The history of one command, for either kind of writers.
class Scribe {
  public:
    Scribe(Outcome& outcome, const Tables& tables) : outcome_(outcome), tables_(tables) {}

    void add(model::HistoryEntry entry) {
        const auto kind = static_cast<model::Kind>(entry.kind);
        const std::vector<std::uint64_t>& known = tables_.history().of(kind, entry.key);
        if (!known.empty()) entry.previous = known.back();
        if (known.size() >= limits::history_per_resource) {
            model::HistoryEntry oldest = entry;
            oldest.index = known.front();
            drop(model::key_of(oldest));
        }
        cost_ += cost_of(entry);
        added_.push_back(std::move(entry));
    }

    // The oldest of `room`'s share go; a command too large to be remembered loses its own first.
    void make_room(std::size_t held, std::size_t room, std::string_view prefix,
                   std::uint64_t& forgotten) {
        if (held + cost_ - freed_ <= room) return;
        const Table& table = tables_.rows(model::Kind::history);
        for (auto row = table.lower_bound(prefix);
             held + cost_ - freed_ > room && row != table.end() && row->first.starts_with(prefix);
             ++row) {
            if (dropped_.contains(row->first)) continue;
            forgotten = row->second.index;
            drop(row->first);
        }
        std::size_t own = 0;
        for (; held + cost_ - freed_ > room && own < added_.size(); ++own) {
            forgotten = outcome_.index;
            cost_ -= cost_of(added_[own]);
        }
        added_.erase(added_.begin(), added_.begin() + static_cast<std::ptrdiff_t>(own));
    }

    void write() && {
        for (model::HistoryEntry& entry : added_) {
            std::string key = model::key_of(entry);
            push(std::move(key), std::make_shared<const model::Resource>(std::move(entry)), nullptr,
                 model::Verb::created);
        }
        for (const auto& [key, row] : dropped_)
            push(key, nullptr, row->value, model::Verb::deleted);
    }

  private:
    void drop(std::string key) {
        const Row* row = tables_.find(model::Kind::history, key);
        if (row == nullptr || !dropped_.try_emplace(std::move(key), row).second) return;
        freed_ += cost_of(std::get<model::HistoryEntry>(*row->value));
    }
    void push(std::string key, ResourcePtr value, ResourcePtr before, model::Verb verb) {
        outcome_.changes.push_back({.kind = model::Kind::history,
                                    .key = std::move(key),
                                    .index = outcome_.index,
                                    .value = std::move(value)});
        outcome_.verbs.push_back(verb);
        outcome_.before.push_back(std::move(before));
    }

    Outcome& outcome_;
    const Tables& tables_;
    std::vector<model::HistoryEntry> added_; // in the order of their keys
    std::map<std::string, const Row*> dropped_;
    std::size_t cost_ = 0;  // of what was added
    std::size_t freed_ = 0; // by what was dropped
};

} // namespace

void remember(Outcome& outcome, const model::CommandEnvelope& envelope, const Tables& before,
              Forgotten& forgotten) {
    Scribe operators(outcome, before);
    Scribe agents(outcome, before);
    for (std::size_t at = 0; at < outcome.changes.size(); ++at) {
        const model::Change& change = outcome.changes[at];
        if (!model::has_history(change.kind)) continue;
        Scribe& scribe = writers_of(change.kind) == Writers::operators ? operators : agents;
        scribe.add({.index = outcome.index,
                    .kind = static_cast<std::uint8_t>(change.kind),
                    .key = change.key,
                    .verb = outcome.verbs[at],
                    .at = envelope.proposed_at,
                    .actor = clip(envelope.actor),
                    .source = clip(envelope.source),
                    .previous = 0,
                    .before = value_of(outcome.before[at], change.kind),
                    .after = value_of(change.value, change.kind)});
    }
    const HistoryIndex& held = before.history();
    operators.make_room(held.cost(Writers::operators), limits::history_operator_bytes, "o/",
                        forgotten.operators);
    agents.make_room(held.cost(Writers::agents), limits::history_report_bytes, "r/",
                     forgotten.reports);
    std::move(operators).write();
    std::move(agents).write();
}

} // namespace hawser::registry
