#include "registry/levels.h"

#include <algorithm>
#include <format>
#include <string>

namespace hawser::registry {

namespace {

constexpr std::uint32_t first_level = 1;

} // namespace

std::uint32_t feature_level(const Tables& tables) {
    const std::vector<const model::Server*> servers = tables.servers();
    const auto oldest = std::ranges::min_element(servers, {}, &model::Server::level);
    return oldest == servers.end() ? first_level : (*oldest)->level;
}

Result<void> check_level(std::uint32_t level, const Tables& tables) {
    const bool being_made = tables.trust() == nullptr; // by this program alone
    if (being_made || level <= feature_level(tables)) return {};
    std::string behind;
    for (const model::Server* server : tables.servers()) {
        if (server->level >= level) continue;
        behind += std::format("{}{} ({}, level {})", behind.empty() ? "" : ", ", server->name,
                              server->version, server->level);
    }
    return fail(ErrorCode::failed_precondition,
                std::format("this needs feature level {}; upgrade first: {}", level,
                            behind.empty() ? "the servers" : behind));
}

} // namespace hawser::registry
