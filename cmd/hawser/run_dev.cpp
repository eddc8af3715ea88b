// `hawser dev`: a server and an agent in one process, on one loop and in one folder. What an
// operator would do by hand happens by itself: init, a join token for the services of the
// configuration, joining. Everything else is the real thing.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <utility>

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
const IpAddress loopback = IpAddress::v4(0x7f000001);

struct DevPlan {
    config::ServerConfig server;
    config::AgentConfig agent;
};

// The user's folder, which stays, or one of our own that goes with the process.
class DataDir {
  public:
    static Result<DataDir> open(const std::string& given) {
        std::error_code error;
        if (!given.empty()) {
            const auto path = std::filesystem::absolute(given, error);
            if (error) return fail_errno(error.value(), given);
            return DataDir(path.lexically_normal().string(), false);
        }
        std::string name = std::filesystem::temp_directory_path(error) / "hawser-dev-XXXXXX";
        if (error || ::mkdtemp(name.data()) == nullptr) {
            return fail_errno(error ? error.value() : errno, "making a temporary folder");
        }
        return DataDir(name, true);
    }
    DataDir(DataDir&& other) noexcept
        : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, false)) {}
    DataDir& operator=(DataDir&&) = delete;
    ~DataDir() {
        std::error_code ignored;
        if (temporary_) std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] std::string file(std::string_view name) const {
        return path_ + "/" + std::string(name);
    }

  private:
    DataDir(std::string path, bool temporary) : path_(std::move(path)), temporary_(temporary) {}

    std::string path_;
    bool temporary_;
};

// An agent.toml says what this host offers; where its state is and whom it talks to is dev's own.
Result<config::AgentConfig> agent_config(const DevOptions& options) {
    if (!options.config.empty()) return config::load_agent_config(options.config);
    Result<config::AgentConfig> config = config::parse_agent_config("", "");
    if (config) config->intercept_mode = config::InterceptMode::explicit_;
    return config;
}

Result<DevPlan> make_plan(const DevOptions& options, const DataDir& folder) {
    const Result<Endpoint> listen = Endpoint::parse(options.listen);
    if (!listen) return fail(listen.error(), "--listen");
    Result<config::AgentConfig> agent = agent_config(options);
    if (!agent) return fail(std::move(agent.error()));
    Result<config::ServerConfig> server = config::parse_server_config("", "");
    if (!server) return fail(std::move(server.error()));

    DevPlan plan{.server = *std::move(server), .agent = *std::move(agent)};
    plan.server.node = node_name;
    plan.server.listen = *listen;
    plan.server.data_dir = folder.file("server");
    plan.server.socket = folder.file("server.sock");
    if (plan.agent.node.empty()) plan.agent.node = node_name;
    plan.agent.data_dir = folder.file("agent");
    plan.agent.socket = folder.file("agent.sock");
    if (options.config.empty()) plan.agent.services_dir = folder.file("services.d");
    plan.agent.join_token_file = folder.file("join-token");
    if (plan.agent.tunnel_listen.address.is_unspecified()) {
        plan.agent.tunnel_listen.address = loopback;
    }
    return plan;
}

// First time only.
Result<void> init_once(const DevPlan& plan) {
    const Result<server::InitResult> made = server::init(plan.server);
    if (made) {
        print_line("operator token  " + made->operator_token);
        return server::token_shown(made->data_dir);
    }
    if (made.error().code == ErrorCode::already_exists) return {};
    return fail(made.error());
}

// A node's certificate allows the services its token named. The agent therefore joins anew each
// time, and may speak for what is configured now.
Result<void> forget_agent(const DevPlan& plan) {
    std::error_code error;
    std::filesystem::remove_all(plan.agent.data_dir, error);
    if (error) return fail_errno(error.value(), "removing " + plan.agent.data_dir);
    return {};
}

class DevProgram {
  public:
    explicit DevProgram(DevPlan plan)
        : plan_(std::move(plan)), loop_("dev"), lifecycle_(loop_), tasks_(loop_.executor()) {}

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
        const Endpoint at = (*server)->endpoint();
        const IpAddress reached = at.address.is_unspecified() ? loopback : at.address;
        plan_.agent.servers = {{.address = reached, .port = at.port}};
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
        co_return host::write_file(*plan_.agent.join_token_file, created->token());
    }

    io::Task<Result<void>> serve_agent() {
        auto agent = agent::Agent::open(
            plan_.agent, loop_,
            {.version = build_version, .commit = build_commit, .on_ready = [this] { on_ready(); }});
        if (!agent) co_return fail(std::move(agent.error()), "the agent");
        agent_ = agent->get();
        lifecycle_.on_stop([this] { agent_->stop(); }, [this] { agent_->hurry(); });
        lifecycle_.on_reload([this] { agent_->reload(); });
        agent_->heed_reload();
        Result<void> result = co_await agent_->run();
        lifecycle_.on_stop(nullptr);
        lifecycle_.on_reload(nullptr);
        agent_ = nullptr;
        if (!result) co_return fail(std::move(result.error()), "the agent");
        co_return result;
    }

    void on_ready() {
        print_line("ready: a mesh of one host; stop it with Ctrl-C");
        print_line(plan_.agent.intercept_mode == config::InterceptMode::explicit_
                       ? "  explicit mode: no kernel rules; programs dial the listeners of their "
                         "service's upstream = [...]"
                       : "  transparent mode: programs dial SERVICE.mesh, and kernel rules lead "
                         "them here");
        print_line(std::format("  hawser status --socket {}", plan_.agent.socket));
        print_line(std::format("  hawser apply -f FILE --wait --socket {}", plan_.server.socket));
        std::fflush(stdout);
        lifecycle_.ready("a mesh of one host");
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
    const Result<DataDir> folder = DataDir::open(options.data_dir);
    if (!folder) return report(folder.error());
    Result<DevPlan> plan = make_plan(options, *folder);
    if (!plan) return report_config(plan.error());
    configure_log(plan->agent.log_level, plan->agent.log_format);
    for (const auto& prepare : {init_once, forget_agent}) {
        if (const Result<void> prepared = prepare(*plan); !prepared) {
            return report(prepared.error());
        }
    }
    return DevProgram(*std::move(plan)).run();
}

} // namespace hawser::cmd
