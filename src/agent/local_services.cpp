#include "agent/local_services.h"

#include <algorithm>
#include <format>
#include <utility>

#include "base/bytes.h"
#include "base/limits.h"
#include "host/accounts.h"
#include "log/log.h"

namespace hawser::agent {
namespace {

Endpoint dial_address(const config::ServiceConfig& service) {
    const bool given = !service.address.is_unspecified() && service.address != IpAddress{};
    return {.address = given ? service.address : IpAddress::v4(0x7f000001), .port = service.port};
}

host::CheckKind kind_of(config::CheckKind kind) {
    switch (kind) {
        case config::CheckKind::http: return host::CheckKind::http;
        case config::CheckKind::tcp: return host::CheckKind::tcp;
        case config::CheckKind::exec: return host::CheckKind::exec;
    }
    return host::CheckKind::tcp;
}

std::vector<host::Check> checks_of(const config::ServiceConfig& service) {
    std::vector<host::Check> checks;
    for (const config::CheckConfig& configured : service.checks) {
        host::Check check;
        check.kind = kind_of(configured.kind);
        check.target = dial_address(service);
        if (!configured.http_path.empty()) check.http_path = configured.http_path;
        check.command = configured.command;
        check.interval = configured.interval;
        check.timeout = configured.timeout;
        check.thresholds = {.critical_after = configured.critical_after,
                            .passing_after = configured.passing_after};
        checks.push_back(std::move(check));
    }
    return checks;
}

std::string at(const std::string& place) {
    return place.empty() ? "" : place + ": ";
}

// What a program printed becomes part of a resource: text, and short.
std::string fit_reason(const std::string& reason) {
    constexpr std::size_t shown = 512;
    if (reason.size() <= shown && is_utf8(reason)) return reason;
    return quote(reason, shown);
}

} // namespace

LocalServiceSet::LocalServiceSet(io::Executor executor, std::string node,
                                 std::function<void()> on_health, std::uint64_t seed)
    : node_(std::move(node)),
      on_health_(std::move(on_health)),
      checks_(
          executor,
          [this](const std::string& instance, const host::InstanceHealth& health) {
              log::info("health changed", {{"instance", instance},
                                           {"health", model::to_string(health.health)},
                                           {"reason", fit_reason(health.reason)}});
              on_health_();
          },
          seed) {}

LocalServiceSet::~LocalServiceSet() = default;

Result<std::unique_ptr<LocalServiceSet>> LocalServiceSet::open(
    io::Executor executor, std::string node, const std::vector<config::ServiceConfig>& services,
    std::function<void()> on_health, std::uint64_t seed) {
    std::unique_ptr<LocalServiceSet> set(
        new LocalServiceSet(executor, std::move(node), std::move(on_health), seed));
    if (auto made = set->update(services); !made) return fail(std::move(made.error()));
    return set;
}

Result<LocalServiceSet::Entry> LocalServiceSet::make_entry(const std::string& node,
                                                           const config::ServiceConfig& service) {
    Entry entry{.config = service, .instance = {}, .uid = {}, .owner = ""};
    if (service.user) {
        auto uid = host::user_id(*service.user);
        if (!uid) return fail(ErrorCode::invalid, at(service.user_place) + uid.error().message);
        entry.uid = *uid;
        const auto name = host::user_name(*uid);
        entry.owner = std::format("uid {}{}", *uid, name ? " (" + *name + ")" : "");
    }
    if (service.port != 0) {
        entry.instance = {.node = node,
                          .service = service.name,
                          .port = service.port,
                          .weight = service.weight,
                          .labels = service.labels,
                          .health = model::Health::critical,
                          .health_reason = ""};
    }
    return entry;
}

Result<void> LocalServiceSet::update(const std::vector<config::ServiceConfig>& services) {
    if (services.size() > limits::instances_per_node) {
        return fail(ErrorCode::invalid, std::format("{} services on one host; at most {} may be",
                                                    services.size(), limits::instances_per_node));
    }
    std::vector<Entry> entries;
    std::vector<proxy::LocalService> local;
    std::vector<proxy::Upstream> upstreams;
    for (const config::ServiceConfig& service : services) {
        for (const Entry& other : entries) {
            if (other.config.name == service.name && other.config.port == service.port)
                return fail(ErrorCode::invalid, std::format("service {}: port {} is given twice",
                                                            quote(service.name), service.port));
        }
        auto entry = make_entry(node_, service);
        if (!entry) return fail(std::move(entry.error()));
        for (const config::UpstreamConfig& upstream : service.upstreams) {
            upstreams.push_back({.source = service.name,
                                 .destination = upstream.service,
                                 .listen = upstream.listen});
        }
        local.push_back({.name = service.name,
                         .port = service.port,
                         .dial = dial_address(service),
                         .owner = entry->uid});
        entries.push_back(std::move(*entry));
    }
    std::swap(entries_, entries);
    upstreams_ = std::move(upstreams);
    view_ = std::make_shared<const proxy::LocalServices>(std::move(local));
    if (!started_) return {};
    for (const Entry& old : entries) {
        const auto key = old.instance.key();
        if (std::ranges::none_of(entries_, [&](const Entry& e) { return e.instance.key() == key; }))
            checks_.remove(key);
    }
    start_checks();
    return {};
}

void LocalServiceSet::start() {
    started_ = true;
    start_checks();
}

void LocalServiceSet::start_checks() {
    for (const Entry& entry : entries_) {
        if (entry.instance.port != 0) checks_.set(entry.instance.key(), checks_of(entry.config));
    }
}

io::Task<void> LocalServiceSet::stop() {
    co_await checks_.stop();
}

void LocalServiceSet::drain(std::string reason) {
    draining_ = std::move(reason);
}

std::vector<std::string> LocalServiceSet::names() const {
    std::vector<std::string> all;
    for (const Entry& entry : entries_) {
        if (std::ranges::find(all, entry.config.name) == all.end())
            all.push_back(entry.config.name);
    }
    return all;
}

std::vector<std::uint16_t> LocalServiceSet::ports() const {
    std::vector<std::uint16_t> all;
    for (const Entry& entry : entries_) {
        if (entry.instance.port != 0 && std::ranges::find(all, entry.instance.port) == all.end())
            all.push_back(entry.instance.port);
    }
    return all;
}

host::InstanceHealth LocalServiceSet::health_of(const Entry& entry) const {
    if (entry.instance.port == 0) return {.health = model::Health::passing, .reason = ""};
    if (draining_) return {.health = model::Health::critical, .reason = *draining_};
    host::InstanceHealth health = checks_.health(entry.instance.key());
    const bool unchecked = entry.config.checks.empty() && health.health == model::Health::passing;
    health.reason = unchecked ? "unchecked" : fit_reason(health.reason);
    return health;
}

std::vector<model::Instance> LocalServiceSet::instances() const {
    std::vector<model::Instance> all;
    for (const Entry& entry : entries_) {
        if (entry.instance.port == 0) continue;
        host::InstanceHealth health = health_of(entry);
        model::Instance instance = entry.instance;
        instance.health = health.health;
        instance.health_reason = std::move(health.reason);
        all.push_back(std::move(instance));
    }
    return all;
}

std::vector<LocalServiceReport> LocalServiceSet::report() const {
    std::vector<LocalServiceReport> all;
    for (const Entry& entry : entries_) {
        all.push_back({.name = entry.config.name,
                       .port = entry.config.port,
                       .health = health_of(entry),
                       .owner = entry.owner});
    }
    return all;
}

} // namespace hawser::agent
