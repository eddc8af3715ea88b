#include "model/validation.h"

#include <algorithm>
#include <format>
#include <set>
#include <span>

#include "base/bytes.h"
#include "base/limits.h"
#include "model/row.h"

namespace hawser::model {

namespace {

constexpr std::size_t hash_bytes = 32; // SHA-256
constexpr std::size_t token_id_length = 64;
constexpr std::size_t version_length = 64;

// One resource's checks in a row: the first failure stays, with the resource named in front.
class Checker {
  public:
    explicit Checker(std::string subject) : subject_(std::move(subject)) {}

    Checker& require(bool condition, std::string_view message) {
        if (ok() && !condition) refuse(std::string(message));
        return *this;
    }
    Checker& require(const Result<void>& checked) {
        if (ok() && !checked) refuse(checked.error().message);
        return *this;
    }
    // Names without repetition; "*" only where `any` is allowed.
    Checker& require_names(std::span<const std::string> names, std::string_view what,
                           std::size_t limit, bool any = false) {
        require(names.size() <= limit, std::format("more than {} {}s", limit, what));
        std::set<std::string_view> seen;
        for (const std::string& name : names) {
            if (!ok()) break;
            if (!any || name != any_source) require(check_name(name, what));
            require(seen.insert(name).second,
                    std::format("{} {} is listed twice", what, quote(name)));
        }
        return *this;
    }

    [[nodiscard]] bool ok() const { return result_.has_value(); }
    [[nodiscard]] Result<void> result() && { return std::move(result_); }

  private:
    void refuse(std::string message) {
        result_ = fail(ErrorCode::invalid, subject_ + ": " + std::move(message));
    }

    std::string subject_;
    Result<void> result_;
};

bool is_plain_text(std::string_view text, std::size_t limit) {
    return text.size() <= limit && printable(text, limit) == text;
}

bool is_token_id(std::string_view id) {
    return !id.empty() && id.size() <= token_id_length && std::ranges::all_of(id, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    });
}

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

Result<void> check(const JoinToken& token) {
    Checker checker("join token " + quote(token.id));
    checker.require(is_token_id(token.id), "the id is not lower-case hex")
        .require(token.secret_hash.size() == hash_bytes, "the hash is not 32 bytes")
        .require(token.server.empty() ? check_name(token.node, "node name")
                                      : check_name(token.server, "server name"))
        .require(token.server.empty() || (token.node.empty() && token.services.empty()),
                 "it is for a server and for a node")
        .require_names(token.services, "service", limits::services_per_token)
        .require(token.expires_at > 0, "it has no expiry")
        .require(token.used_at >= 0, "the time of use is negative")
        .require(token.used_key.empty() || token.used_key.size() == hash_bytes,
                 "the hash of the key is not 32 bytes");
    return std::move(checker).result();
}

Result<void> check(const OperatorToken& token) {
    Checker checker("operator token " + quote(token.id));
    checker.require(is_token_id(token.id), "the id is not lower-case hex")
        .require(token.secret_hash.size() == hash_bytes, "the hash is not 32 bytes")
        .require(token.created_at >= 0, "the time of creation is negative");
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
        .require(entry.kind != 0 && entry.kind < static_cast<std::uint8_t>(Kind::history),
                 "it is of no kind that has history")
        .require(!entry.key.empty() && is_plain_text(entry.key, 3 * limits::name_length),
                 "the key is not printable text")
        .require(is_plain_text(entry.actor, limits::actor_length) &&
                     is_plain_text(entry.source, limits::actor_length),
                 "who asked is not printable text of at most 128 bytes");
    return std::move(checker).result();
}

Result<void> check(const TrustDomain& domain) {
    Checker checker("trust domain " + quote(domain.name));
    checker.require(check_trust_domain(domain.name))
        .require(check_trust_domain(domain.dns_domain).has_value(),
                 "the DNS domain " + quote(domain.dns_domain) + " is not a domain name")
        .require(check_vip_range(domain.vip4, true))
        .require(check_vip_range(domain.vip6, false))
        .require(!domain.roots.empty(), "it has no root certificate");
    for (const auto* certificates : {&domain.roots, &domain.intermediates}) {
        checker.require(certificates->size() <= limits::trust_roots, "more than 8 certificates");
        for (const std::string& der : *certificates) {
            checker.require(!der.empty() && der.size() <= limits::certificate_bytes,
                            "a certificate is empty or too large");
        }
    }
    return std::move(checker).result();
}

} // namespace hawser::model
