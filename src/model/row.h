// The registry's state as rows, and its history as changes: the one form in which state is
// stored, sent to agents and cached by them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "model/resources.h"

namespace hawser::model {

// Values are stored and sent: never renumber.
enum class Kind : std::uint8_t {
    trust_domain = 1,
    service = 2,
    instance = 3,
    node = 4,
    policy = 5,
    join_token = 6,
    operator_token = 7,
    server = 8,
    history = 9,
    authority = 10,
    quarantine = 11,
    audit_head = 12,
};
inline constexpr Kind last_kind = Kind::audit_head;

// In the order of Kind.
using Resource =
    std::variant<TrustDomain, Service, Instance, Node, Policy, JoinToken, OperatorToken, Server,
                 HistoryEntry, Authority, Quarantine, AuditHead>;

[[nodiscard]] Kind kind_of(const Resource& resource);
[[nodiscard]] std::string key_of(const Resource& resource); // unique within its kind
[[nodiscard]] std::string_view to_string(Kind kind);        // "service": as users write it
[[nodiscard]] Result<Kind> parse_kind(std::string_view text);
// Rows that agents receive; what is secret or of use to servers only stays there.
[[nodiscard]] bool visible_to_agents(Kind kind);
// What operators say how it should be, as opposed to what agents say how it is.
[[nodiscard]] bool written_by_operators(Kind kind);
// Whose changes are remembered.
[[nodiscard]] bool has_history(Kind kind);
// What stands in resource files, and can be rolled back.
[[nodiscard]] bool can_be_applied(Kind kind);

// One step of the registry's history: the row (kind, key) now has this value, or is gone.
struct Change {
    Kind kind{};
    std::string key;
    std::uint64_t index = 0;               // of the log entry that caused it
    std::shared_ptr<const Resource> value; // null: deleted

    [[nodiscard]] bool deleted() const { return value == nullptr; }
};

// A resource's bytes (protobuf, see proto/mesh.proto) and back. decode checks the rules of
// validation.h, so that what comes from disk or a peer is as trustworthy as what was typed.
[[nodiscard]] std::string encode(const Resource& resource);
[[nodiscard]] Result<Resource> decode(Kind kind, std::string_view bytes);

} // namespace hawser::model
