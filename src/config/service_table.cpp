#include "config/service_table.h"

#include <algorithm>
#include <format>

#include "base/bytes.h"
#include "base/limits.h"
#include "config/config_file.h"
#include "model/identity.h"

namespace hawser::config {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t checks_per_service = 16;
constexpr std::size_t upstreams_per_service = 256;
constexpr std::size_t arguments_per_command = 64;
constexpr std::size_t http_path_length = 2048;
constexpr Duration default_check_timeout{2'000};

Result<void> check_service_name(const std::string& name) {
    return model::check_name(name, "service name");
}

// Of /etc/passwd, or a number. Whether it exists is the running agent's to find out.
Result<void> check_user(const std::string& user) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-' || c == '.' || c == '$';
    };
    if (user.size() <= 32 && user.front() != '-' && std::ranges::all_of(user, allowed)) return {};
    return fail(ErrorCode::invalid, quote(user) + " is not a user name or uid");
}

Result<void> check_http_path(const std::string& path) {
    const bool plain = std::ranges::all_of(path, [](char c) { return c > 0x20 && c < 0x7f; });
    if (path.front() == '/' && plain && path.size() <= http_path_length) return {};
    return fail(ErrorCode::invalid,
                quote(path) + " is not a path (it begins with '/' and has no spaces)");
}

void read_check_kind(Table& table, CheckConfig& check) {
    bool tcp = true;
    table.text("http", check.http_path, check_http_path);
    table.boolean("tcp", tcp);
    table.texts("exec", check.command, arguments_per_command);
    for (const std::string_view later : {"grpc", "unit", "ttl"}) table.not_yet(later);
    if (!tcp) table.problem("tcp", "can only be true");
    if (table.has("exec") && table.find("exec")->items.empty() &&
        table.find("exec")->type == ValueType::list) {
        table.problem("exec", "is empty");
    }
    const int kinds = int{table.has("http")} + int{table.has("tcp")} + int{table.has("exec")};
    const bool later = table.has("grpc") || table.has("unit") || table.has("ttl");
    if (kinds + int{later} == 0) table.missing("a check needs one of 'http', 'tcp' and 'exec'");
    if (kinds + int{later} > 1) {
        table.problem(table.place(), "a check has only one of 'http', 'tcp' and 'exec'");
    }
    if (table.has("http")) check.kind = CheckKind::http;
    if (table.has("exec")) check.kind = CheckKind::exec;
}

CheckConfig read_check(Table& table) {
    CheckConfig check;
    read_check_kind(table, check);
    table.duration("interval", check.interval, 100ms, 1h);
    check.timeout = std::min(check.interval, default_check_timeout);
    table.duration("timeout", check.timeout, 10ms, 10min);
    table.integer("critical_after", check.critical_after, 1U, 100U);
    table.integer("passing_after", check.passing_after, 1U, 100U);
    if (check.timeout > check.interval) {
        table.problem("timeout", std::format("is longer than the interval of {}",
                                             format_duration(check.interval)));
    }
    return check;
}

std::string place_in(const std::string& file, Place place) {
    return std::format("{}:{}:{}", file, place.line, place.column);
}

UpstreamConfig read_upstream(Table& table, const std::string& file) {
    UpstreamConfig upstream;
    upstream.place = place_in(file, table.place_of("listen"));
    table.text("service", upstream.service, check_service_name);
    table.endpoint("listen", upstream.listen);
    table.require("service");
    table.require("listen");
    if (table.has("listen") && upstream.listen != Endpoint{} && upstream.listen.port == 0) {
        table.problem("listen", "needs a port");
    }
    return upstream;
}

} // namespace

ServiceConfig read_service(Table& table, const std::string& file) {
    ServiceConfig service;
    service.file = file;
    service.user_place = place_in(file, table.place_of("user"));
    service.address = IpAddress::v4(0x7f000001);
    table.text("name", service.name, check_service_name);
    table.integer("port", service.port, std::uint16_t{1}, std::uint16_t{65535});
    table.address("address", service.address);
    table.text("user", service.user, check_user);
    table.labels("labels", service.labels);
    table.integer("weight", service.weight, 0U, limits::instance_weight);
    table.tables("check", checks_per_service,
                 [&](Table& check) { service.checks.push_back(read_check(check)); });
    // Nobody is sent to a port where nothing listens; who wants that says so with `check = []`.
    if (service.port != 0 && !table.has("check")) service.checks.push_back({});
    table.tables("upstream", upstreams_per_service, [&](Table& upstream) {
        service.upstreams.push_back(read_upstream(upstream, file));
    });
    table.not_yet("unit");
    table.require("name");
    if (service.address.is_unspecified()) {
        table.problem("address", "must be an address that can be dialled");
    }
    for (const std::string_view key : {"check", "address", "weight", "labels"}) {
        if (table.has(key) && !table.has("port")) table.problem(key, "needs 'port'");
    }
    return service;
}

void read_services(Table& file, const std::string& name, std::vector<PlacedService>& services) {
    file.tables("service", limits::instances_per_node, [&](Table& table) {
        services.push_back({.service = read_service(table, name), .place = table.place()});
    });
}

void check_services(const std::vector<PlacedService>& services, std::size_t first,
                    Problems& problems) {
    // Those before `first` come from other files and were compared already.
    std::vector<Endpoint> listeners;
    for (std::size_t i = 0; i < services.size(); ++i) {
        const auto& [service, place] = services[i];
        for (const UpstreamConfig& upstream : service.upstreams) {
            const Endpoint& listen = upstream.listen;
            if (i >= first && listen.port != 0 && std::ranges::contains(listeners, listen)) {
                problems.add(
                    place, std::format("{} is the listener of two upstreams", listen.to_string()));
            }
            listeners.push_back(listen);
        }
        if (i < first) continue;
        for (std::size_t j = 0; j < i; ++j) {
            const ServiceConfig& other = services[j].service;
            if (!service.name.empty() && service.name == other.name && service.port == other.port) {
                problems.add(place,
                             service.port == 0
                                 ? std::format("service {} is there twice", quote(service.name))
                                 : std::format("service {} is there twice on port {}",
                                               quote(service.name), service.port));
                break;
            }
        }
    }
}

} // namespace hawser::config
