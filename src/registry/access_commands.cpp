// Who may use the mesh: operators' tokens, quarantine; and how far the servers' audit logs reach.
#include <format>

#include "base/bytes.h"
#include "base/limits.h"
#include "model/validation.h"
#include "registry/commands.h"

namespace hawser::registry {

namespace {

// An expired token is still shown for a while: who used it finds out why it stopped.
constexpr WallTime remembered_ms = 30 * 86'400'000LL;

void forget_expired_tokens(WallTime now, Draft& draft) {
    for (const auto& [id, row] : draft.before().rows(model::Kind::operator_token)) {
        const auto* token = std::get_if<model::OperatorToken>(row.value.get());
        if (token->expires_at != 0 && token->expires_at < now - remembered_ms)
            draft.erase(model::Kind::operator_token, id);
    }
}

std::unexpected<Error> no_such_token(const std::string& id) {
    return fail(ErrorCode::not_found, std::format("there is no operator token {}", quote(id)));
}

} // namespace

Result<void> carry_out(const model::CreateOperatorToken& command, WallTime now, Draft& draft) {
    if (draft.before().trust() == nullptr) {
        return fail(ErrorCode::failed_precondition, "there is no trust domain yet: hawser init");
    }
    if (Result<void> checked = model::check(command.token); !checked) return checked;
    if (draft.get<model::OperatorToken>(command.token.id) != nullptr) {
        return fail(ErrorCode::already_exists,
                    std::format("there is an operator token '{}' already", command.token.id));
    }
    forget_expired_tokens(now, draft);
    if (draft.count(model::Kind::operator_token) >= limits::operator_tokens) {
        return fail(ErrorCode::resource_exhausted,
                    std::format("there are {} operator tokens, the most there may be; revoke some",
                                limits::operator_tokens));
    }
    draft.put(command.token);
    return {};
}

Result<void> carry_out(const model::RevokeOperatorToken& command, Draft& draft) {
    if (draft.get<model::OperatorToken>(command.id) == nullptr) return no_such_token(command.id);
    draft.erase(model::Kind::operator_token, command.id);
    return {};
}

Result<void> carry_out(const model::RotateOperatorToken& command, Draft& draft) {
    const auto* known = draft.get<model::OperatorToken>(command.id);
    if (known == nullptr) return no_such_token(command.id);
    model::OperatorToken token = *known;
    token.previous_hash = std::exchange(token.secret_hash, command.secret_hash);
    token.previous_until = command.previous_until;
    if (Result<void> checked = model::check(token); !checked) return checked;
    draft.put(std::move(token));
    return {};
}

Result<void> carry_out(const model::PutQuarantine& command, Draft& draft) {
    if (Result<void> checked = model::check(command.quarantine); !checked) return checked;
    draft.put(command.quarantine);
    if (draft.count(model::Kind::quarantine) > limits::quarantines) {
        return fail(ErrorCode::resource_exhausted,
                    std::format("there would be more than {} quarantines", limits::quarantines));
    }
    return {};
}

Result<void> carry_out(const model::PutAuditHead& command, Draft& draft) {
    if (Result<void> checked = model::check(command.head); !checked) return checked;
    if (draft.get<model::Server>(command.head.server) == nullptr) {
        return fail(ErrorCode::not_found,
                    std::format("there is no server {}", quote(command.head.server)));
    }
    const auto* known = draft.get<model::AuditHead>(command.head.server);
    if (known != nullptr && command.head.sequence < known->sequence) {
        return fail(
            ErrorCode::failed_precondition,
            std::format("the audit log of '{}' reached record {} before; {} is a shorter one",
                        known->server, known->sequence, command.head.sequence));
    }
    draft.put(command.head);
    return {};
}

} // namespace hawser::registry
