// The held part of the log, in memory; see log.h.
#include "raft/log.h"

#include <algorithm>
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
    if (entry.kind == EntryKind::configuration) {
        const Result<Configuration> configuration = decode_configuration(*entry.data);
        if (!configuration) {
            return fail(configuration.error(), std::format("entry {} of the log", entry.index));
        }
    }
    return {};
}

} // namespace

Result<Log> Log::restore(Base base, std::vector<Entry> entries) {
    Log log;
    log.base_ = std::move(base);
    for (Entry& entry : entries) {
        if (Result<void> follows = check_follows(log.last(), entry); !follows) {
            return fail(std::move(follows.error()));
        }
        log.put(std::move(entry));
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
    if (first > last) return {};
    HAWSER_CHECK(first >= first_index() && last <= this->last().index);
    const auto begin = entries_.begin() + static_cast<std::ptrdiff_t>(first - first_index());
    return {begin, begin + static_cast<std::ptrdiff_t>(last - first + 1)};
}

std::vector<Entry> Log::slice(Index first, std::size_t entries, std::size_t bytes) const {
    Index end = first;
    for (; end <= last().index && end - first < entries; ++end) {
        const std::size_t size = at(end).data->size();
        if (end > first && size > bytes) break;
        bytes -= std::min(bytes, size);
    }
    return range(first, end - 1);
}

Position Log::last_before(const Position& limit) const {
    const auto end =
        entries_.begin() + static_cast<std::ptrdiff_t>(std::min(limit.index, last().index) -
                                                       std::min(limit.index, base_.position.index));
    const auto after =
        std::upper_bound(entries_.begin(), end, limit.term,
                         [](Term term, const Entry& entry) { return term < entry.term; });
    return after == entries_.begin() ? base_.position : std::prev(after)->position();
}

// Counted from some earlier base on: only differences mean something.
std::uint64_t Log::bytes_to(Index index) const {
    if (index < first_index() || bytes_to_.empty()) return bytes_to_base_;
    return bytes_to_[std::min(index, last().index) - first_index()];
}

Index Log::place_before(Index end, std::uint64_t bytes) const {
    const std::uint64_t until = bytes_to(end);
    if (until - bytes_to_base_ <= bytes) return base_.position.index;
    return first_index() + static_cast<Index>(std::ranges::lower_bound(bytes_to_, until - bytes) -
                                              bytes_to_.begin());
}

const Configuration& Log::configuration() const {
    return configurations_.empty() ? base_.configuration : configurations_.back().configuration;
}

Index Log::configuration_index() const {
    return configurations_.empty() ? base_.position.index : configurations_.back().index;
}

const Configuration& Log::configuration_at(Index index) const {
    for (auto placed = configurations_.rbegin(); placed != configurations_.rend(); ++placed) {
        if (placed->index <= index) return placed->configuration;
    }
    return base_.configuration;
}

void Log::put(Entry entry) {
    HAWSER_CHECK(entry.index >= first_index() && entry.index <= last().index + 1);
    while (last().index >= entry.index) {
        entries_.pop_back();
        bytes_to_.pop_back();
    }
    while (configuration_index() >= entry.index) configurations_.pop_back();
    if (entry.kind == EntryKind::configuration) {
        Result<Configuration> configuration = decode_configuration(*entry.data);
        HAWSER_CHECK(configuration.has_value());
        configurations_.push_back(
            {.index = entry.index, .configuration = std::move(*configuration)});
    }
    bytes_to_.push_back(bytes_to(last().index) + entry.data->size());
    entries_.push_back(std::move(entry));
}

void Log::compact(Index index) {
    HAWSER_CHECK(index <= last().index);
    while (base_.position.index < index) {
        base_.position = entries_.front().position();
        entries_.pop_front();
        bytes_to_base_ = bytes_to_.front();
        bytes_to_.pop_front();
    }
    while (!configurations_.empty() && configurations_.front().index <= index) {
        base_.configuration = std::move(configurations_.front().configuration);
        configurations_.pop_front();
    }
}

void Log::reset(Base base) {
    base_ = std::move(base);
    entries_.clear();
    bytes_to_base_ = 0;
    bytes_to_.clear();
    configurations_.clear();
}

const Entry& Log::at(Index index) const {
    HAWSER_CHECK(index >= first_index() && index <= last().index);
    return entries_[index - first_index()];
}

} // namespace hawser::raft
