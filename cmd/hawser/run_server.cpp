#include <format>

#include "build_info.h"
#include "config/server_config.h"
#include "console.h"
#include "daemons.h"
#include "lifecycle.h"
#include "log/log.h"
#include "server/server.h"
#include "server/server_join.h"

namespace hawser::cmd {

namespace {

class ServerProgram {
  public:
    explicit ServerProgram(config::ServerConfig config)
        : config_(std::move(config)), loop_("server"), lifecycle_(loop_) {}

    int run() {
        log::info("starting the server",
                  {{"node", config_.node}, {"version", build_version}, {"commit", build_commit}});
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
        Result<void> member = co_await server::join_before_start(
            config_, build_version, [this] { return lifecycle_.stopping(); });
        if (!member) co_return member;
        auto server = co_await server::Server::open(loop_.executor(), config_, build_version);
        if (!server) co_return fail(std::move(server.error()));
        lifecycle_.on_stop([&server] { (*server)->stop(); });
        lifecycle_.ready(std::format("serving {} on {}", (*server)->trust_domain().name,
                                     (*server)->endpoint().to_string()));
        log::info("ready", {{"trust_domain", (*server)->trust_domain().name},
                            {"listen", (*server)->endpoint().to_string()}});
        Result<void> result = co_await (*server)->run();
        lifecycle_.on_stop(nullptr);
        co_return result;
    }

    config::ServerConfig config_;
    io::Loop loop_;
    Lifecycle lifecycle_;
    int exit_code_ = failed;
};

} // namespace

int run_server(const std::string& config_file) {
    Result<config::ServerConfig> config = config::load_server_config(config_file);
    if (!config) return report_config(config.error());
    configure_log(config->log_level, config->log_format);
    return ServerProgram(*std::move(config)).run();
}

} // namespace hawser::cmd
