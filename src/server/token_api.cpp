// Join tokens, as operators make, see and revoke them.
#include <chrono>
#include <format>

#include "base/bytes.h"
#include "ca/tokens.h"
#include "io/clock.h"
#include "model/codec.h"
#include "server/api.h"
#include "server/server_addresses.h"
#include "tls/x509.h"

namespace hawser::server {

namespace {

constexpr Duration shortest_lifetime{1'000};
constexpr Duration longest_lifetime = std::chrono::hours(24 * 7);

Result<Duration> lifetime_of(const v1::CreateTokenRequest& request) {
    if (request.ttl_ms() == 0) return limits::join_token_lifetime;
    const Duration lifetime(request.ttl_ms());
    if (lifetime < shortest_lifetime || lifetime > longest_lifetime) {
        return fail(ErrorCode::invalid, "a join token lives between 1s and 7d");
    }
    return lifetime;
}

v1::JoinToken without_hash(const model::JoinToken& token) {
    v1::JoinToken message = model::to_proto(token);
    message.clear_secret_hash();
    return message;
}

} // namespace

Api::Answer<v1::CreateTokenResponse> Api::create_token(Actor actor,
                                                       v1::CreateTokenRequest request) {
    // A server gets the authority's keys.
    if (!request.server().empty()) {
        Result<void> allowed = refusing(api_method("/hawser.v1.Api/CreateToken"), actor,
                                        require_role(actor, model::Role::admin));
        if (!allowed) co_return fail(std::move(allowed.error()));
    }
    const Result<Duration> lifetime = lifetime_of(request);
    if (!lifetime) co_return fail(lifetime.error());
    const ca::JoinTokenText text{
        .root_pin = tls::sha256(as_bytes(parts_.authority.authority().root_der())),
        .id = ca::new_token_id(),
        .secret = ca::new_token_secret(),
        .node = request.node(),
        .server = request.server(),
        .expires_at = io::wall_now() + lifetime->count(),
        .servers = addresses_of_servers(tables(), parts_.cluster.self().addresses)};
    const model::JoinToken token{.id = text.id,
                                 .secret_hash = ca::hash_secret(text.secret),
                                 .node = request.node(),
                                 .services = {request.services().begin(), request.services().end()},
                                 .server = request.server(),
                                 .expires_at = text.expires_at};
    Result<registry::Outcome> outcome =
        co_await propose(model::CreateJoinToken{.token = token}, actor);
    if (!outcome) co_return fail(std::move(outcome.error()));
    v1::CreateTokenResponse response;
    response.set_token(text.to_text());
    *response.mutable_info() = without_hash(token);
    co_return response;
}

Api::Answer<v1::ListTokensResponse> Api::list_tokens(Actor, v1::ListTokensRequest) {
    v1::ListTokensResponse response;
    for (const auto& [id, row] : tables().rows(model::Kind::join_token)) {
        *response.add_tokens() = without_hash(*std::get_if<model::JoinToken>(row.value.get()));
    }
    co_return response;
}

Api::Answer<v1::RevokeTokenResponse> Api::revoke_token(Actor actor,
                                                       v1::RevokeTokenRequest request) {
    Result<registry::Outcome> outcome =
        co_await propose(model::RevokeJoinToken{.id = request.id()}, actor);
    if (!outcome) co_return fail(std::move(outcome.error()));
    v1::RevokeTokenResponse response;
    response.set_index(outcome->index);
    co_return response;
}

} // namespace hawser::server
