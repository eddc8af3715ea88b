// Every method of the API, the least role that may call it, and how what it does comes into the
// audit log: the one place that says so. A method that does not stand here, or does not say all of
// that, cannot be added (api.cpp): that would not compile.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "model/resources.h"

namespace hawser::server {

// What a call does to the mesh, for the audit log.
enum class Effect : std::uint8_t {
    none,     // it looks
    commands, // it proposes commands, which the raft node records (RaftNode::recorded)
    act,      // anything else: the call itself is recorded before it is carried out
};

struct ApiMethod {
    consteval ApiMethod(std::string_view is, model::Role at_least, Effect has)
        : path(is), least(at_least), effect(has) {}
    std::string_view path;
    model::Role least;
    Effect effect;
};

// Where a role depends on what is asked for, the method asks again: a registrar's services
// (require_scope), a join token for a server (token_api.cpp).
inline constexpr auto api_methods = std::to_array<ApiMethod>({
    {"/hawser.v1.Api/Get", model::Role::reader, Effect::none},
    {"/hawser.v1.Api/Watch", model::Role::reader, Effect::none},
    {"/hawser.v1.Api/Plan", model::Role::reader, Effect::none},
    {"/hawser.v1.Api/History", model::Role::reader, Effect::none},
    {"/hawser.v1.Api/WaitEnforced", model::Role::reader, Effect::none},
    {"/hawser.v1.Api/Members", model::Role::reader, Effect::none},
    {"/hawser.v1.Api/ServerStatus", model::Role::reader, Effect::none},
    {"/hawser.v1.Api/AuthorityStatus", model::Role::reader, Effect::none},
    {"/hawser.v1.Trust/Certificates", model::Role::reader, Effect::none},
    {"/hawser.v1.Api/Apply", model::Role::registrar, Effect::commands},
    {"/hawser.v1.Api/Delete", model::Role::registrar, Effect::commands},
    {"/hawser.v1.Api/Rollback", model::Role::operator_, Effect::commands},
    {"/hawser.v1.Api/Quarantine", model::Role::operator_, Effect::commands},
    {"/hawser.v1.Api/CreateToken", model::Role::operator_, Effect::commands},
    {"/hawser.v1.Api/ListTokens", model::Role::operator_, Effect::none},
    {"/hawser.v1.Api/RevokeToken", model::Role::operator_, Effect::commands},
    {"/hawser.v1.Api/CreateOperatorToken", model::Role::admin, Effect::commands},
    {"/hawser.v1.Api/ListOperatorTokens", model::Role::admin, Effect::none},
    {"/hawser.v1.Api/RotateOperatorToken", model::Role::admin, Effect::commands},
    {"/hawser.v1.Api/RevokeOperatorToken", model::Role::admin, Effect::commands},
    {"/hawser.v1.Audit/List", model::Role::admin, Effect::none},
    {"/hawser.v1.Audit/Verify", model::Role::admin, Effect::none},
    {"/hawser.v1.Audit/Heads", model::Role::admin, Effect::none},
    {"/hawser.v1.Api/TransferLeadership", model::Role::admin, Effect::act},
    {"/hawser.v1.Api/RemoveServer", model::Role::admin, Effect::commands},
    {"/hawser.v1.Api/RotateAuthority", model::Role::admin, Effect::commands},
    {"/hawser.v1.Api/SaveSnapshot", model::Role::admin, Effect::act},
    {"/hawser.v1.Trust/RenewCertificates", model::Role::admin, Effect::act},
});

consteval ApiMethod api_method(std::string_view path) {
    for (const ApiMethod& method : api_methods) {
        if (method.path == path) return method;
    }
    throw "this method has no row in api_methods";
}

} // namespace hawser::server
