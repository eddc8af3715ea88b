// Commands ↔ bytes of the log.
#include <format>

#include "model/codec.h"
#include "model/serialization.h"

namespace hawser::model {

namespace {

// Fills the envelope's command from the variant.
struct Writer {
    v1::CommandEnvelope& message;

    void operator()(const InitTrust& command) const {
        *message.mutable_init_trust()->mutable_domain() = to_proto(command.domain);
        *message.mutable_init_trust()->mutable_first_operator() = to_proto(command.first_operator);
    }
    void operator()(const ApplyResources& command) const {
        *message.mutable_apply() = to_proto(command);
    }
    void operator()(const DeleteResource& command) const {
        message.mutable_delete_()->set_kind(static_cast<std::uint32_t>(command.kind));
        message.mutable_delete_()->set_name(command.name);
        message.mutable_delete_()->set_if_index(command.if_index);
    }
    void operator()(const CreateJoinToken& command) const {
        *message.mutable_create_join_token()->mutable_token() = to_proto(command.token);
    }
    void operator()(const RevokeJoinToken& command) const {
        message.mutable_revoke_join_token()->set_id(command.id);
    }
    void operator()(const JoinNode& command) const {
        message.mutable_join_node()->set_token_id(command.token_id);
        message.mutable_join_node()->set_node(command.node);
        message.mutable_join_node()->set_now_ms(command.now);
        message.mutable_join_node()->set_key(command.key);
    }
    void operator()(const SyncNode& command) const {
        *message.mutable_sync_node() = to_proto(command);
    }
    void operator()(const SetNodeAlive& command) const {
        message.mutable_set_node_alive()->set_node(command.node);
        message.mutable_set_node_alive()->set_alive(command.alive);
    }
    void operator()(const SetTrustDomain& command) const {
        *message.mutable_set_trust_domain()->mutable_domain() = to_proto(command.domain);
    }
    void operator()(const JoinServer& command) const {
        message.mutable_join_server()->set_token_id(command.token_id);
        *message.mutable_join_server()->mutable_server() = to_proto(command.server);
        message.mutable_join_server()->set_now_ms(command.now);
        message.mutable_join_server()->set_key(command.key);
    }
    void operator()(const PutServer& command) const {
        *message.mutable_put_server()->mutable_server() = to_proto(command.server);
    }
    void operator()(const RemoveServer& command) const {
        message.mutable_remove_server()->set_id(command.id);
    }
    void operator()(const Rollback& command) const {
        message.mutable_rollback()->set_index(command.index);
    }
};

Result<Command> read_init_trust(const v1::InitTrust& message) {
    Result<TrustDomain> domain = from_proto(message.domain());
    if (!domain) return fail(std::move(domain.error()));
    Result<OperatorToken> first = from_proto(message.first_operator());
    if (!first) return fail(std::move(first.error()));
    return InitTrust{.domain = *std::move(domain), .first_operator = *std::move(first)};
}

Result<Command> read_delete(const v1::DeleteResource& message) {
    switch (static_cast<Kind>(message.kind())) {
        case Kind::service:
        case Kind::node:
        case Kind::policy:
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
        case v1::CommandEnvelope::COMMAND_NOT_SET: break;
    }
    return fail(ErrorCode::unimplemented,
                std::format("command {} (level {}) is not one this version knows",
                            unknown_command(message), message.version()));
}

// Appends each message's value to `values`; the first that has none ends it.
template <typename Messages, typename T>
Result<void> read_all(const Messages& messages, std::vector<T>& values) {
    values.reserve(static_cast<std::size_t>(messages.size()));
    for (const auto& message : messages) {
        Result<T> value = from_proto(message);
        if (!value) return fail(std::move(value.error()));
        values.push_back(*std::move(value));
    }
    return {};
}

} // namespace

v1::ApplyResources to_proto(const ApplyResources& command) {
    v1::ApplyResources message;
    for (const Service& service : command.services) *message.add_services() = to_proto(service);
    for (const Policy& policy : command.policies) *message.add_policies() = to_proto(policy);
    for (const Condition& condition : command.conditions) {
        v1::Condition& added = *message.add_conditions();
        added.set_kind(static_cast<std::uint32_t>(condition.kind));
        added.set_name(condition.name);
        added.set_index(condition.index);
    }
    return message;
}

Result<ApplyResources> from_proto(const v1::ApplyResources& message) {
    ApplyResources command;
    if (auto read = read_all(message.services(), command.services); !read)
        return fail(read.error());
    if (auto read = read_all(message.policies(), command.policies); !read)
        return fail(read.error());
    for (const v1::Condition& condition : message.conditions()) {
        if (condition.kind() == 0 || condition.kind() > static_cast<std::uint32_t>(last_kind)) {
            return fail(ErrorCode::invalid, std::format("a condition on kind {}, which this "
                                                        "version does not know",
                                                        condition.kind()));
        }
        command.conditions.push_back({.kind = static_cast<Kind>(condition.kind()),
                                      .name = condition.name(),
                                      .index = condition.index()});
    }
    return command;
}

v1::SyncNode to_proto(const SyncNode& command) {
    v1::SyncNode message;
    message.set_node(command.node);
    message.set_zone(command.zone);
    *message.mutable_tunnel() = to_proto(command.tunnel);
    message.set_version(command.version);
    for (const Instance& instance : command.instances)
        *message.add_instances() = to_proto(instance);
    return message;
}

Result<SyncNode> from_proto(const v1::SyncNode& message) {
    SyncNode command{.node = message.node(),
                     .zone = message.zone(),
                     .tunnel = {},
                     .version = message.version(),
                     .instances = {}};
    const Result<Endpoint> tunnel = from_proto(message.tunnel());
    if (!tunnel) return fail(tunnel.error(), "tunnel");
    command.tunnel = *tunnel;
    if (auto read = read_all(message.instances(), command.instances); !read)
        return fail(read.error());
    return command;
}

// A command that came later than the first ones, or a field that an older program would pass over,
// is a case of its own here.
std::uint32_t level_of(const Command& command) {
    const auto* join = std::get_if<JoinServer>(&command);
    return join != nullptr && !join->key.empty() ? 2 : 1;
}

std::string encode(const CommandEnvelope& envelope) {
    v1::CommandEnvelope message;
    message.set_version(level_of(envelope.command));
    message.set_actor(envelope.actor);
    message.set_proposed_at_ms(envelope.proposed_at);
    message.set_source(envelope.source);
    std::visit(Writer{message}, envelope.command);
    return serialize(message);
}

Result<CommandEnvelope> decode_command(std::string_view bytes) {
    v1::CommandEnvelope message;
    if (bytes.size() > limits::rpc_message_bytes ||
        !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
        return fail(ErrorCode::corrupt, "reading a command: not a valid message");
    }
    if (message.version() == 0 || message.version() > newest_level) {
        return fail(ErrorCode::unimplemented,
                    std::format("reading a command: it is of level {}, this version knows levels "
                                "up to {}: a newer hawser wrote it",
                                message.version(), newest_level));
    }
    Result<Command> command = read_command(message);
    if (!command) return fail(std::move(command.error()), "reading a command");
    return CommandEnvelope{.command = *std::move(command),
                           .actor = message.actor(),
                           .proposed_at = message.proposed_at_ms(),
                           .source = message.source()};
}

} // namespace hawser::model
