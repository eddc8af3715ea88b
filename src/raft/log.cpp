// The held part of the log; see log.h.
#include "raft/log.h"

#include <format>
#include <utility>

#include "base/check.h"

namespace hawser::raft {

namespace {

Result<void> check_follows(const Position& previous, const Entry& entry) {
    if (entry.index != previous.index + 1) {
        return fail(ErrorCode::corrupt, std::format("the log goes from entry {} to entry {}",
                                                    previous.index, entry.index));
    }
    if (entry.term < previous.term || entry.term == 0) {
        return fail(ErrorCode::corrupt, std::format("entry {} of the log has term {} after term {}",
                                                    entry.index, entry.term, previous.term));
    }
    return {};
}

} // namespace

Result<Log> Log::restore(Base base, std::vector<Entry> entries) {
    Log log;
    log.base_ = std::move(base);
    log.latest_configuration_ = log.base_.configuration;
    for (Entry& entry : entries) {
        if (Result<void> follows = check_follows(log.last(), entry); !follows) {
            return fail(std::move(follows.error()));
        }
        if (entry.kind == EntryKind::configuration) {
            Result<Configuration> configuration = decode_configuration(*entry.data);
            if (!configuration) {
                return fail(std::move(configuration.error()),
                            std::format("entry {} of the log", entry.index));
            }
            log.latest_configuration_ = std::move(*configuration);
        }
        log.entries_.push_back(std::move(entry));
    }
    return log;
}

Position Log::last() const {
    return entries_.empty() ? base_.position : entries_.back().position();
}

std::optional<Term> Log::term_at(Index index) const {
    if (index == base_.position.index) return base_.position.term;
    if (index < first_index() || index > last().index) return std::nullopt;
    return at(index).term;
}

std::vector<Entry> Log::range(Index first, Index last) const {
    std::vector<Entry> entries;
    if (first > last) return entries;
    entries.reserve(last - first + 1);
    for (Index index = first; index <= last; ++index) entries.push_back(at(index));
    return entries;
}

Entry Log::append(Term term, EntryKind kind, Payload data) {
    entries_.push_back(
        {.index = last().index + 1, .term = term, .kind = kind, .data = std::move(data)});
    return entries_.back();
}

void Log::compact(Index index) {
    while (base_.position.index < index) {
        const Entry& oldest = at(first_index());
        if (oldest.kind == EntryKind::configuration) {
            Result<Configuration> configuration = decode_configuration(*oldest.data);
            HAWSER_CHECK(configuration.has_value()); // restore() or append() had it
            base_.configuration = std::move(*configuration);
        }
        base_.position = oldest.position();
        entries_.pop_front();
    }
}

const Entry& Log::at(Index index) const {
    HAWSER_CHECK(index >= first_index() && index <= last().index);
    return entries_[index - first_index()];
}

} // namespace hawser::raft
