#include "model/validation.h"

#include <algorithm>
#include <format>

#include "base/bytes.h"
#include "base/limits.h"
#include "model/checker.h"
#include "model/row.h"

namespace hawser::model {

namespace {

constexpr std::size_t version_length = 64;

bool is_unset(const Endpoint& endpoint) {
    return endpoint == Endpoint{};
}

bool overlap(const Cidr& a, const Cidr& b) {
    return a.contains(b.base) || b.contains(a.base);
}

} // namespace

Result<void> check_label(std::string_view key, std::string_view value) {
    const auto is_key_character = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.' || c == '/';
    };
    if (key.empty() || key.size() > limits::name_length ||
        !std::ranges::all_of(key, is_key_character)) {
        return fail(
            ErrorCode::invalid,
            std::format("label {} is not 1-63 letters, digits, '-', '_', '.' or '/'", quote(key)));
    }
    if (!is_plain_text(value, limits::label_length)) {
        return fail(ErrorCode::invalid,
                    std::format("label {} has a value that is not printable text of at most {} "
                                "bytes",
                                quote(key), limits::label_length));
    }
    return {};
}

Result<void> check_zone(std::string_view zone) {
    if (zone.empty()) return {};
    std::string_view rest = zone;
    while (zone.size() <= limits::zone_length) {
        const std::size_t slash = rest.find('/');
        if (!check_name(rest.substr(0, slash), "zone")) break;
        if (slash == std::string_view::npos) return {};
        rest.remove_prefix(slash + 1);
    }
    return fail(
        ErrorCode::invalid,
        std::format("zone {} is not names joined by '/' (like \"eu-west-1/a\")", quote(zone)));
}

Result<void> check_vip_range(const Cidr& range, bool v4) {
    const auto refuse = [&](std::string_view why) {
        return fail(ErrorCode::invalid, quote(range.to_string()) + " " + std::string(why));
    };
    if (range.base.is_v4() != v4)
        return refuse(v4 ? "is not an IPv4 prefix" : "is not an IPv6 prefix");
    // Room for services, and small enough to leave the host the rest of the world.
    if (v4 && (range.length < 4 || range.length > 24)) {
        return refuse("is not between /4 and /24 long");
    }
    if (!v4 && (range.length < 16 || range.length > 112)) {
        return refuse("is not between /16 and /112 long");
    }
    for (const std::string_view special :
         {"0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "::/96", "fe80::/10", "ff00::/8"}) {
        if (overlap(range, *Cidr::parse(special))) {
            return refuse(std::format("overlaps {}, which has a meaning of its own", special));
        }
    }
    return {};
}

Result<void> check(const Service& service) {
    Checker checker("service " + quote(service.name));
    checker.require(check_name(service.name, "name"))
        .require(service.connect_timeout > Duration::zero() &&
                     service.connect_timeout <= limits::service_connect_timeout,
                 "timeouts.connect is not between 1ms and 5m")
        .require(service.idle_timeout >= Duration::zero() &&
                     service.idle_timeout <= limits::service_idle_timeout,
                 "timeouts.idle is longer than 365d")
        .require(
            service.max_connections >= 1 && service.max_connections <= limits::service_connections,
            "limits.connections is not between 1 and 1000000")
        .require(service.vip4 == IpAddress{} || service.vip4.is_v4(), "the IPv4 VIP is not IPv4")
        .require(!service.vip6.is_v4(), "the IPv6 VIP is not IPv6");
    return std::move(checker).result();
}

Result<void> check(const Instance& instance) {
    Checker checker("instance " + quote(instance.key()));
    checker.require(check_name(instance.node, "node name"))
        .require(check_name(instance.service, "service name"))
        .require(instance.port != 0, "the port is 0")
        .require(instance.weight <= limits::instance_weight, "weight is more than 1000")
        .require(instance.labels.size() <= limits::labels_per_instance, "more than 32 labels")
        .require(is_utf8(instance.health_reason) &&
                     instance.health_reason.size() <= limits::health_output_bytes,
                 "the health reason is not UTF-8 of at most 4096 bytes");
    for (const auto& [key, value] : instance.labels) {
        if (!checker.ok()) break;
        checker.require(check_label(key, value));
    }
    return std::move(checker).result();
}

Result<void> check(const Node& node) {
    Checker checker("node " + quote(node.name));
    checker.require(check_name(node.name, "name"))
        .require(check_zone(node.zone))
        // Unset until its agent registers for the first time.
        .require(is_unset(node.tunnel) ||
                     (node.tunnel.port != 0 && !node.tunnel.address.is_unspecified()),
                 "the tunnel endpoint is not one that others can reach")
        .require(is_plain_text(node.version, version_length),
                 "the version is not printable text of at most 64 bytes")
        .require_names(node.allowed_services, "service", limits::services_per_token)
        .require(node.joined_at >= 0, "the time of joining is negative");
    return std::move(checker).result();
}

Result<void> check(const Policy& policy) {
    Checker checker("policy " + quote(policy.name));
    checker.require(check_name(policy.name, "name"))
        .require(check_name(policy.service, "service name"))
        .require(!policy.from.empty(), "from is empty: it names the callers, \"*\" for any")
        .require_names(policy.from, "caller", limits::sources_per_policy, true);
    return std::move(checker).result();
}

Result<void> check(const Server& server) {
    Checker checker("server " + quote(server.name));
    checker.require(check_name(server.name, "name"))
        .require(server.id != 0, "it has no id")
        .require(server.addresses.size() <= limits::addresses_per_server, "more than 8 addresses")
        .require(is_plain_text(server.version, version_length),
                 "the version is not printable text of at most 64 bytes")
        .require(server.level >= 1, "it knows no level of commands")
        .require(server.joined_at >= 0, "the time of joining is negative");
    for (const Endpoint& address : server.addresses) {
        checker.require(address.port != 0 && !address.address.is_unspecified(),
                        quote(address.to_string()) + " is not an address others can reach");
    }
    return std::move(checker).result();
}

Result<void> check(const HistoryEntry& entry) {
    Checker checker(std::format("history entry {}", entry.index));
    checker.require(entry.index != 0, "it is of no log entry")
        .require(entry.previous < entry.index, "it comes before the change before it")
        .require(entry.kind != 0 && entry.kind <= static_cast<std::uint8_t>(last_kind) &&
                     has_history(static_cast<Kind>(entry.kind)),
                 "it is of no kind that has history")
        .require(!entry.key.empty() && is_plain_text(entry.key, 3 * limits::name_length),
                 "the key is not printable text")
        .require(is_plain_text(entry.actor, limits::actor_length) &&
                     is_plain_text(entry.source, limits::actor_length),
                 "who asked is not printable text of at most 128 bytes");
    return std::move(checker).result();
}

} // namespace hawser::model
