#include "disk.h"

#include <algorithm>

namespace hawser::raft::sim {

namespace {

std::uint64_t checksum(const Entry& entry) {
    return mix(mix(digest(entry), entry.index), entry.term);
}
std::uint64_t checksum(const HardState& state) {
    return mix(mix(0, state.term), state.vote);
}

} // namespace

void LogDisk::write(const Persist& persist) {
    hard_state_ = persist.hard_state;
    hard_state_checksum_ = checksum(hard_state_);
    if (persist.reset) {
        base_ = *persist.reset;
        entries_.clear();
        checksums_.clear();
    }
    if (persist.entries.empty()) return;
    const Index first = persist.entries.front().index;
    const Index kept = first - base_.position.index - 1;
    entries_.resize(std::min<std::size_t>(entries_.size(), kept));
    entries_.insert(entries_.end(), persist.entries.begin(), persist.entries.end());
    checksums_.resize(std::min<std::size_t>(checksums_.size(), kept));
    for (const Entry& entry : persist.entries) checksums_.push_back(checksum(entry));
}

void LogDisk::compact(const Base& base) {
    if (base.position.index <= base_.position.index) return;
    const auto dropped = static_cast<std::ptrdiff_t>(
        std::min(base.position.index - base_.position.index, Index{entries_.size()}));
    entries_.erase(entries_.begin(), entries_.begin() + dropped);
    checksums_.erase(checksums_.begin(), checksums_.begin() + dropped);
    base_ = base;
}

std::optional<Term> LogDisk::term_at(Index index) const {
    if (index == base_.position.index) return base_.position.term;
    if (index < base_.position.index || index > last()) return std::nullopt;
    return entries_[index - base_.position.index - 1].term;
}

void LogDisk::flip_bit(Random& random) {
    const std::uint64_t bit = std::uint64_t{1} << random.below(8);
    if (entries_.empty() || random.below(8) == 0) {
        (random.below(2) == 0 ? hard_state_.term : hard_state_.vote) ^= bit;
        return;
    }
    Entry& entry = entries_[random.below(entries_.size())];
    std::string data = *entry.data;
    if (data.empty()) {
        entry.term ^= bit;
        return;
    }
    data[random.below(data.size())] ^= static_cast<char>(bit);
    entry.data = make_payload(std::move(data));
}

bool LogDisk::is_sound() const {
    return hard_state_checksum_ == checksum(hard_state_) &&
           std::ranges::equal(entries_, checksums_, {},
                              [](const Entry& entry) { return checksum(entry); });
}

void Disk::flip_bit(Random& random) {
    if (random.below(3) > 0) return log.flip_bit(random);
    written.machine.registers[random.below(written.machine.registers.size())] ^=
        std::uint64_t{1} << random.below(64);
}

} // namespace hawser::raft::sim
