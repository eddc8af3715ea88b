// Resources and commands ↔ protobuf messages (proto/mesh.proto), for the rooms that speak the
// control protocol. from_proto refuses what has no value in the model (an enum of a newer
// version, a port over 65535, an address of 5 bytes); whether the value keeps the rules is
// validation.h's business, and decode() in row.h does both.
#pragma once

#include "base/result.h"
#include "model/command.h"
#include "model/proto/mesh.pb.h"
#include "model/resources.h"
#include "model/row.h"

namespace hawser::model {

[[nodiscard]] v1::Service to_proto(const Service& service);
[[nodiscard]] v1::Instance to_proto(const Instance& instance);
[[nodiscard]] v1::Node to_proto(const Node& node);
[[nodiscard]] v1::Policy to_proto(const Policy& policy);
[[nodiscard]] v1::JoinToken to_proto(const JoinToken& token);
[[nodiscard]] v1::OperatorToken to_proto(const OperatorToken& token);
[[nodiscard]] v1::Server to_proto(const Server& server);
[[nodiscard]] v1::HistoryEntry to_proto(const HistoryEntry& entry);
[[nodiscard]] v1::TrustDomain to_proto(const TrustDomain& domain);
[[nodiscard]] v1::Authority to_proto(const Authority& authority);
[[nodiscard]] v1::Quarantine to_proto(const Quarantine& quarantine);
[[nodiscard]] v1::AuditHead to_proto(const AuditHead& head);
[[nodiscard]] v1::Role to_proto(Role role);
[[nodiscard]] v1::Endpoint to_proto(const Endpoint& endpoint);
[[nodiscard]] v1::Health to_proto(Health health);

[[nodiscard]] Result<Service> from_proto(const v1::Service& message);
[[nodiscard]] Result<Instance> from_proto(const v1::Instance& message);
[[nodiscard]] Result<Node> from_proto(const v1::Node& message);
[[nodiscard]] Result<Policy> from_proto(const v1::Policy& message);
[[nodiscard]] Result<JoinToken> from_proto(const v1::JoinToken& message);
[[nodiscard]] Result<OperatorToken> from_proto(const v1::OperatorToken& message);
[[nodiscard]] Result<Server> from_proto(const v1::Server& message);
[[nodiscard]] Result<HistoryEntry> from_proto(const v1::HistoryEntry& message);
[[nodiscard]] Result<TrustDomain> from_proto(const v1::TrustDomain& message);
[[nodiscard]] Result<Authority> from_proto(const v1::Authority& message);
[[nodiscard]] Result<Quarantine> from_proto(const v1::Quarantine& message);
[[nodiscard]] Result<AuditHead> from_proto(const v1::AuditHead& message);
[[nodiscard]] Result<Role> from_proto(v1::Role role);
[[nodiscard]] Result<Endpoint> from_proto(const v1::Endpoint& message);
[[nodiscard]] Result<Health> from_proto(v1::Health health);

// A change with its resource as bytes. from_proto checks the resource, and that it is the one
// its key names.
[[nodiscard]] v1::Change to_proto(const Change& change);
[[nodiscard]] Result<Change> from_proto(const v1::Change& message);

[[nodiscard]] v1::ApplyResources to_proto(const ApplyResources& command);
[[nodiscard]] Result<ApplyResources> from_proto(const v1::ApplyResources& message);
[[nodiscard]] v1::SyncNode to_proto(const SyncNode& command);
[[nodiscard]] Result<SyncNode> from_proto(const v1::SyncNode& message);

} // namespace hawser::model
