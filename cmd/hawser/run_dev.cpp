// `hawser dev`: a server and an agent in one process, for trying hawser and for tests. What two
// hosts would do by hand happens here in order: init, server, token, join, agent.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <format>

#include "agent/agent.h"
#include "agent/join.h"
#include "build_info.h"
#include "config/agent_config.h"
#include "config/server_config.h"
#include "console.h"
#include "daemon.h"
#include "io/task_group.h"
#include "log/log.h"
#include "model/proto/control.pb.h"
#include "roots.h"
#include "rpc/client.h"
#include "server/init.h"
#include "server/server.h"

namespace hawser::cmd {
namespace {

// A folder of our own that goes with the process, or the user's that stays.
class DataDir {
  public:
    explicit DataDir(std::string given) : path_(std::move(given)) {
        if (!path_.empty()) return;
        std::string name = (std::filesystem::temp_directory_path() / "hawser-dev-XXXXXX").string();
        if (::mkdtemp(name.data()) != nullptr) path_ = temporary_ = name;
    }
    ~DataDir() {
        std::error_code ignored;
        if (!temporary_.empty()) std::filesystem::remove_all(temporary_, ignored);
    }
    DataDir(const DataDir&) = delete;
    DataDir& operator=(const DataDir&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_, temporary_;
};

struct Dev {
    config::ServerConfig server_config;
    config::AgentConfig agent_config;
    std::unique_ptr<server::Server> server;
    std::unique_ptr<agent::Agent> agent;
    bool stopping = false;

    // The agent leaves first; its end stops the server.
    void stop() {
        stopping = true;
        if (agent != nullptr) return agent->stop();
        if (server != nullptr) server->stop();
    }
};

config::ServerConfig dev_server_config(const config::AgentConfig& agent, const std::string& dir) {
    config::ServerConfig config;
    config.node = "dev";
    config.data_dir = dir + "/server";
    config.socket = dir + "/server.sock";
    config.listen =
        agent.servers.empty() ? Endpoint{IpAddress::v4(0x7f000001), 7443} : agent.servers.front();
    config.vip4 = Cidr::parse("240.0.0.0/8").value();
    config.vip6 = Cidr::parse("fd68:6177::/64").value();
    return config;
}

Result<void> prepare(Dev& dev, const std::string& dir) {
    dev.server_config = dev_server_config(dev.agent_config, dir);
    dev.agent_config.data_dir = dir + "/agent";
    dev.agent_config.socket = dir + "/agent.sock";
    // The agent joins anew each time, so that it may speak for what is configured now.
    std::error_code error;
    std::filesystem::remove_all(dev.agent_config.data_dir, error);
    if (error) return fail_errno(error.value(), "removing " + dev.agent_config.data_dir);
    auto made = server::init(dev.server_config);
    if (made) {
        std::printf("operator token (shown once): %s\n", made->operator_token.c_str());
        return {};
    }
    // A mesh from an earlier run is used as it is.
    if (made.error().code == ErrorCode::already_exists) return {};
    return fail(std::move(made.error()));
}

io::Task<Result<std::string>> create_token(const Dev& dev) {
    auto client = co_await rpc::Client::connect_unix(dev.server_config.socket);
    if (!client) co_return fail(std::move(client.error()));
    v1::CreateTokenRequest request;
    request.set_node(dev.agent_config.node);
    for (const auto& service : dev.agent_config.services) request.add_services(service.name);
    auto response = co_await (*client)->call<v1::CreateTokenResponse>("/hawser.v1.Api/CreateToken",
                                                                      std::move(request));
    if (!response) co_return fail(std::move(response.error()), "creating a join token");
    co_return response->token();
}

io::Task<Result<void>> run_the_agent(Daemon& daemon, Dev& dev) {
    auto token = co_await create_token(dev);
    if (!token) co_return fail(std::move(token.error()));
    dev.agent_config.servers = {dev.server->endpoint()};
    auto joined = co_await agent::join({.token = std::move(*token),
                                        .servers = dev.agent_config.servers,
                                        .data_dir = dev.agent_config.data_dir,
                                        .node = dev.agent_config.node});
    if (!joined) co_return fail(std::move(joined.error()), "joining");
    const std::string status =
        std::format("server.sock and agent.sock in {}, API on {}",
                    std::filesystem::path(dev.server_config.socket).parent_path().string(),
                    dev.server->endpoint().to_string());
    auto opened = agent::Agent::open(dev.agent_config, daemon.loop(),
                                     {.version = build_version,
                                      .commit = build_commit,
                                      .on_ready = [&daemon, status] { daemon.ready(status); }});
    if (!opened) co_return fail(std::move(opened.error()));
    dev.agent = std::move(*opened);
    if (dev.stopping) dev.agent->stop();
    auto ended = co_await dev.agent->run();
    dev.agent.reset();
    co_return ended;
}

// The server beside the agent; how it ended is the server's to tell.
io::Task<void> run_the_server(Dev& dev, Result<void>& ended) {
    ended = co_await dev.server->run();
    if (dev.agent != nullptr) dev.agent->stop();
}

io::Task<Result<void>> run_both(Daemon& daemon, Dev& dev) {
    auto opened =
        co_await server::Server::open(daemon.loop().executor(), dev.server_config, build_version);
    if (!opened) co_return fail(std::move(opened.error()));
    dev.server = std::move(*opened);
    Result<void> server_ended;
    io::TaskGroup serving(daemon.loop().executor());
    serving.spawn(run_the_server(dev, server_ended));
    auto agent_ended = co_await run_the_agent(daemon, dev);
    dev.server->stop();
    co_await serving.join();
    dev.server.reset();
    co_return agent_ended ? server_ended : agent_ended;
}

} // namespace

int run_dev(const DevOptions& options) {
    Dev dev;
    auto config = options.agent_config.empty()
                      ? config::parse_agent_config("[intercept]\nmode = \"explicit\"\n", "dev")
                      : config::load_agent_config(options.agent_config);
    if (!config) return report_config(config.error());
    dev.agent_config = std::move(*config);
    log::configure(log::parse_level(dev.agent_config.log_level).value_or(log::Level::info),
                   log::parse_format(dev.agent_config.log_format).value_or(log::Format::automatic));
    const DataDir dir(options.data_dir);
    if (auto prepared = prepare(dev, dir.path()); !prepared) return report(prepared.error());
    Daemon daemon("dev");
    return daemon.run(run_both(daemon, dev), [&dev] { dev.stop(); });
}

} // namespace hawser::cmd
