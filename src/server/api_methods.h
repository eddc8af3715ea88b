// Every method of the API, and the least role that may call it: the one place that says so. A
// method that does not stand here cannot be added (api.cpp): that would not compile.
#pragma once

#include <array>
#include <string_view>

#include "model/resources.h"

namespace hawser::server {

struct ApiMethod {
    std::string_view path;
    model::Role least = model::Role::admin;
};

// Where a role depends on what is asked for, the method asks again: a registrar's services
// (require_scope), a join token for a server (token_api.cpp).
inline constexpr auto api_methods = std::to_array<ApiMethod>({
    {"/hawser.v1.Api/Get", model::Role::reader},
    {"/hawser.v1.Api/Watch", model::Role::reader},
    {"/hawser.v1.Api/Plan", model::Role::reader},
    {"/hawser.v1.Api/History", model::Role::reader},
    {"/hawser.v1.Api/WaitEnforced", model::Role::reader},
    {"/hawser.v1.Api/Members", model::Role::reader},
    {"/hawser.v1.Api/ServerStatus", model::Role::reader},
    {"/hawser.v1.Api/AuthorityStatus", model::Role::reader},
    {"/hawser.v1.Trust/Certificates", model::Role::reader},
    {"/hawser.v1.Api/Apply", model::Role::registrar},
    {"/hawser.v1.Api/Delete", model::Role::registrar},
    {"/hawser.v1.Api/Rollback", model::Role::operator_},
    {"/hawser.v1.Api/Quarantine", model::Role::operator_},
    {"/hawser.v1.Api/CreateToken", model::Role::operator_},
    {"/hawser.v1.Api/ListTokens", model::Role::operator_},
    {"/hawser.v1.Api/RevokeToken", model::Role::operator_},
    {"/hawser.v1.Api/CreateOperatorToken", model::Role::admin},
    {"/hawser.v1.Api/ListOperatorTokens", model::Role::admin},
    {"/hawser.v1.Api/RotateOperatorToken", model::Role::admin},
    {"/hawser.v1.Api/RevokeOperatorToken", model::Role::admin},
    {"/hawser.v1.Api/TransferLeadership", model::Role::admin},
    {"/hawser.v1.Api/RemoveServer", model::Role::admin},
    {"/hawser.v1.Api/RotateAuthority", model::Role::admin},
    {"/hawser.v1.Api/SaveSnapshot", model::Role::admin},
    {"/hawser.v1.Trust/RenewCertificates", model::Role::admin},
});

consteval ApiMethod api_method(std::string_view path) {
    for (const ApiMethod& method : api_methods) {
        if (method.path == path) return method;
    }
    throw "this method has no row in api_methods";
}

} // namespace hawser::server
