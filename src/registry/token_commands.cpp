// Join tokens, and the nodes that come of them.
#include <algorithm>
#include <format>

#include "base/bytes.h"
#include "base/limits.h"
#include "model/validation.h"
#include "registry/commands.h"

namespace hawser::registry {

namespace {

// Used and expired tokens are kept this long, so that their second use is told from an unknown one.
constexpr WallTime remembered_ms = 7 * 86'400'000LL;

void forget_old_tokens(WallTime now, Draft& draft) {
    for (const auto& [id, row] : draft.before().rows(model::Kind::join_token)) {
        const auto* token = std::get_if<model::JoinToken>(row.value.get());
        if (token->expires_at < now - remembered_ms) draft.erase(model::Kind::join_token, id);
    }
}

// A token may take services away; their instances go with them.
void remove_disallowed_instances(const model::Node& node, Draft& draft) {
    for (const model::Instance* instance : draft.before().instances_of_node(node.name)) {
        if (!std::ranges::contains(node.allowed_services, instance->service)) {
            draft.erase(model::Kind::instance, instance->key());
        }
    }
}

// Two refusals: to a host that is in the mesh by this token, the first says that all is well.
std::unexpected<Error> used(const model::JoinToken& token, const Draft& draft) {
    const std::string what = std::format("join token '{}' was used already, at {}", token.id,
                                         format_time(token.used_at));
    if (!token.server.empty()) return fail(ErrorCode::already_exists, what);
    const auto* node = draft.get<model::Node>(token.node);
    if (node != nullptr && node->joined_at <= token.used_at)
        return fail(ErrorCode::already_exists, what);
    return fail(
        ErrorCode::failed_precondition,
        std::format("{}, and node '{}' was deleted since: make a new token", what, token.node));
}

} // namespace

void forget_keys_of(const std::string& node, Draft& draft) {
    for (const auto& [id, row] : draft.before().rows(model::Kind::join_token)) {
        const auto* token = std::get_if<model::JoinToken>(row.value.get());
        if (token->node != node || token->used_key.empty()) continue;
        model::JoinToken forgetful = *token;
        forgetful.used_key.clear();
        draft.put(std::move(forgetful));
    }
}

bool asks_again(const std::string& id, Joiner joiner, const std::string& key, WallTime now,
                const Draft& draft) {
    const auto* token = draft.get<model::JoinToken>(id);
    if (token == nullptr || token->used_at == 0 || now >= token->expires_at) return false;
    const std::string& name = joiner.kind == model::Kind::server ? token->server : token->node;
    return name == joiner.name && !key.empty() && equal_constant_time(token->used_key, key);
}

Result<const model::JoinToken*> usable_token(const std::string& id, Joiner joiner, WallTime now,
                                             const Draft& draft) {
    const auto* token = draft.get<model::JoinToken>(id);
    if (token == nullptr) {
        return fail(
            ErrorCode::unauthenticated,
            std::format("join token {} is not known: never created, or revoked", quote(id)));
    }
    const model::Kind kind = token->server.empty() ? model::Kind::node : model::Kind::server;
    const std::string& name = token->server.empty() ? token->node : token->server;
    if (kind != joiner.kind || name != joiner.name) {
        const std::string_view other = kind == joiner.kind ? "" : model::to_string(joiner.kind);
        return fail(ErrorCode::permission_denied,
                    std::format("join token '{}' is for {} '{}', not for {}{}{}", token->id,
                                model::to_string(kind), name, other, other.empty() ? "" : " ",
                                quote(joiner.name)));
    }
    if (token->used_at != 0) return used(*token, draft);
    if (now >= token->expires_at) {
        return fail(ErrorCode::unauthenticated,
                    std::format("join token '{}' expired at {}", token->id,
                                format_time(token->expires_at)));
    }
    return token;
}

Result<void> carry_out(const model::CreateJoinToken& command, WallTime now, Draft& draft) {
    if (draft.before().trust() == nullptr) {
        return fail(ErrorCode::failed_precondition, "there is no trust domain yet: hawser init");
    }
    if (Result<void> checked = model::check(command.token); !checked) return checked;
    if (command.token.used_at != 0) {
        return fail(ErrorCode::invalid, "a new join token cannot have been used");
    }
    if (draft.get<model::JoinToken>(command.token.id) != nullptr) {
        return fail(ErrorCode::already_exists,
                    std::format("there is a join token '{}' already", command.token.id));
    }
    forget_old_tokens(now, draft);
    if (draft.count(model::Kind::join_token) >= limits::join_tokens) {
        return fail(ErrorCode::resource_exhausted,
                    std::format("there are {} join tokens, the most there may be; revoke some",
                                limits::join_tokens));
    }
    draft.put(command.token);
    return {};
}

Result<void> carry_out(const model::RevokeJoinToken& command, Draft& draft) {
    if (draft.get<model::JoinToken>(command.id) == nullptr) {
        return fail(ErrorCode::not_found,
                    std::format("there is no join token {}", quote(command.id)));
    }
    draft.erase(model::Kind::join_token, command.id);
    return {};
}

// A host that joins again keeps its registration: its instances serve on while its agent restarts.
// And it keeps its certificates: only those of a deleted node, and of nobody else, end with it.
Result<void> carry_out(const model::JoinNode& command, Draft& draft) {
    const Joiner joiner{model::Kind::node, command.node};
    if (draft.get<model::Node>(command.node) != nullptr &&
        asks_again(command.token_id, joiner, command.key, command.now, draft))
        return {};
    const Result<const model::JoinToken*> token =
        usable_token(command.token_id, joiner, command.now, draft);
    if (!token) return fail(token.error());

    model::Node node{.name = command.node, .joined_at = command.now};
    if (const auto* existing = draft.get<model::Node>(command.node)) node = *existing;
    node.allowed_services = (*token)->services;
    if (Result<void> checked = model::check(node); !checked) return checked;

    model::JoinToken used = **token;
    used.used_at = command.now;
    used.used_key = command.key;
    if (Result<void> checked = model::check(used); !checked) return checked;
    draft.put(std::move(used));
    remove_disallowed_instances(node, draft);
    draft.put(std::move(node));
    if (draft.count(model::Kind::node) > limits::server_connections) {
        return fail(
            ErrorCode::resource_exhausted,
            std::format("the mesh has {} nodes, the most it may", limits::server_connections));
    }
    return {};
}

} // namespace hawser::registry
