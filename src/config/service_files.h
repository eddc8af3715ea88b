// services.d: files of [[service]] that come and go while the agent runs. At start every mistake is
// an error; later a file that can't be used leaves what it said before in force, and says why.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/agent_config.h"
#include "config/service_table.h"

namespace hawser::config {

// The services of all files of the folder, appended; the error has a line per mistake.
[[nodiscard]] Result<void> append_service_files(const std::string& folder,
                                                std::vector<PlacedService>& services);

struct ServicesNow {
    std::vector<ServiceConfig> services;
    std::vector<std::string> problems; // one a file that can't be used: "FILE:LINE:COLUMN: …"
};
// What only the running agent knows to be wrong; its message begins with the place.
using ServiceRule = std::function<Result<void>(const ServiceConfig&)>;

// The folder's files as they are now, with those of `before` that stand in other files. Blocking.
[[nodiscard]] ServicesNow reread_services(const std::string& folder,
                                          const std::vector<ServiceConfig>& before,
                                          const ServiceRule& rule);

} // namespace hawser::config
