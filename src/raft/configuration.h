// Who votes. A configuration is an entry of the log (§4), so that all servers agree on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hawser::raft {

// A server's name in the log: random, chosen once, kept for life. Its address may change.
using ServerId = std::uint64_t;
inline constexpr ServerId no_server = 0;

// More voters than this make a cluster slower, not safer.
inline constexpr std::size_t max_voters = 9;

struct Configuration {
    std::vector<ServerId> voters{}; // ascending

    [[nodiscard]] bool votes(ServerId server) const;
    [[nodiscard]] bool only_voter(ServerId server) const;
    bool operator==(const Configuration&) const = default;
};

// The bytes of a configuration entry: a version, the number of voters, then 8 bytes each, big end
// first.
[[nodiscard]] std::string encode(const Configuration& configuration);
[[nodiscard]] Result<Configuration> decode_configuration(std::string_view bytes);

} // namespace hawser::raft
