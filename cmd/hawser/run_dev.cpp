// `hawser dev`: a server and an agent in one process, on one loop and in one folder. What an
// operator would do by hand happens by itself: init, a join token for the services of the
// configuration, joining. Everything else is the real thing.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <optional>

#include "agent/agent.h"
#include "build_info.h"
#include "config/agent_config.h"
#include "config/server_config.h"
#include "console.h"
#include "daemons.h"
#include "host/files.h"
#include "lifecycle.h"
#include "log/log.h"
#include "model/proto/control.pb.h"
#include "rpc/client.h"
#include "server/init.h"
#include "server/server.h"

namespace hawser::cmd {

namespace {

constexpr char node_name[] = "dev";
constexpr std::size_t service_list_bytes = 64 << 10;
const IpAddress loopback = IpAddress::v4(0x7f000001);

struct DevPlan {
    std::string folder;
    config::ServerConfig server;
    config::AgentConfig agent;

    [[nodiscard]] std::string service_list_file() const { return folder + "/services"; }
    [[nodiscard]] std::string service_list() const {
        std::string text;
        for (const config::ServiceConfig& service : agent.services) text += service.name + "\n";
        return text;
    }
};

Result<std::string> folder_of(const DevOptions& options) {
    std::error_code error;
    if (!options.data_dir.empty()) {
        const auto path = std::filesystem::absolute(options.data_dir, error);
        if (error) return fail_errno(error.value(), options.data_dir);
        return path.lexically_normal().string();
    }
    if (::geteuid() == 0) return "/var/lib/hawser/dev";
    const char* home = std::getenv("HOME");
    if (home == nullptr || *home != '/') {
        return fail(ErrorCode::invalid, "HOME is not set: say where with --data-dir");
    }
    return std::string(home) + "/.local/state/hawser";
}

// An agent.toml says what this host offers; where its state is and whom it talks to is dev's own.
Result<config::AgentConfig> agent_config(const DevOptions& options) {
    if (!options.config.empty()) return config::load_agent_config(options.config);
    Result<config::AgentConfig> config = config::parse_agent_config("", "");
    if (config) config->intercept_mode = config::InterceptMode::explicit_;
    return config;
}

Result<DevPlan> make_plan(const DevOptions& options) {
    Result<std::string> folder = folder_of(options);
    if (!folder) return fail(std::move(folder.error()));
    const Result<Endpoint> listen = Endpoint::parse(options.listen);
    if (!listen) return fail(listen.error(), "--listen");
    Result<config::AgentConfig> agent = agent_config(options);
    if (!agent) return fail(std::move(agent.error()));
    Result<config::ServerConfig> server = config::parse_server_config("", "");
    if (!server) return fail(std::move(server.error()));

    DevPlan plan{
        .folder = *std::move(folder), .server = *std::move(server), .agent = *std::move(agent)};
    plan.server.node = node_name;
    plan.server.listen = *listen;
    plan.server.data_dir = plan.folder + "/server";
    plan.server.socket = plan.folder + "/server.sock";
    if (plan.agent.node.empty()) plan.agent.node = node_name;
    plan.agent.data_dir = plan.folder + "/agent";
    plan.agent.socket = plan.folder + "/agent.sock";
    plan.agent.join_token_file = plan.folder + "/join-token";
    if (plan.agent.tunnel_listen.address.is_unspecified())
        plan.agent.tunnel_listen.address = loopback;
    return plan;
}

// First time only.
Result<void> init_once(const DevPlan& plan) {
    const Result<server::InitResult> made = server::init(plan.server);
    if (made) {
        print_line("operator token  " + made->operator_token);
        return {};
    }
    if (made.error().code == ErrorCode::already_exists) return {};
    return fail(made.error());
}

// A node's certificate allows the services its token named: other services, another enrolment.
Result<void> forget_other_services(const DevPlan& plan) {
    const Result<std::string> before =
        host::read_file(plan.service_list_file(), service_list_bytes);
    if (!before || *before == plan.service_list()) return {};
    std::error_code error;
    std::filesystem::remove_all(plan.agent.data_dir, error);
    if (error) return fail_errno(error.value(), "removing " + plan.agent.data_dir);
    return {};
}

class DevProgram {
  public:
    explicit DevProgram(DevPlan plan)
        : plan_(std::move(plan)),
          loop_("dev"),
          lifecycle_(loop_),
          tasks_(loop_.executor()) {}

