#include "config/resource_file.h"

#include <algorithm>
#include <format>
#include <set>

#include "base/bytes.h"
#include "base/limits.h"
#include "config/decoder.h"
#include "config/file_kinds.h"
#include "model/validation.h"

namespace hawser::config {

namespace {

using namespace std::chrono_literals;
using model::Policy;
using model::Service;

Result<void> check_service_name(const std::string& name) {
    return model::check_name(name, "service name");
}

const Choices<model::Effect> effects{
    {{"allow", model::Effect::allow}, {"deny", model::Effect::deny}}};

void read_service_limits(Table& table, Service& service) {
    table.table("timeouts", [&](Table& timeouts) {
        timeouts.duration("connect", service.connect_timeout, 1ms, limits::service_connect_timeout);
        timeouts.duration("idle", service.idle_timeout, 0ms, limits::service_idle_timeout);
        timeouts.not_yet("request");
    });
    table.table("limits", [&](Table& bounds) {
        bounds.integer("connections", service.max_connections, 1U, limits::service_connections);
        bounds.not_yet("pending");
        bounds.not_yet("requests");
    });
}

Service read_service(Table& table) {
    Service service;
    table.text("name", service.name, check_service_name);
    table.choice("protocol", service.protocol,
                 {{{"tcp", model::Protocol::tcp},
                   {"http", model::Protocol::http},
                   {"grpc", model::Protocol::grpc}}});
    table.choice("balance", service.balance,
                 {{{"least_request", model::Balance::least_request},
                   {"round_robin", model::Balance::round_robin},
                   {"random", model::Balance::random}},
                  {"peak_ewma", "ring_hash", "maglev"}});
    table.choice("default_policy", service.default_policy, effects);
    read_service_limits(table, service);
    bool strict = true; // the only way in this version
    table.choice("mtls", strict, {{{"strict", true}}, {"permissive"}});
    for (const std::string_view later : {"hash_on", "retry", "outlier", "until"}) {
        table.not_yet(later);
    }
    table.require("name");
    return service;
}

Policy read_policy(Table& table) {
    Policy policy;
    table.text("name", policy.name,
               [](const std::string& name) { return model::check_name(name, "policy name"); });
    table.text("service", policy.service, check_service_name);
    table.choice("action", policy.action, effects);
    table.choice(
        "mode", policy.mode,
        {{{"enforce", model::PolicyMode::enforce}, {"shadow", model::PolicyMode::shadow}}});
    table.texts("from", policy.from, limits::sources_per_policy,
                [](const std::string& name) -> Result<void> {
                    if (name == model::any_source) return {};
                    return check_service_name(name);
                });
    for (const std::string_view later : {"methods", "paths", "headers"}) table.not_yet(later);
    for (const std::string_view key : {"name", "service", "action", "from"}) table.require(key);
    return policy;
}

// What the readers above let pass but a whole resource must keep: model's rules have the last
// word. Only said where nothing else was wrong, so that no fault is reported twice.
template <typename T>
void add_checked(std::vector<T>& to, T resource, Table& table, Problems& problems,
                 std::set<std::string>& names, std::string_view kind) {
    table.finish();
    if (!resource.name.empty() && !names.insert(resource.name).second) {
        problems.add(table.place(),
                     std::format("{} {} is there twice", kind, quote(resource.name)));
    } else if (const Result<void> checked = model::check(resource); !checked && problems.empty()) {
        problems.add(table.place(), checked.error().message);
    }
    to.push_back(std::move(resource));
}

void read_resources(Table& file, ResourceFile& resources, Problems& problems) {
    std::set<std::string> services, policies;
    file.tables("service", limits::resources_per_apply, [&](Table& table) {
        Service service = read_service(table);
        add_checked(resources.services, std::move(service), table, problems, services, "service");
    });
    file.tables("policy", limits::resources_per_apply, [&](Table& table) {
        Policy policy = read_policy(table);
        add_checked(resources.policies, std::move(policy), table, problems, policies, "policy");
    });
    for (const std::string_view later : {"route", "rate_limit", "quota", "gateway", "external",
                                         "rollout", "jwt_provider", "peer"}) {
        file.not_yet(later);
    }
}

} // namespace

std::vector<std::string_view> resource_keys() {
    const Value empty;
    Problems ignored;
    Table file(empty, ignored);
    ResourceFile resources;
    read_resources(file, resources, ignored);
    return file.known();
}

std::vector<std::string_view> resource_service_keys() {
    const Value empty;
    Problems ignored;
    Table table(empty, ignored);
    (void)read_service(table);
    return table.known();
}

Result<ResourceFile> parse_resources(const std::string& text, const std::string& name) {
    ParsedToml parsed = parse_toml(text);
    Problems problems;
    ResourceFile resources;
    problems.add(std::move(parsed.problems));
    if (problems.empty()) {
        Table file(parsed.root, problems);
        read_resources(file, resources, problems);
        file.finish();
    }
    if (problems.empty() &&
        resources.services.size() + resources.policies.size() > limits::resources_per_apply) {
        problems.add({}, std::format("more than {} resources", limits::resources_per_apply));
    }
    if (!problems.empty()) return fail(problems.to_error(name));
    return resources;
}

// --- and back -----------------------------------------------------------------------------------

std::string to_toml(const Service& service) {
    return std::format(
        "[[service]]\nname = \"{}\"\nprotocol = \"{}\"\nbalance = \"{}\"\ndefault_policy = \"{}\"\n"
        "timeouts = {{ connect = \"{}\", idle = \"{}\" }}\nlimits = {{ connections = {} }}\n",
        service.name, to_string(service.protocol), to_string(service.balance),
        to_string(service.default_policy), format_duration(service.connect_timeout),
        format_duration(service.idle_timeout), service.max_connections);
}

std::string to_toml(const Policy& policy) {
    std::string from;
    for (const std::string& source : policy.from) {
        from += std::format("{}\"{}\"", from.empty() ? "" : ", ", source);
    }
    return std::format(
        "[[policy]]\nname = \"{}\"\nservice = \"{}\"\naction = \"{}\"\nmode = \"{}\"\nfrom = "
        "[{}]\n",
        policy.name, policy.service, to_string(policy.action), to_string(policy.mode), from);
}

} // namespace hawser::config
