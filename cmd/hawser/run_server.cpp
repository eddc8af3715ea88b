#include <format>

#include "build_info.h"
#include "config/server_config.h"
#include "console.h"
#include "daemon.h"
#include "log/log.h"
#include "roots.h"
#include "server/server.h"

namespace hawser::cmd {
namespace {

struct Running {
    std::unique_ptr<server::Server> server;
    bool stopping = false; // before the server was open

    void stop() {
        stopping = true;
        if (server != nullptr) server->stop();
    }
};

io::Task<Result<void>> serve(Daemon& daemon, Running& running, config::ServerConfig config) {
    auto opened =
        co_await server::Server::open(daemon.loop().executor(), std::move(config), build_version);
    if (!opened) co_return fail(std::move(opened.error()));
    running.server = std::move(*opened);
    if (running.stopping) running.server->stop();
    daemon.ready(std::format("serving {} on {}", running.server->trust_domain().name,
                             running.server->endpoint().to_string()));
    auto ended = co_await running.server->run();
    running.server.reset();
    co_return ended;
}

} // namespace

int run_server(const std::string& config_file) {
    auto config = config::load_server_config(config_file);
    if (!config) return report_config(config.error());
    log::configure(log::parse_level(config->log_level).value_or(log::Level::info),
                   log::parse_format(config->log_format).value_or(log::Format::automatic));
    Daemon daemon("server");
    Running running;
    return daemon.run(serve(daemon, running, std::move(*config)), [&running] { running.stop(); });
}

} // namespace hawser::cmd
