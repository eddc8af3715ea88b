// What every daemon does around its work: a loop, signals, the service manager, exit codes.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "host/systemd.h"
#include "io/loop.h"

namespace hawser::cmd {

class Daemon {
  public:
    explicit Daemon(std::string name);

    [[nodiscard]] io::Loop& loop() { return loop_; }
    // Tells the service manager, and the log.
    void ready(const std::string& status);
    // Runs `work` to its end. SIGTERM or SIGINT calls `stop` on the loop, once; a second signal
    // ends the process at once. SIGPIPE is ignored. Returns the exit code.
    [[nodiscard]] int run(io::Task<Result<void>> work, std::function<void()> stop);

  private:
    std::string name_;
    io::Loop loop_;
    host::Systemd systemd_;
};

} // namespace hawser::cmd
