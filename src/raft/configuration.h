// Who votes, and who is getting ready to. A configuration is an entry of the log (§4), so that all
// servers agree on it. It holds ids only; addresses are the registry's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hawser::raft {

// A server's name in the log: random, chosen once, kept for life. Its address may change. A server
// that lost its log is another server, and needs another id.
using ServerId = std::uint64_t;
inline constexpr ServerId no_server = 0;

// More voters than this make a cluster slower, not safer.
inline constexpr std::size_t max_voters = 9;
inline constexpr std::size_t max_learners = 9;

struct Configuration {
    std::vector<ServerId> voters{};   // ascending
    std::vector<ServerId> learners{}; // ascending; receive the log, without a vote (§4.2.1)

    [[nodiscard]] bool votes(ServerId server) const;
    [[nodiscard]] bool learns(ServerId server) const;
    [[nodiscard]] bool names(ServerId server) const { return votes(server) || learns(server); }
    [[nodiscard]] bool only_voter(ServerId server) const;
    // How many voters are a majority.
    [[nodiscard]] std::size_t quorum() const { return voters.size() / 2 + 1; }
    bool operator==(const Configuration&) const = default;
};

// The bytes of a configuration entry: a version, the numbers of voters and of learners, then 8
// bytes for each of them, big end first.
[[nodiscard]] std::string encode(const Configuration& configuration);
[[nodiscard]] Result<Configuration> decode_configuration(std::string_view bytes);

} // namespace hawser::raft
