// Who may do what, and what certificates come from ↔ protobuf.
#include <format>

#include "base/limits.h"
#include "model/codec.h"

namespace hawser::model {

namespace {

v1::Signer to_message(const Signer& signer) {
    v1::Signer message;
    message.set_root(signer.root);
    message.mutable_chain()->Assign(signer.chain.begin(), signer.chain.end());
    message.set_root_key(signer.root_key);
    message.set_key(signer.key);
    return message;
}

Signer read_signer(const v1::Signer& message) {
    return {.root = message.root(),
            .chain = {message.chain().begin(), message.chain().end()},
            .root_key = message.root_key(),
            .key = message.key()};
}

Result<RotationPhase> read_phase(v1::RotationPhase value) {
    switch (value) {
        case v1::ROTATION_PHASE_NONE: return RotationPhase::none;
        case v1::ROTATION_PHASE_PUBLISHING: return RotationPhase::publishing;
        case v1::ROTATION_PHASE_RETIRING: return RotationPhase::retiring;
        default: break;
    }
    return fail(ErrorCode::invalid, std::format("rotation phase has no value {} in this version",
                                                static_cast<int>(value)));
}

v1::RotationPhase to_message(RotationPhase phase) {
    switch (phase) {
        case RotationPhase::none: return v1::ROTATION_PHASE_NONE;
        case RotationPhase::publishing: return v1::ROTATION_PHASE_PUBLISHING;
        case RotationPhase::retiring: return v1::ROTATION_PHASE_RETIRING;
    }
    return v1::ROTATION_PHASE_NONE;
}

} // namespace

v1::Role to_proto(Role role) {
    switch (role) {
        case Role::reader: return v1::ROLE_READER;
        case Role::registrar: return v1::ROLE_REGISTRAR;
        case Role::operator_: return v1::ROLE_OPERATOR;
        case Role::admin: return v1::ROLE_ADMIN;
    }
    return v1::ROLE_READER;
}

Result<Role> from_proto(v1::Role role) {
    switch (role) {
        case v1::ROLE_READER: return Role::reader;
        case v1::ROLE_REGISTRAR: return Role::registrar;
        case v1::ROLE_OPERATOR: return Role::operator_;
        case v1::ROLE_ADMIN: return Role::admin;
        default: break;
    }
    return fail(ErrorCode::invalid,
                std::format("role has no value {} in this version", static_cast<int>(role)));
}

v1::OperatorToken to_proto(const OperatorToken& token) {
    v1::OperatorToken message;
    message.set_id(token.id);
    message.set_secret_hash(token.secret_hash);
    message.set_role(to_proto(token.role));
    message.set_created_at_ms(token.created_at);
    message.set_name(token.name);
    message.set_expires_at_ms(token.expires_at);
    message.set_service_prefix(token.service_prefix);
    message.set_previous_hash(token.previous_hash);
    message.set_previous_until_ms(token.previous_until);
    return message;
}

Result<OperatorToken> from_proto(const v1::OperatorToken& message) {
    const Result<Role> role = from_proto(message.role());
    if (!role) return fail(role.error());
    return OperatorToken{.id = message.id(),
                         .secret_hash = message.secret_hash(),
                         .role = *role,
                         .created_at = message.created_at_ms(),
                         .name = message.name(),
                         .expires_at = message.expires_at_ms(),
                         .service_prefix = message.service_prefix(),
                         .previous_hash = message.previous_hash(),
                         .previous_until = message.previous_until_ms()};
}

v1::Authority to_proto(const Authority& authority) {
    v1::Authority message;
    *message.mutable_active() = to_message(authority.active);
    if (authority.other) *message.mutable_other() = to_message(*authority.other);
    message.set_phase(to_message(authority.phase));
    message.set_phase_since_ms(authority.phase_since);
    message.set_other_needed_until_ms(authority.other_needed_until);
    message.set_sealing_key_id(authority.sealing_key_id);
    return message;
}

Result<Authority> from_proto(const v1::Authority& message) {
    const Result<RotationPhase> phase = read_phase(message.phase());
    if (!phase) return fail(phase.error());
    Authority authority{.active = read_signer(message.active()),
                        .other = std::nullopt,
                        .phase = *phase,
                        .phase_since = message.phase_since_ms(),
                        .other_needed_until = message.other_needed_until_ms(),
                        .sealing_key_id = message.sealing_key_id()};
    if (message.has_other()) authority.other = read_signer(message.other());
    return authority;
}

v1::Quarantine to_proto(const Quarantine& quarantine) {
    v1::Quarantine message;
    message.set_subject_kind(quarantine.subject_kind == IdentityKind::node
                                 ? v1::SUBJECT_KIND_NODE
                                 : v1::SUBJECT_KIND_SERVICE);
    message.set_subject(quarantine.subject);
    message.set_reason(quarantine.reason);
    message.set_since_ms(quarantine.since);
    message.set_by(quarantine.by);
    return message;
}

Result<Quarantine> from_proto(const v1::Quarantine& message) {
    if (message.subject_kind() != v1::SUBJECT_KIND_NODE &&
        message.subject_kind() != v1::SUBJECT_KIND_SERVICE) {
        return fail(ErrorCode::invalid, std::format("a quarantine of kind {}, which this version "
                                                    "does not know",
                                                    static_cast<int>(message.subject_kind())));
    }
    return Quarantine{.subject_kind = message.subject_kind() == v1::SUBJECT_KIND_NODE
                                          ? IdentityKind::node
                                          : IdentityKind::service,
                      .subject = message.subject(),
                      .reason = message.reason(),
                      .since = message.since_ms(),
                      .by = message.by()};
}

v1::AuditHead to_proto(const AuditHead& head) {
    v1::AuditHead message;
    message.set_server(head.server);
    message.set_sequence(head.sequence);
    message.set_hash(head.hash);
    message.set_at_ms(head.at);
    return message;
}

Result<AuditHead> from_proto(const v1::AuditHead& message) {
    return AuditHead{.server = message.server(),
                     .sequence = message.sequence(),
                     .hash = message.hash(),
                     .at = message.at_ms()};
}

} // namespace hawser::model
