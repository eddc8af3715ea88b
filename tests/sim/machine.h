// The state machine of the simulation, in the registry's place: a few registers, and a hash of
// everything that was ever applied. Two servers that applied the same have the same hash.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "raft/types.h"

namespace hawser::raft::sim {

inline std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
    hash = (hash ^ value) * 0x9e37'79b9'7f4a'7c15;
    return hash ^ (hash >> 29);
}

inline std::uint64_t digest(const Entry& entry) {
    std::uint64_t hash = mix(static_cast<std::uint64_t>(entry.kind), entry.data->size());
    for (const char byte : *entry.data) hash = mix(hash, static_cast<unsigned char>(byte));
    return hash;
}

// A command is a number that no other command has.
inline Payload make_command(std::uint64_t number) {
    std::string bytes(sizeof number, '\0');
    std::memcpy(bytes.data(), &number, sizeof number);
    return make_payload(std::move(bytes));
}
inline std::uint64_t command_number(const Entry& entry) {
    std::uint64_t number = 0;
    if (entry.data->size() == sizeof number) {
        std::memcpy(&number, entry.data->data(), sizeof number);
    }
    return number;
}

// What a watcher is told of it.
struct Change {
    Index index = 0;
    std::uint64_t command = 0;
    bool operator==(const Change&) const = default;
};

struct Machine {
    Index applied = 0;
    std::uint64_t hash = 0;
    std::array<std::uint64_t, 16> registers{};

    void apply(const Entry& entry) {
        applied = entry.index;
        hash = mix(mix(mix(hash, entry.index), entry.term), digest(entry));
        if (entry.kind != EntryKind::command) return;
        const std::uint64_t number = command_number(entry);
        registers[number % registers.size()] = number;
    }
    [[nodiscard]] std::uint64_t checksum() const {
        std::uint64_t sum = mix(mix(0, applied), hash);
        for (const std::uint64_t value : registers) sum = mix(sum, value);
        return sum;
    }
    // A snapshot: what the machine holds, and its checksum.
    [[nodiscard]] std::string to_bytes() const {
        const std::uint64_t sum = checksum();
        std::string bytes(reinterpret_cast<const char*>(this), sizeof *this);
        return bytes.append(reinterpret_cast<const char*>(&sum), sizeof sum);
    }
    [[nodiscard]] static std::optional<Machine> from_bytes(const std::string& bytes) {
        Machine machine;
        std::uint64_t sum = 0;
        if (bytes.size() != sizeof machine + sizeof sum) return std::nullopt;
        std::memcpy(&machine, bytes.data(), sizeof machine);
        std::memcpy(&sum, bytes.data() + sizeof machine, sizeof sum);
        if (sum != machine.checksum()) return std::nullopt;
        return machine;
    }
};

} // namespace hawser::raft::sim
