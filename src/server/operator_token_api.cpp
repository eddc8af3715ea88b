// Operator tokens, as admins make, see, rotate and revoke them. Only hashes of secrets are kept.
#include <chrono>
#include <format>

#include "base/bytes.h"
#include "ca/tokens.h"
#include "io/clock.h"
#include "model/codec.h"
#include "server/api.h"

namespace hawser::server {

namespace {

constexpr Duration shortest_lifetime{1'000};
constexpr Duration longest_lifetime = std::chrono::hours(24 * 3650);
constexpr Duration longest_grace = std::chrono::hours(24 * 7);

v1::OperatorToken without_hashes(const model::OperatorToken& token) {
    v1::OperatorToken message = model::to_proto(token);
    message.clear_secret_hash();
    message.clear_previous_hash();
    return message;
}

Result<WallTime> expiry_of(const v1::CreateOperatorTokenRequest& request, WallTime now) {
    if (request.ttl_ms() == 0) return 0;
    const Duration lifetime(request.ttl_ms());
    if (lifetime < shortest_lifetime || lifetime > longest_lifetime)
        return fail(ErrorCode::invalid,
                    "an operator token lives between 1s and 3650d, or for ever");
    return now + lifetime.count();
}

} // namespace

Api::Answer<v1::CreateOperatorTokenResponse> Api::create_operator_token(
    Actor actor, v1::CreateOperatorTokenRequest request) {
    const WallTime now = io::wall_now();
    const Result<WallTime> expiry = expiry_of(request, now);
    if (!expiry) co_return fail(expiry.error());
    const Result<model::Role> role = model::from_proto(request.role());
    if (!role) co_return fail(role.error());
    const ca::OperatorTokenText text{.id = ca::new_token_id(), .secret = ca::new_token_secret()};
    const model::OperatorToken token{.id = text.id,
                                     .secret_hash = ca::hash_secret(text.secret),
                                     .role = *role,
                                     .created_at = now,
                                     .name = request.name(),
                                     .expires_at = *expiry,
                                     .service_prefix = request.service_prefix(),
                                     .previous_hash = {}};
    Result<registry::Outcome> outcome =
        co_await propose(model::CreateOperatorToken{.token = token}, std::move(actor));
    if (!outcome) co_return fail(std::move(outcome.error()));
    v1::CreateOperatorTokenResponse response;
    response.set_token(text.to_text());
    *response.mutable_info() = without_hashes(token);
    co_return response;
}

Api::Answer<v1::ListOperatorTokensResponse> Api::list_operator_tokens(
    Actor, v1::ListOperatorTokensRequest) {
    v1::ListOperatorTokensResponse response;
    for (const auto& [id, row] : tables().rows(model::Kind::operator_token))
        *response.add_tokens() =
            without_hashes(*std::get_if<model::OperatorToken>(row.value.get()));
    co_return response;
}

Api::Answer<v1::RotateOperatorTokenResponse> Api::rotate_operator_token(
    Actor actor, v1::RotateOperatorTokenRequest request) {
    const Duration grace(request.grace_ms());
    if (grace < Duration(0) || grace > longest_grace)
        co_return fail(ErrorCode::invalid, "the secret before may be used for at most 7d");
    const WallTime now = io::wall_now();
    const auto* known = tables().get<model::OperatorToken>(request.id());
    if (known != nullptr && known->expires_at != 0 && known->expires_at <= now) {
        co_return fail(ErrorCode::failed_precondition,
                       std::format("the operator token {} has expired, which a new secret does not "
                                   "change; create another",
                                   known->id));
    }
    const ca::OperatorTokenText text{.id = request.id(), .secret = ca::new_token_secret()};
    Result<registry::Outcome> outcome =
        co_await propose(model::RotateOperatorToken{.id = text.id,
                                                    .secret_hash = ca::hash_secret(text.secret),
                                                    .previous_until = now + grace.count()},
                         std::move(actor));
    if (!outcome) co_return fail(std::move(outcome.error()));
    const auto* rotated = tables().get<model::OperatorToken>(text.id);
    if (rotated == nullptr) co_return fail(ErrorCode::aborted, "the token was revoked meanwhile");
    v1::RotateOperatorTokenResponse response;
    response.set_token(text.to_text());
    *response.mutable_info() = without_hashes(*rotated);
    co_return response;
}

Api::Answer<v1::RevokeOperatorTokenResponse> Api::revoke_operator_token(
    Actor actor, v1::RevokeOperatorTokenRequest request) {
    Result<registry::Outcome> outcome =
        co_await propose(model::RevokeOperatorToken{.id = request.id()}, std::move(actor));
    if (!outcome) co_return fail(std::move(outcome.error()));
    v1::RevokeOperatorTokenResponse response;
    response.set_index(outcome->index);
    co_return response;
}

} // namespace hawser::server
