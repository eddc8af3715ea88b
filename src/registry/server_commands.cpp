// The members of the cluster, as far as the mesh must know them: names, addresses, what they
// understand. Who votes is raft's business and stands in its log.
#include <format>

#include "base/limits.h"
#include "model/validation.h"
#include "registry/commands.h"
#include "registry/levels.h"

namespace hawser::registry {

namespace {

// Its certificate says its name, so two must not share one; a machine that lost its data comes
// back with a new id only after the old one was removed.
Result<void> check_name_is_free(const model::Server& server, const Draft& draft) {
    const auto* holder = draft.get<model::Server>(server.name);
    if (holder == nullptr || holder->id == server.id) return {};
    return fail(ErrorCode::already_exists,
                std::format("server '{}' is a member already, with the id {:016x}; to replace it, "
                            "remove it first",
                            server.name, holder->id));
}

// The log may hold commands of the level that was agreed on.
Result<void> check_not_too_old(const model::Server& server, const Draft& draft) {
    const std::uint32_t agreed = feature_level(draft.before());
    if (server.level >= agreed) return {};
    return fail(ErrorCode::failed_precondition,
                std::format("server '{}' ({}) knows commands up to level {}, this mesh uses level "
                            "{}; upgrade it first",
                            server.name, server.version, server.level, agreed));
}

// A token is good for the name it says, and not for the id of another member.
Result<void> check_id_is_free(const model::Server& server, const Draft& draft) {
    if (draft.count(model::Kind::server) == 0) {
        return fail(ErrorCode::unavailable,
                    "the first server has not written who it is yet; try again");
    }
    const model::Server* holder = draft.before().server(server.id);
    if (holder == nullptr || holder->name == server.name) return {};
    return fail(ErrorCode::already_exists,
                std::format("the id {:016x} is that of server '{}'; join with an empty data "
                            "directory",
                            server.id, holder->name));
}

// Its id is public and so no proof of anything: only the secret that came with the first use is.
bool is_repeated(const model::JoinServer& command, Joiner joiner, const Draft& draft) {
    const model::Server* known = draft.before().server(command.server.id);
    return known != nullptr && known->name == command.server.name &&
           asks_again(command.token_id, joiner, command.key, command.now, draft);
}

// Who was removed stays so until a token brings it back; only the first server has none.
Result<void> check_is_member(const model::Server& server, const Draft& draft) {
    if (draft.count(model::Kind::server) == 0 || draft.before().server(server.id) != nullptr)
        return {};
    return fail(ErrorCode::not_found,
                std::format("server '{}' with the id {:016x} is no member: it was removed, or "
                            "never joined",
                            server.name, server.id));
}

Result<void> put(const model::Server& server, Draft& draft) {
    if (draft.before().trust() == nullptr) {
        return fail(ErrorCode::failed_precondition, "there is no trust domain yet: hawser init");
    }
    if (Result<void> checked = model::check(server); !checked) return checked;
    if (Result<void> free = check_name_is_free(server, draft); !free) return free;
    if (Result<void> fits = check_not_too_old(server, draft); !fits) return fits;
    const model::Server* known = draft.before().server(server.id);
    if (known != nullptr && known->name != server.name) {
        draft.erase(model::Kind::audit_head, known->name);
        draft.erase(model::Kind::server, known->name);
    }
    model::Server member = server;
    if (known != nullptr) {
        member.joined_at = known->joined_at;
        member.leaving |= known->leaving;
    }
    draft.put(std::move(member));
    if (draft.count(model::Kind::server) > limits::servers) {
        return fail(ErrorCode::resource_exhausted,
                    std::format("the cluster has {} servers, the most it may", limits::servers));
    }
    return {};
}

} // namespace

Result<void> carry_out(const model::JoinServer& command, Draft& draft) {
    const Joiner joiner{model::Kind::server, command.server.name};
    if (is_repeated(command, joiner, draft)) return {};
    const Result<const model::JoinToken*> token =
        usable_token(command.token_id, joiner, command.now, draft);
    if (!token) return fail(token.error());
    model::JoinToken used = **token;
    used.used_at = command.now;
    used.used_key = command.key;
    if (Result<void> checked = model::check(used); !checked) return checked;
    draft.put(std::move(used));
    if (Result<void> free = check_id_is_free(command.server, draft); !free) return free;
    return put(command.server, draft);
}

Result<void> carry_out(const model::PutServer& command, Draft& draft) {
    if (Result<void> member = check_is_member(command.server, draft); !member) return member;
    return put(command.server, draft);
}

Result<void> carry_out(const model::RemoveServer& command, Draft& draft) {
    const model::Server* known = draft.before().server(command.id);
    if (known == nullptr) {
        return fail(ErrorCode::not_found,
                    std::format("there is no server with the id {:016x}", command.id));
    }
    if (draft.count(model::Kind::server) == 1) {
        return fail(ErrorCode::failed_precondition,
                    std::format("server '{}' is the last one", known->name));
    }
    draft.erase(model::Kind::server, known->name);
    return {};
}

} // namespace hawser::registry
