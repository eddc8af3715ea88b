#include "model/codec.h"

#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <array>
#include <format>

#include "base/bytes.h"
#include "base/limits.h"
#include "model/validation.h"

namespace hawser::model {

namespace {

// The library would write a line to stderr for each bad message of a peer, past our log and its
// limits. A failed parse is returned; that says it all.
[[maybe_unused]] const auto previous_log_handler = google::protobuf::SetLogHandler(nullptr);

std::unexpected<Error> no_such_value(std::string_view what, std::int64_t value) {
    return fail(ErrorCode::invalid, std::format("{} has no value {} in this version", what, value));
}

// 4 or 16 bytes in network order; empty for the unset address.
std::string address_bytes(const IpAddress& address) {
    if (address == IpAddress{}) return {};
    const auto& bytes = address.bytes();
    const std::size_t skip = address.is_v4() ? 12 : 0;
    return {reinterpret_cast<const char*>(bytes.data()) + skip, bytes.size() - skip};
}

Result<IpAddress> parse_address(std::string_view text) {
    if (text.empty()) return IpAddress{};
    if (text.size() != 4 && text.size() != 16) {
        return fail(ErrorCode::invalid, std::format("an address of {} bytes", text.size()));
    }
    std::array<std::uint8_t, 16> bytes{};
    if (text.size() == 4) bytes[10] = bytes[11] = 0xff;
    std::ranges::copy(as_bytes(text), bytes.end() - static_cast<std::ptrdiff_t>(text.size()));
    return IpAddress::v6(bytes);
}

Result<std::uint16_t> parse_port(std::uint32_t port) {
    if (port > 65535) return no_such_value("a port", port);
    return static_cast<std::uint16_t>(port);
}

v1::Cidr to_message(const Cidr& cidr) {
    v1::Cidr message;
    message.set_base(address_bytes(cidr.base));
    message.set_length(cidr.length);
    return message;
}

Result<Cidr> parse_cidr(const v1::Cidr& message) {
    const Result<IpAddress> base = parse_address(message.base());
    if (!base) return fail(base.error());
    if (message.length() > 128) return no_such_value("a prefix length", message.length());
    const Cidr cidr{.base = *base, .length = static_cast<std::uint8_t>(message.length())};
    if (cidr == Cidr{}) return cidr;
    return Cidr::parse(cidr.to_string()); // host bits, and the family's own length
}

v1::Protocol to_enum(Protocol value) {
    switch (value) {
        case Protocol::tcp: return v1::PROTOCOL_TCP;
        case Protocol::http: return v1::PROTOCOL_HTTP;
        case Protocol::grpc: return v1::PROTOCOL_GRPC;
    }
    return v1::PROTOCOL_TCP;
}

Result<Protocol> from_enum(v1::Protocol value) {
    switch (value) {
        case v1::PROTOCOL_TCP: return Protocol::tcp;
        case v1::PROTOCOL_HTTP: return Protocol::http;
        case v1::PROTOCOL_GRPC: return Protocol::grpc;
        default: return no_such_value("protocol", value);
    }
}

v1::Balance to_enum(Balance value) {
    switch (value) {
        case Balance::least_request: return v1::BALANCE_LEAST_REQUEST;
        case Balance::round_robin: return v1::BALANCE_ROUND_ROBIN;
        case Balance::random: return v1::BALANCE_RANDOM;
    }
    return v1::BALANCE_LEAST_REQUEST;
}

Result<Balance> from_enum(v1::Balance value) {
    switch (value) {
        case v1::BALANCE_LEAST_REQUEST: return Balance::least_request;
        case v1::BALANCE_ROUND_ROBIN: return Balance::round_robin;
        case v1::BALANCE_RANDOM: return Balance::random;
        default: return no_such_value("balance", value);
    }
}

v1::Effect to_enum(Effect value) {
    return value == Effect::allow ? v1::EFFECT_ALLOW : v1::EFFECT_DENY;
}

Result<Effect> from_enum(v1::Effect value) {
    switch (value) {
        case v1::EFFECT_DENY: return Effect::deny;
        case v1::EFFECT_ALLOW: return Effect::allow;
        default: return no_such_value("effect", value);
    }
}

v1::PolicyMode to_enum(PolicyMode value) {
    return value == PolicyMode::shadow ? v1::POLICY_MODE_SHADOW : v1::POLICY_MODE_ENFORCE;
}

Result<PolicyMode> from_enum(v1::PolicyMode value) {
    switch (value) {
        case v1::POLICY_MODE_ENFORCE: return PolicyMode::enforce;
        case v1::POLICY_MODE_SHADOW: return PolicyMode::shadow;
        default: return no_such_value("policy mode", value);
    }
}

std::vector<std::string> to_vector(const google::protobuf::RepeatedPtrField<std::string>& field) {
    return {field.begin(), field.end()};
}

} // namespace

v1::Health to_proto(Health health) {
    switch (health) {
        case Health::passing: return v1::HEALTH_PASSING;
        case Health::warning: return v1::HEALTH_WARNING;
        case Health::critical: return v1::HEALTH_CRITICAL;
    }
    return v1::HEALTH_CRITICAL;
}

Result<Health> from_proto(v1::Health health) {
    switch (health) {
        case v1::HEALTH_PASSING: return Health::passing;
        case v1::HEALTH_WARNING: return Health::warning;
        case v1::HEALTH_CRITICAL: return Health::critical;
        default: return no_such_value("health", health);
    }
}

v1::Endpoint to_proto(const Endpoint& endpoint) {
    v1::Endpoint message;
    message.set_address(address_bytes(endpoint.address));
    message.set_port(endpoint.port);
    return message;
}

Result<Endpoint> from_proto(const v1::Endpoint& message) {
    const Result<IpAddress> address = parse_address(message.address());
    if (!address) return fail(address.error());
    const Result<std::uint16_t> port = parse_port(message.port());
    if (!port) return fail(port.error());
    return Endpoint{.address = *address, .port = *port};
}

v1::Service to_proto(const Service& service) {
    v1::Service message;
    message.set_name(service.name);
    message.set_protocol(to_enum(service.protocol));
    message.set_balance(to_enum(service.balance));
    message.set_default_policy(to_enum(service.default_policy));
    message.set_connect_timeout_ms(service.connect_timeout.count());
    message.set_idle_timeout_ms(service.idle_timeout.count());
    message.set_max_connections(service.max_connections);
    message.set_vip4(address_bytes(service.vip4));
    message.set_vip6(address_bytes(service.vip6));
    return message;
}

Result<Service> from_proto(const v1::Service& message) {
    const Result<Protocol> protocol = from_enum(message.protocol());
    if (!protocol) return fail(protocol.error());
    const Result<Balance> balance = from_enum(message.balance());
    if (!balance) return fail(balance.error());
    const Result<Effect> default_policy = from_enum(message.default_policy());
    if (!default_policy) return fail(default_policy.error());
    const Result<IpAddress> vip4 = parse_address(message.vip4());
    if (!vip4) return fail(vip4.error());
    const Result<IpAddress> vip6 = parse_address(message.vip6());
    if (!vip6) return fail(vip6.error());
    return Service{.name = message.name(),
                   .protocol = *protocol,
                   .balance = *balance,
                   .default_policy = *default_policy,
                   .connect_timeout = Duration{message.connect_timeout_ms()},
                   .idle_timeout = Duration{message.idle_timeout_ms()},
                   .max_connections = message.max_connections(),
                   .vip4 = *vip4,
                   .vip6 = *vip6};
}

v1::Instance to_proto(const Instance& instance) {
    v1::Instance message;
    message.set_node(instance.node);
    message.set_service(instance.service);
    message.set_port(instance.port);
    message.set_weight(instance.weight);
    message.mutable_labels()->insert(instance.labels.begin(), instance.labels.end());
    message.set_health(to_proto(instance.health));
    message.set_health_reason(instance.health_reason);
    return message;
}

Result<Instance> from_proto(const v1::Instance& message) {
    const Result<std::uint16_t> port = parse_port(message.port());
    if (!port) return fail(port.error());
    const Result<Health> health = from_proto(message.health());
    if (!health) return fail(health.error());
    return Instance{.node = message.node(),
                    .service = message.service(),
                    .port = *port,
                    .weight = message.weight(),
                    .labels = {message.labels().begin(), message.labels().end()},
                    .health = *health,
                    .health_reason = message.health_reason()};
}

v1::Node to_proto(const Node& node) {
    v1::Node message;
    message.set_name(node.name);
    message.set_zone(node.zone);
    *message.mutable_tunnel() = to_proto(node.tunnel);
    message.set_version(node.version);
    message.mutable_allowed_services()->Assign(node.allowed_services.begin(),
                                               node.allowed_services.end());
    message.set_alive(node.alive);
    message.set_joined_at_ms(node.joined_at);
    return message;
}

Result<Node> from_proto(const v1::Node& message) {
    const Result<Endpoint> tunnel = from_proto(message.tunnel());
    if (!tunnel) return fail(tunnel.error(), "tunnel");
    return Node{.name = message.name(),
                .zone = message.zone(),
                .tunnel = *tunnel,
                .version = message.version(),
                .allowed_services = to_vector(message.allowed_services()),
                .alive = message.alive(),
                .joined_at = message.joined_at_ms()};
}

v1::Policy to_proto(const Policy& policy) {
    v1::Policy message;
    message.set_name(policy.name);
    message.set_service(policy.service);
    message.set_action(to_enum(policy.action));
    message.set_mode(to_enum(policy.mode));
    message.mutable_from()->Assign(policy.from.begin(), policy.from.end());
    return message;
}

Result<Policy> from_proto(const v1::Policy& message) {
    const Result<Effect> action = from_enum(message.action());
    if (!action) return fail(action.error());
    const Result<PolicyMode> mode = from_enum(message.mode());
    if (!mode) return fail(mode.error());
    return Policy{.name = message.name(),
                  .service = message.service(),
                  .action = *action,
                  .mode = *mode,
                  .from = to_vector(message.from())};
}

v1::JoinToken to_proto(const JoinToken& token) {
    v1::JoinToken message;
    message.set_id(token.id);
    message.set_secret_hash(token.secret_hash);
    message.set_node(token.node);
    message.mutable_services()->Assign(token.services.begin(), token.services.end());
    message.set_expires_at_ms(token.expires_at);
    message.set_used_at_ms(token.used_at);
    message.set_used_key(token.used_key);
    message.set_server(token.server);
    return message;
}

Result<JoinToken> from_proto(const v1::JoinToken& message) {
    return JoinToken{.id = message.id(),
                     .secret_hash = message.secret_hash(),
                     .node = message.node(),
                     .services = to_vector(message.services()),
                     .server = message.server(),
                     .expires_at = message.expires_at_ms(),
                     .used_at = message.used_at_ms(),
                     .used_key = message.used_key()};
}

v1::TrustDomain to_proto(const TrustDomain& domain) {
    v1::TrustDomain message;
    message.set_name(domain.name);
    message.set_dns_domain(domain.dns_domain);
    *message.mutable_vip4() = to_message(domain.vip4);
    *message.mutable_vip6() = to_message(domain.vip6);
    message.mutable_roots()->Assign(domain.roots.begin(), domain.roots.end());
    message.mutable_intermediates()->Assign(domain.intermediates.begin(),
                                            domain.intermediates.end());
    message.set_epoch(domain.epoch);
    message.set_epoch_since_ms(domain.epoch_since);
    return message;
}

Result<TrustDomain> from_proto(const v1::TrustDomain& message) {
    const Result<Cidr> vip4 = parse_cidr(message.vip4());
    if (!vip4) return fail(vip4.error());
    const Result<Cidr> vip6 = parse_cidr(message.vip6());
    if (!vip6) return fail(vip6.error());
    return TrustDomain{.name = message.name(),
                       .dns_domain = message.dns_domain(),
                       .vip4 = *vip4,
                       .vip6 = *vip6,
                       .roots = to_vector(message.roots()),
                       .intermediates = to_vector(message.intermediates()),
                       .epoch = message.epoch(),
                       .epoch_since = message.epoch_since_ms()};
}

} // namespace hawser::model
