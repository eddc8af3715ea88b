// Commands ↔ bytes of the log.
#include <format>

#include "model/codec.h"
#include "model/command_reader.h"
#include "model/serialization.h"

namespace hawser::model {

namespace {

// Fills the envelope's command from the variant.
struct Writer {
    v1::CommandEnvelope& message;

    void operator()(const InitTrust& command) const {
        *message.mutable_init_trust()->mutable_domain() = to_proto(command.domain);
        *message.mutable_init_trust()->mutable_first_operator() = to_proto(command.first_operator);
        if (command.authority)
            *message.mutable_init_trust()->mutable_authority() = to_proto(*command.authority);
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
    void operator()(const SetAuthority& command) const {
        *message.mutable_set_authority()->mutable_authority() = to_proto(command.authority);
        message.mutable_set_authority()->set_if_index(command.if_index);
    }
    void operator()(const PutQuarantine& command) const {
        *message.mutable_put_quarantine()->mutable_quarantine() = to_proto(command.quarantine);
    }
    void operator()(const CreateOperatorToken& command) const {
        *message.mutable_create_operator_token()->mutable_token() = to_proto(command.token);
    }
    void operator()(const RevokeOperatorToken& command) const {
        message.mutable_revoke_operator_token()->set_id(command.id);
    }
    void operator()(const RotateOperatorToken& command) const {
        v1::RotateOperatorToken& rotate = *message.mutable_rotate_operator_token();
        rotate.set_id(command.id);
        rotate.set_secret_hash(command.secret_hash);
        rotate.set_previous_until_ms(command.previous_until);
    }
    void operator()(const PutAuditHead& command) const {
        *message.mutable_put_audit_head()->mutable_head() = to_proto(command.head);
    }
};

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

namespace {

// A command that came later than the first ones, or a field that an older program would pass over,
// is a case of its own here.
struct LevelOf {
    std::uint32_t operator()(const InitTrust& command) const { return command.authority ? 3 : 1; }
    std::uint32_t operator()(const DeleteResource& command) const {
        return command.kind == Kind::quarantine ? 3 : 1;
    }
    std::uint32_t operator()(const JoinServer& command) const {
        return command.key.empty() ? 1 : 2;
    }
    std::uint32_t operator()(const SetAuthority&) const { return 3; }
    std::uint32_t operator()(const PutQuarantine&) const { return 3; }
    std::uint32_t operator()(const CreateOperatorToken&) const { return 3; }
    std::uint32_t operator()(const RevokeOperatorToken&) const { return 3; }
    std::uint32_t operator()(const RotateOperatorToken&) const { return 3; }
    std::uint32_t operator()(const PutAuditHead&) const { return 3; }
    std::uint32_t operator()(const auto&) const { return 1; }
};

} // namespace

std::uint32_t level_of(const Command& command) {
    return std::visit(LevelOf{}, command);
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
