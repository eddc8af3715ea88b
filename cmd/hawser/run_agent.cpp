#include "agent/agent.h"
#include "build_info.h"
#include "config/agent_config.h"
#include "console.h"
#include "daemon.h"
#include "log/log.h"
#include "roots.h"

namespace hawser::cmd {

int run_agent(const std::string& config_file) {
    auto config = config::load_agent_config(config_file);
    if (!config) return report_config(config.error());
    log::configure(log::parse_level(config->log_level).value_or(log::Level::info),
                   log::parse_format(config->log_format).value_or(log::Format::automatic));
    Daemon daemon("agent");
    const std::string node = config->node;
    auto agent = agent::Agent::open(
        std::move(*config), daemon.loop(),
        {.version = build_version, .commit = build_commit, .on_ready = [&daemon, node] {
             daemon.ready("serving node " + node);
         }});
    if (!agent) return report(agent.error());
    return daemon.run((*agent)->run(), [&agent] { (*agent)->stop(); });
}

} // namespace hawser::cmd
