// Configurations and their bytes; see configuration.h.
#include "raft/configuration.h"

#include <algorithm>
#include <format>

namespace hawser::raft {

namespace {

constexpr std::uint8_t format_version = 2;
constexpr std::size_t header_bytes = 3;
constexpr std::size_t id_bytes = 8;

ServerId read_id(std::string_view bytes) {
    ServerId id = 0;
    for (const char byte : bytes) id = id << 8 | static_cast<std::uint8_t>(byte);
    return id;
}

void write_ids(const std::vector<ServerId>& ids, std::string& bytes) {
    for (const ServerId id : ids) {
        for (int shift = 56; shift >= 0; shift -= 8)
            bytes.push_back(static_cast<char>(id >> shift));
    }
}

std::vector<ServerId> read_ids(std::string_view bytes) {
    std::vector<ServerId> ids;
    for (std::size_t at = 0; at < bytes.size(); at += id_bytes)
        ids.push_back(read_id(bytes.substr(at, id_bytes)));
    return ids;
}

bool ascending(const std::vector<ServerId>& ids) {
    return std::ranges::adjacent_find(ids, std::greater_equal<>()) == ids.end();
}

} // namespace

bool Configuration::votes(ServerId server) const {
    return std::ranges::contains(voters, server);
}

bool Configuration::learns(ServerId server) const {
    return std::ranges::contains(learners, server);
}

bool Configuration::only_voter(ServerId server) const {
    return voters.size() == 1 && voters.front() == server;
}

std::string encode(const Configuration& configuration) {
    std::string bytes;
    bytes.push_back(static_cast<char>(format_version));
    bytes.push_back(static_cast<char>(configuration.voters.size()));
    bytes.push_back(static_cast<char>(configuration.learners.size()));
    write_ids(configuration.voters, bytes);
    write_ids(configuration.learners, bytes);
    return bytes;
}

Result<Configuration> decode_configuration(std::string_view bytes) {
    if (bytes.size() < header_bytes) return fail(ErrorCode::corrupt, "a configuration is cut off");
    const auto version = static_cast<std::uint8_t>(bytes[0]);
    if (version != format_version) {
        return fail(
            ErrorCode::unimplemented,
            std::format("a configuration has format {}, known is {}", version, format_version));
    }
    const std::size_t voters = static_cast<std::uint8_t>(bytes[1]);
    const std::size_t learners = static_cast<std::uint8_t>(bytes[2]);
    if (voters > max_voters || learners > max_learners ||
        bytes.size() != header_bytes + (voters + learners) * id_bytes) {
        return fail(ErrorCode::corrupt,
                    std::format("a configuration of {} voters and {} learners has {} bytes", voters,
                                learners, bytes.size()));
    }
    const std::string_view ids = bytes.substr(header_bytes);
    Configuration configuration{.voters = read_ids(ids.substr(0, voters * id_bytes)),
                                .learners = read_ids(ids.substr(voters * id_bytes))};
    const bool both = std::ranges::any_of(
        configuration.learners, [&](ServerId learner) { return configuration.votes(learner); });
    if (!ascending(configuration.voters) || !ascending(configuration.learners) || both ||
        configuration.names(no_server)) {
        return fail(ErrorCode::corrupt, "a configuration's servers are not distinct");
    }
    return configuration;
}

} // namespace hawser::raft
