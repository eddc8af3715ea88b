#include "audit/verifier.h"

#include <algorithm>
#include <format>
#include <utility>

namespace hawser::audit {

namespace {

const std::string no_hash(32, '\0');

} // namespace

Verifier Verifier::after_break(std::optional<Head> known) {
    Verifier verifier(std::move(known));
    verifier.break_expected_ = true;
    return verifier;
}

std::optional<std::string> Verifier::take(std::string_view line) {
    const Result<Record> record = parse(line);
    if (!record) return record.error().message;
    if (hash_of(line) != record->head.hash)
        return std::format("record {} was changed: its hash is another", record->head.sequence);
    if (std::optional<std::string> wrong = place(*record)) return wrong;
    if (known_ && known_->sequence == record->head.sequence) {
        if (known_->hash != record->head.hash) {
            return std::format(
                "record {} is not the one that the registry knows: the log was written anew",
                record->head.sequence);
        }
        compared_ = record->head.sequence;
    }
    if (first_ == 0) first_ = record->head.sequence;
    if (record->entry.kind == kind_dropped) dropped_ = std::max(dropped_, record->entry.of);
    head_ = record->head;
    server_ = record->entry.server;
    return {};
}

std::optional<std::string> Verifier::place(const Record& record) const {
    const std::uint64_t sequence = record.head.sequence;
    if (record.entry.kind == kind_break && !(break_expected_ && first_ == 0))
        return std::format("another chain begins with record {}: {}", sequence,
                           record.entry.detail);
    if (first_ == 0) {
        if (sequence != 1 || record.previous == no_hash) return {};
        return "the first record follows one that is not there";
    }
    if (sequence > head_.sequence + 1)
        return std::format("record {} follows record {}: those between are missing", sequence,
                           head_.sequence);
    if (sequence <= head_.sequence)
        return std::format("record {} follows record {}: it is in the wrong place", sequence,
                           head_.sequence);
    if (record.previous != head_.hash)
        return std::format("record {} follows another record {} than the one before it", sequence,
                           head_.sequence);
    return {};
}

std::optional<std::string> Verifier::finish() const {
    if (known_ && known_->sequence > head_.sequence) {
        return std::format("the log ends with record {}, but the registry knows record {}",
                           head_.sequence, known_->sequence);
    }
    if (!break_expected_ && first_ > 1 && dropped_ + 1 < first_) {
        return std::format(
            "the log begins with record {}, and nothing says that those before "
            "were dropped",
            first_);
    }
    return {};
}

} // namespace hawser::audit
