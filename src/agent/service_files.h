// services.d while the agent runs: watched, and read again when something in it changed or when it
// is asked for (SIGHUP). Whoever is told gets all services of this host; a file that can't be used
// keeps what it said before, and problems() says why. Control loop only.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "config/agent_config.h"
#include "config/service_files.h"
#include "io/loop.h"
#include "io/task_group.h"

namespace hawser::agent {

struct ServiceFilesOptions {
    std::string folder;
    config::ServiceRule rule; // what makes a definition unusable here and now
    // The services that are in force, and what to do with other ones.
    std::function<const std::vector<config::ServiceConfig>&()> current;
    std::function<void(std::vector<config::ServiceConfig>)> use;
};

class ServiceFiles {
  public:
    ServiceFiles(io::Executor executor, ServiceFilesOptions options);
    ~ServiceFiles(); // after stop()

    void start();
    [[nodiscard]] io::Task<void> stop();
    void reread();
    [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }

  private:
    [[nodiscard]] io::Task<void> watch();
    [[nodiscard]] io::Task<Error> watch_once(); // until it can't

    io::Executor executor_;
    ServiceFilesOptions options_;
    std::vector<std::string> problems_;
    io::TaskGroup tasks_;
};

} // namespace hawser::agent
