#include <format>

#include "agent/agent.h"
#include "build_info.h"
#include "config/agent_config.h"
#include "config/config_file.h"
#include "console.h"
#include "daemons.h"
#include "lifecycle.h"
#include "log/log.h"

namespace hawser::cmd {

namespace {

class AgentProgram {
  public:
    AgentProgram(config::AgentConfig config, std::string file, std::string text)
        : config_(std::move(config)),
          file_(std::move(file)),
          text_(std::move(text)),
          loop_("agent"),
          lifecycle_(loop_) {}

    int run() {
        log::info("starting the agent", {{"version", build_version}, {"commit", build_commit}});
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
        auto agent = agent::Agent::open(
            config_, loop_, {.version = build_version, .commit = build_commit, .on_ready = [this] {
                                 lifecycle_.ready("carrying traffic");
                             }});
        if (!agent) co_return fail(std::move(agent.error()));
        lifecycle_.on_stop([&agent] { (*agent)->stop(); }, [&agent] { (*agent)->hurry(); });
        lifecycle_.on_reload([this, &agent] {
            tell_if_changed();
            (*agent)->reload();
        });
        (*agent)->heed_reload();
        Result<void> result = co_await (*agent)->run();
        lifecycle_.on_stop(nullptr);
        lifecycle_.on_reload(nullptr);
        co_return result;
    }

    // Listeners, state and mode are for a process's life.
    void tell_if_changed() const {
        const Result<std::string> now = config::read_config_file(file_);
        if (now && *now != text_)
            log::warn("the configuration file has changed: a restart is needed to use it",
                      {{"file", file_}});
    }

    config::AgentConfig config_;
    std::string file_, text_; // as it was at the start
    io::Loop loop_;
    Lifecycle lifecycle_;
    int exit_code_ = failed;
};

} // namespace

int run_agent(const std::string& config_file) {
    const Result<std::string> text = config::read_config_file(config_file);
    Result<config::AgentConfig> config = config::load_agent_config(config_file);
    if (!config) return report_config(config.error());
    configure_log(config->log_level, config->log_format);
    return AgentProgram(*std::move(config), config_file, text.value_or("")).run();
}

} // namespace hawser::cmd
