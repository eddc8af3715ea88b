// Configurations and their bytes; see configuration.h.
#include "raft/configuration.h"

#include <algorithm>
#include <format>

namespace hawser::raft {

namespace {

constexpr std::uint8_t format_version = 1;
constexpr std::size_t header_bytes = 2;
constexpr std::size_t id_bytes = 8;

ServerId read_id(std::string_view bytes) {
    ServerId id = 0;
    for (const char byte : bytes) id = id << 8 | static_cast<std::uint8_t>(byte);
    return id;
}

} // namespace

bool Configuration::votes(ServerId server) const {
    return std::ranges::contains(voters, server);
}

bool Configuration::only_voter(ServerId server) const {
    return voters.size() == 1 && voters.front() == server;
}

std::string encode(const Configuration& configuration) {
    std::string bytes;
    bytes.push_back(static_cast<char>(format_version));
    bytes.push_back(static_cast<char>(configuration.voters.size()));
    for (const ServerId id : configuration.voters) {
        for (int shift = 56; shift >= 0; shift -= 8)
            bytes.push_back(static_cast<char>(id >> shift));
    }
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
    const std::size_t count = static_cast<std::uint8_t>(bytes[1]);
    if (count > max_voters || bytes.size() != header_bytes + count * id_bytes) {
        return fail(ErrorCode::corrupt,
                    std::format("a configuration of {} voters has {} bytes", count, bytes.size()));
    }
    Configuration configuration;
    for (std::size_t at = header_bytes; at < bytes.size(); at += id_bytes) {
        configuration.voters.push_back(read_id(bytes.substr(at, id_bytes)));
    }
    const auto not_ascending =
        std::ranges::adjacent_find(configuration.voters, std::greater_equal<>());
    if (not_ascending != configuration.voters.end() || configuration.votes(no_server)) {
        return fail(ErrorCode::corrupt, "a configuration's voters are not distinct");
    }
    return configuration;
}

} // namespace hawser::raft
