#include "demo_plan.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <format>
#include <vector>

namespace hawser::cmd::demo {

namespace {

// Ports the kernel calls free, held together so that no two are the same.
Result<std::vector<std::uint16_t>> free_ports(std::size_t count) {
    std::vector<int> sockets;
    std::vector<std::uint16_t> ports;
    for (std::size_t number = 0; number < count; ++number) {
        const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* generic = reinterpret_cast<sockaddr*>(&address);
        if (descriptor < 0 || bind(descriptor, generic, sizeof address) != 0 ||
            getsockname(descriptor, generic, &size) != 0) {
            break;
        }
        sockets.push_back(descriptor);
        ports.push_back(ntohs(address.sin_port));
    }
    const int error = errno;
    for (const int descriptor : sockets) close(descriptor);
    if (ports.size() < count) return fail_errno(error, "looking for free ports on 127.0.0.1");
    return ports;
}

std::string agent_head(const Plan& plan, const HostPlan& host) {
    return std::format(
        "node = \"{0}\"\nservers = [\"{1}\"]\njoin_token_file = \"{2}/join-token\"\n"
        "data_dir = \"{2}/agent\"\nsocket = \"{3}\"\nservices_dir = \"{2}/services.d\"\n\n"
        "[tunnel]\nlisten = \"{4}:{5}\"\nadvertise = \"{4}:{6}\"\n\n"
        "[intercept]\nmode = \"{7}\"\n\n[dns]\nlisten = \"127.0.0.1:{8}\"\n\n"
        "[metrics]\nlisten = \"127.0.0.1:{9}\"\n",
        host.name, plan.server_address(), host.directory, host.socket("agent"), host.address,
        host.tunnel_port, host.advertised_port, plan.transparent ? "transparent" : "explicit",
        host.dns_port, host.metrics_port);
}

std::string caller(const std::string& name, std::uint32_t uid, const Plan& plan,
                   const std::string& upstreams) {
    std::string text = std::format("\n[[service]]\nname = \"{}\"\n", name);
    if (plan.transparent) return text + std::format("user = \"{}\"\n", uid);
    return text + std::format("upstream = [ {} ]\n", upstreams);
}

std::string upstream(const std::string& service, std::uint16_t port) {
    return std::format("{{ service = \"{}\", listen = \"127.0.0.1:{}\" }}", service, port);
}

std::string offered(const std::string& name, std::uint16_t port, bool http) {
    return std::format(
        "\n[[service]]\nname = \"{}\"\nport = {}\n"
        "check = [ {{ {}, interval = \"{}s\", timeout = \"500ms\" }} ]\n",
        name, port, http ? "http = \"/\"" : "tcp = true", check_interval_seconds);
}

} // namespace

std::string Plan::server_address() const {
    return std::format("{}:{}", server.address, server_port);
}

Plan plan_namespaces(const std::string& directory, const std::string& prefix) {
    const auto host = [&](const std::string& name, int number) {
        return HostPlan{.name = name,
                        .network_namespace = prefix + "-" + name,
                        .address = std::format("10.77.0.{}", number),
                        .directory = directory + "/" + name};
    };
    return {.transparent = true,
            .directory = directory,
            .prefix = prefix,
            .server = host("server", 10),
            .web = host("web", 11),
            .api = host("api", 12)};
}

Result<Plan> plan_loopback(const std::string& directory) {
    const auto ports = free_ports(16);
    if (!ports) return fail(ports.error());
    auto next = ports->begin();
    const auto host = [&](const std::string& name) {
        HostPlan plan{.name = name,
                      .network_namespace = "",
                      .address = "127.0.0.1",
                      .directory = directory + "/" + name};
        plan.tunnel_port = *next++;
        plan.advertised_port = plan.tunnel_port;
        plan.dns_port = *next++;
        plan.metrics_port = *next++;
        return plan;
    };
    Plan plan{.transparent = false,
              .directory = directory,
              .prefix = "",
              .server = {},
              .web = {},
              .api = {}};
    plan.server = {.name = "server",
                   .network_namespace = "",
                   .address = "127.0.0.1",
                   .directory = directory + "/server"};
    plan.web = host("web");
    plan.api = host("api");
    plan.api.advertised_port = *next++;
    for (auto* port : {&plan.server_port, &plan.api_one_port, &plan.api_two_port, &plan.cache_port,
                       &plan.web_to_api_port, &plan.web_to_cache_port, &plan.batch_to_api_port}) {
        *port = *next++;
    }
    return plan;
}

std::string server_config(const Plan& plan) {
    const auto& host = plan.server;
    return std::format(
        "node = \"{0}\"\ndata_dir = \"{1}/state\"\nsocket = \"{2}\"\n"
        "listen = \"{3}\"\nadvertise = [\"{3}\"]\n",
        host.name, host.directory, host.socket("server"), plan.server_address());
}

std::string web_config(const Plan& plan) {
    return agent_head(plan, plan.web) +
           caller("web", web_uid, plan,
                  upstream("api", plan.web_to_api_port) + ", " +
                      upstream("cache", plan.web_to_cache_port)) +
           caller("batch", batch_uid, plan, upstream("api", plan.batch_to_api_port));
}

std::string api_config(const Plan& plan, bool cache_is_http) {
    return agent_head(plan, plan.api) + offered("api", plan.api_one_port, true) +
           offered("api", plan.api_two_port, true) +
           offered("cache", plan.cache_port, cache_is_http);
}

std::string policies() {
    return "[[policy]]\nname = \"web-calls-api\"\nservice = \"api\"\naction = \"allow\"\n"
           "from = [\"web\"]\n\n"
           "[[policy]]\nname = \"web-calls-cache\"\nservice = \"cache\"\naction = \"allow\"\n"
           "from = [\"web\"]\n";
}

std::string nginx_config(const std::string& directory, std::uint16_t port,
                         const std::string& instance) {
    return std::format(
        "daemon off;\nmaster_process off;\npid {0}/nginx-{2}.pid;\nerror_log stderr warn;\n"
        "events {{ worker_connections 512; }}\nhttp {{\n  access_log off;\n"
        "  client_body_temp_path {0}/nginx-{2}-body;\n  proxy_temp_path {0}/nginx-{2}-proxy;\n"
        "  fastcgi_temp_path {0}/nginx-{2}-fastcgi;\n  uwsgi_temp_path {0}/nginx-{2}-uwsgi;\n"
        "  scgi_temp_path {0}/nginx-{2}-scgi;\n"
        "  server {{\n    listen 127.0.0.1:{1};\n    default_type text/plain;\n"
        "    location / {{ return 200 \"hello from api {2}\\n\"; }}\n  }}\n}}\n",
        directory, port, instance);
}

Result<void> write_file(const std::string& path, const std::string& text) {
    const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) return fail_errno(errno, "writing " + path);
    const auto written = write(file, text.data(), text.size());
    const int error = errno;
    close(file);
    if (written < 0) return fail_errno(error, "writing " + path);
    if (static_cast<std::size_t>(written) != text.size()) {
        return fail(ErrorCode::resource_exhausted, "writing " + path + ": the disk is full");
    }
    return {};
}

} // namespace hawser::cmd::demo
