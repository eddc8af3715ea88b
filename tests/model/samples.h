// One valid resource of each kind, for the tests to spoil.
#pragma once

#include "model/command.h"
#include "model/resources.h"
#include "model/row.h"

namespace hawser::model::samples {

inline Service service() {
    return {.name = "api",
            .protocol = Protocol::http,
            .balance = Balance::round_robin,
            .default_policy = Effect::allow,
            .connect_timeout = Duration{250},
            .idle_timeout = Duration{0},
            .max_connections = 7,
            .vip4 = IpAddress::v4(0xf0000001),
            .vip6 = IpAddress::parse("fd68:6177::1").value()};
}

inline Instance instance() {
    return {.node = "web-1",
            .service = "api",
            .port = 8080,
            .weight = 3,
            .labels = {{"version", "v2"}, {"canary", ""}, {"team", "é"}},
            .health = Health::warning,
            .health_reason = "slow"};
}

inline Node node() {
    return {.name = "web-1",
            .zone = "eu-west-1/a",
            .tunnel = Endpoint::parse("10.0.1.7:15008").value(),
            .version = "0.1.0",
            .allowed_services = {"api", "web"},
            .alive = true,
            .joined_at = 1'767'323'045'000};
}

inline Policy policy() {
    return {.name = "web-reads-api",
            .service = "api",
            .action = Effect::allow,
            .mode = PolicyMode::shadow,
            .from = {"web", "*"}};
}

inline JoinToken join_token() {
    return {.id = "00ff00ff00ff00ff",
            .secret_hash = std::string(32, '\x01'),
            .node = "web-1",
            .services = {"api"},
            .expires_at = 1'767'323'045'000,
            .used_at = 1'767'323'044'000,
            .used_key = std::string(32, '\x02')};
}

inline OperatorToken operator_token() {
    return {.id = "abcdef0123456789",
            .secret_hash = std::string(32, '\xff'),
            .role = Role::registrar,
            .created_at = 1,
            .name = "team a's pipeline",
            .expires_at = 1'767'323'045'000,
            .service_prefix = "team-a-",
            .previous_hash = std::string(32, '\x03'),
            .previous_until = 1'767'323'044'000};
}

inline Server server() {
    return {.id = 0xfedcba9876543210,
            .name = "s1",
            .addresses = {Endpoint::parse("10.0.0.1:7443").value(),
                          Endpoint::parse("[fd00::1]:7443").value()},
            .version = "0.1.0",
            .level = 1,
            .joined_at = 1'767'323'045'000};
}

inline HistoryEntry history() {
    return {.index = 12,
            .kind = static_cast<std::uint8_t>(Kind::policy),
            .key = "web-reads-api",
            .verb = Verb::changed,
            .at = 1'767'323'045'000,
            .actor = "operator:1f2e",
            .source = "10.0.0.9:53122",
            .previous = 7,
            .before = "one",
            .after = "two"};
}

inline TrustDomain trust_domain() {
    return {.name = "hawser.local",
            .dns_domain = "mesh",
            .vip4 = Cidr::parse("240.0.0.0/8").value(),
            .vip6 = Cidr::parse("fd68:6177::/64").value(),
            .roots = {std::string("\x30\x82\x00\xff", 4)},
            .intermediates = {"one", "two"},
            .epoch = 0x123456789abcdef0,
            .epoch_since = 1'767'323'045'000};
}

inline Authority authority() {
    return {
        .active = {.root = "root two", .chain = {"two", "one"}, .root_key = "", .key = "sealed"},
        .other = Signer{.root = "root one",
                        .chain = {"one"},
                        .root_key = "sealed root",
                        .key = "sealed too"},
        .phase = RotationPhase::retiring,
        .phase_since = 1'767'323'045'000,
        .other_needed_until = 1'767'323'046'000,
        .sealing_key_id = "0123456789abcdef"};
}

inline Quarantine quarantine() {
    return {.subject_kind = IdentityKind::service,
            .subject = "api",
            .reason = "leaked key, ticket 17",
            .since = 1'767'323'045'000,
            .by = "operator:1f2e"};
}

inline AuditHead audit_head() {
    return {.server = "s1",
            .sequence = 0x123456789abcdef0,
            .hash = std::string(32, '\x04'),
            .at = 1'767'323'045'000};
}

inline std::vector<Resource> resources() {
    return {trust_domain(),   service(), instance(), node(),      policy(),     join_token(),
            operator_token(), server(),  history(),  authority(), quarantine(), audit_head()};
}

inline Change change(Resource resource, std::uint64_t index) {
    return {.kind = kind_of(resource),
            .key = key_of(resource),
            .index = index,
            .value = std::make_shared<const Resource>(std::move(resource))};
}

} // namespace hawser::model::samples