    int run() {
        run_to_end(loop_, live());
        return exit_code_;
    }

  private:
    io::Task<void> live() {
        const Result<void> result = co_await serve();
        exit_code_ = lifecycle_.ended(result);
        co_await lifecycle_.finish();
        loop_.stop();
    }

    io::Task<Result<void>> serve() {
        auto server = co_await server::Server::open(loop_.executor(), plan_.server, build_version);
        if (!server) co_return fail(std::move(server.error()), "the server");
        plan_.agent.servers = {{.address = loopback, .port = (*server)->endpoint().port}};
        tasks_.spawn(run_server(**server));
        Result<void> result = co_await write_token();
        if (result && !lifecycle_.stopping()) result = co_await serve_agent();
        (*server)->stop();
        co_await tasks_.join();
        if (result && !server_result_) result = fail(server_result_.error(), "the server");
        co_return result;
    }

    // `server` outlives the task: serve() joins it.
    io::Task<void> run_server(server::Server& server) {
        server_result_ = co_await server.run();
        if (agent_ != nullptr) agent_->stop();
    }

    io::Task<Result<void>> write_token() {
        auto client = co_await rpc::Client::connect_unix(plan_.server.socket);
        if (!client) co_return fail(std::move(client.error()), "making a join token");
        v1::CreateTokenRequest request;
        request.set_node(plan_.agent.node);
        for (const config::ServiceConfig& service : plan_.agent.services) {
            const auto& listed = request.services();
            if (std::find(listed.begin(), listed.end(), service.name) != listed.end()) continue;
            request.add_services(service.name);
        }
        auto created = co_await (*client)->call<v1::CreateTokenResponse>(
            "/hawser.v1.Api/CreateToken", std::move(request));
        if (!created) co_return fail(std::move(created.error()), "making a join token");
        auto written = host::write_file(*plan_.agent.join_token_file, created->token());
        if (written) written = host::write_file(plan_.service_list_file(), plan_.service_list());
        co_return written;
    }

    io::Task<Result<void>> serve_agent() {
        auto agent = agent::Agent::open(
            plan_.agent, loop_,
            {.version = build_version, .commit = build_commit, .on_ready = [this] { on_ready(); }});
        if (!agent) co_return fail(std::move(agent.error()), "the agent");
        agent_ = agent->get();
        lifecycle_.on_stop([this] { agent_->stop(); });
        Result<void> result = co_await agent_->run();
        lifecycle_.on_stop(nullptr);
        agent_ = nullptr;
        if (!result) co_return fail(std::move(result.error()), "the agent");
        co_return result;
    }

    void on_ready() {
        lifecycle_.ready("a mesh of one host");
        print_line(
            std::format("ready: a mesh of one host in {}; stop it with Ctrl-C", plan_.folder));
        print_line(std::format("  hawser status --socket {}", plan_.agent.socket));
        print_line(std::format("  hawser apply -f FILE --wait --socket {}", plan_.server.socket));
        std::fflush(stdout);
    }

    DevPlan plan_;
    io::Loop loop_;
    Lifecycle lifecycle_;
    agent::Agent* agent_ = nullptr; // while it runs
    Result<void> server_result_;
    io::TaskGroup tasks_;
    int exit_code_ = failed;
};

} // namespace

int run_dev(const DevOptions& options) {
    Result<DevPlan> plan = make_plan(options);
    if (!plan) return report_config(plan.error());
    configure_log(plan->agent.log_level, plan->agent.log_format);
    for (const auto& prepare : {init_once, forget_other_services}) {
        if (const Result<void> prepared = prepare(*plan); !prepared)
            return report(prepared.error());
    }
    return DevProgram(*std::move(plan)).run();
}

} // namespace hawser::cmd
