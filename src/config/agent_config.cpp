#include "config/agent_config.h"

#include <algorithm>
#include <format>

#include "base/bytes.h"
#include "base/limits.h"
#include "config/config_file.h"
#include "config/file_kinds.h"
#include "config/service_files.h"
#include "config/service_table.h"
#include "model/identity.h"
#include "model/validation.h"

namespace hawser::config {

namespace {

constexpr std::size_t most_servers = 16;
constexpr std::size_t most_resolvers = 8;
constexpr std::uint32_t most_workers = 256;

AgentConfig with_defaults() {
    const IpAddress any = IpAddress::v4(0), loopback = IpAddress::v4(0x7f000001);
    AgentConfig config;
    config.tunnel_listen = {.address = any, .port = 15008};
    config.dns_listen = {.address = loopback, .port = 15053};
    config.metrics_listen = {.address = loopback, .port = 15020};
    return config;
}

void read_host(Table& file, AgentConfig& config) {
    file.text("node", config.node,
              [](const std::string& name) { return model::check_name(name, "node name"); });
    file.text("zone", config.zone, [](const std::string& zone) { return model::check_zone(zone); });
    file.endpoints("servers", config.servers, most_servers);
    for (const Endpoint& server : config.servers) {
        if (!is_dialable(server)) {
            file.problem("servers",
                         "holds " + quote(server.to_string()) + ", which cannot be dialled");
        }
    }
    file.text("join_token_file", config.join_token_file, check_path);
    file.text("machine_id_file", config.machine_id_file, check_path);
    file.text("data_dir", config.data_dir, check_path);
    file.text("socket", config.socket, check_socket_path);
    file.text("services_dir", config.services_dir, check_path);
    file.integer("workers", config.workers, 0U, most_workers);
}

void read_traffic(Table& file, AgentConfig& config) {
    file.table("tunnel", [&](Table& tunnel) {
        tunnel.endpoint("listen", config.tunnel_listen);
        tunnel.endpoint("advertise", config.tunnel_advertise);
        if (config.tunnel_advertise && !is_dialable(*config.tunnel_advertise)) {
            tunnel.problem("advertise", "must be an address and port that others can dial");
        }
    });
    constexpr std::uint16_t least_port = 1, most_port = 65535;
    file.table("intercept", [&](Table& intercept) {
        intercept.choice("mode", config.intercept_mode,
                         {{{"transparent", InterceptMode::transparent},
                           {"explicit", InterceptMode::explicit_}}});
        intercept.choice("on_exit", config.on_exit,
                         {{{"open", OnExit::open}, {"closed", OnExit::closed}}});
        intercept.integer("outbound_port", config.outbound_port, least_port, most_port);
        intercept.integer("inbound_port", config.inbound_port, least_port, most_port);
        if (config.outbound_port == config.inbound_port) {
            intercept.problem(intercept.has("inbound_port") ? "inbound_port" : "outbound_port",
                              "must not be the port of the other direction too");
        }
    });
    file.table("dns", [&](Table& dns) {
        dns.endpoint("listen", config.dns_listen);
        dns.boolean("capture", config.dns_capture);
        dns.endpoints("upstreams", config.dns_upstreams, most_resolvers);
    });
}

void read_telemetry(Table& file, AgentConfig& config) {
    file.table("metrics",
               [&](Table& metrics) { metrics.endpoint("listen", config.metrics_listen); });
    read_log(file, config.log_level, config.log_format);
    file.table("access_log", [&](Table& access_log) {
        access_log.choice("mode", config.access_log,
                          {{{"off", AccessLogMode::off},
                            {"errors", AccessLogMode::errors},
                            {"all", AccessLogMode::all}},
                           {"sampled"}});
    });
    file.not_yet("tracing");
}

void read_agent(Table& file, const std::string& name, AgentConfig& config,
                std::vector<PlacedService>& services) {
    read_host(file, config);
    read_traffic(file, config);
    read_telemetry(file, config);
    read_services(file, name, services);
}

Result<AgentConfig> parse(const std::string& text, const std::string& name,
                          std::vector<PlacedService>& services) {
    ParsedToml parsed = parse_toml(text);
    Problems problems;
    AgentConfig config = with_defaults();
    problems.add(std::move(parsed.problems));
    if (problems.empty()) {
        Table file(parsed.root, problems);
        read_agent(file, name, config, services);
        file.finish();
        check_services(services, 0, problems);
    }
    if (!problems.empty()) return fail(problems.to_error(name));
    return config;
}

void move_services(std::vector<PlacedService>& from, AgentConfig& to) {
    for (auto& [service, place] : from) to.services.push_back(std::move(service));
}

} // namespace

std::vector<std::string_view> agent_keys() {
    const Value empty;
    Problems ignored;
    Table file(empty, ignored);
    AgentConfig config;
    std::vector<PlacedService> services;
    read_agent(file, "", config, services);
    return file.known();
}

std::vector<std::string_view> agent_service_keys() {
    const Value empty;
    Problems ignored;
    Table table(empty, ignored);
    (void)read_service(table, "");
    return table.known();
}

Result<AgentConfig> parse_agent_config(const std::string& text, const std::string& name) {
    std::vector<PlacedService> services;
    Result<AgentConfig> config = parse(text, name, services);
    if (config) move_services(services, *config);
    return config;
}

Result<AgentConfig> load_agent_config(const std::string& path) {
    const Result<std::string> text = read_config_file(path);
    if (!text) return fail(text.error());
    std::vector<PlacedService> services;
    Result<AgentConfig> config = parse(*text, path, services);
    if (!config) return config;

    if (const Result<void> read = append_service_files(config->services_dir, services); !read) {
        return fail(read.error());
    }
    if (services.size() > limits::instances_per_node) {
        return fail(ErrorCode::invalid,
                    std::format("{} and {} hold more than {} services together", path,
                                config->services_dir, limits::instances_per_node));
    }
    move_services(services, *config);
    return config;
}

} // namespace hawser::config
