#include "model/command_reader.h"

#include <format>

#include "model/codec.h"
#include "model/serialization.h"

namespace hawser::model {

namespace {

Result<Command> read_init_trust(const v1::InitTrust& message) {
    Result<TrustDomain> domain = from_proto(message.domain());
    if (!domain) return fail(std::move(domain.error()));
    Result<OperatorToken> first = from_proto(message.first_operator());
    if (!first) return fail(std::move(first.error()));
    InitTrust command{.domain = *std::move(domain), .first_operator = *std::move(first)};
    if (!message.has_authority()) return command;
    Result<Authority> authority = from_proto(message.authority());
    if (!authority) return fail(std::move(authority.error()));
    command.authority = *std::move(authority);
    return command;
}

Result<Command> read_delete(const v1::DeleteResource& message) {
    switch (static_cast<Kind>(message.kind())) {
        case Kind::service:
        case Kind::node:
        case Kind::policy:
        case Kind::quarantine:
            return DeleteResource{.kind = static_cast<Kind>(message.kind()),
                                  .name = message.name(),
                                  .if_index = message.if_index()};
        default:
            return fail(ErrorCode::invalid, std::format("a deletion of kind {}", message.kind()));
    }
}

Result<Command> read_join_server(const v1::JoinServer& message) {
    return from_proto(message.server()).transform([&](Server server) -> Command {
        return JoinServer{.token_id = message.token_id(),
                          .server = std::move(server),
                          .now = message.now_ms(),
                          .key = message.key()};
    });
}

// The number of a command that came later than this program: its field is what is left when all
// that is known is taken away.
std::uint32_t unknown_command(v1::CommandEnvelope message) {
    constexpr int tag_bits = 3;
    message.clear_version();
    message.clear_actor();
    message.clear_proposed_at_ms();
    message.clear_source();
    const std::string rest = message.SerializeAsString();
    google::protobuf::io::CodedInputStream fields(
        reinterpret_cast<const std::uint8_t*>(rest.data()), static_cast<int>(rest.size()));
    return fields.ReadTag() >> tag_bits;
}

} // namespace

Result<Command> read_command(const v1::CommandEnvelope& message) {
    switch (message.command_case()) {
        case v1::CommandEnvelope::kInitTrust: return read_init_trust(message.init_trust());
        case v1::CommandEnvelope::kApply: return from_proto(message.apply());
        case v1::CommandEnvelope::kDelete: return read_delete(message.delete_());
        case v1::CommandEnvelope::kCreateJoinToken:
            return from_proto(message.create_join_token().token())
                .transform(
                    [](JoinToken token) -> Command { return CreateJoinToken{std::move(token)}; });
        case v1::CommandEnvelope::kRevokeJoinToken:
            return RevokeJoinToken{.id = message.revoke_join_token().id()};
        case v1::CommandEnvelope::kJoinNode:
            return JoinNode{.token_id = message.join_node().token_id(),
                            .node = message.join_node().node(),
                            .now = message.join_node().now_ms(),
                            .key = message.join_node().key()};
        case v1::CommandEnvelope::kSyncNode: return from_proto(message.sync_node());
        case v1::CommandEnvelope::kSetNodeAlive:
            return SetNodeAlive{.node = message.set_node_alive().node(),
                                .alive = message.set_node_alive().alive()};
        case v1::CommandEnvelope::kSetTrustDomain:
            return from_proto(message.set_trust_domain().domain())
                .transform([](TrustDomain domain) -> Command {
                    return SetTrustDomain{std::move(domain)};
                });
        case v1::CommandEnvelope::kJoinServer: return read_join_server(message.join_server());
        case v1::CommandEnvelope::kPutServer:
            return from_proto(message.put_server().server())
                .transform([](Server server) -> Command { return PutServer{std::move(server)}; });
        case v1::CommandEnvelope::kRemoveServer:
            return RemoveServer{.id = message.remove_server().id()};
        case v1::CommandEnvelope::kRollback: return Rollback{.index = message.rollback().index()};
        case v1::CommandEnvelope::kSetAuthority:
            return from_proto(message.set_authority().authority())
                .transform([&](Authority authority) -> Command {
                    return SetAuthority{.authority = std::move(authority),
                                        .if_index = message.set_authority().if_index()};
                });
        case v1::CommandEnvelope::kPutQuarantine:
            return from_proto(message.put_quarantine().quarantine())
                .transform([](Quarantine quarantine) -> Command {
                    return PutQuarantine{std::move(quarantine)};
                });
        case v1::CommandEnvelope::kCreateOperatorToken:
            return from_proto(message.create_operator_token().token())
                .transform([](OperatorToken token) -> Command {
                    return CreateOperatorToken{std::move(token)};
                });
        case v1::CommandEnvelope::kRevokeOperatorToken:
            return RevokeOperatorToken{.id = message.revoke_operator_token().id()};
        case v1::CommandEnvelope::kRotateOperatorToken:
            return RotateOperatorToken{
                .id = message.rotate_operator_token().id(),
                .secret_hash = message.rotate_operator_token().secret_hash(),
                .previous_until = message.rotate_operator_token().previous_until_ms()};
        case v1::CommandEnvelope::kPutAuditHead:
            return from_proto(message.put_audit_head().head())
                .transform([](AuditHead head) -> Command { return PutAuditHead{std::move(head)}; });
        case v1::CommandEnvelope::COMMAND_NOT_SET: break;
    }
    return fail(ErrorCode::unimplemented,
                std::format("command {} (level {}) is not one this version knows",
                            unknown_command(message), message.version()));
}

} // namespace hawser::model
