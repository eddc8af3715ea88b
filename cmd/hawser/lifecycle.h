// What makes a program a daemon: it stops when asked to, and tells the service manager how it is.
// One loop; the object lives as long as the daemon runs.
#pragma once

#include <asio/signal_set.hpp>

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "host/systemd.h"
#include "io/loop.h"
#include "io/task_group.h"

namespace hawser::cmd {

// [log] of either configuration; what it says was checked when it was read.
void configure_log(const std::string& level, const std::string& format);

class Lifecycle {
  public:
    // Takes over SIGTERM, SIGINT and SIGHUP, and ignores SIGPIPE.
    explicit Lifecycle(io::Loop& loop);

    // What the first SIGTERM or SIGINT does, from the loop; at once if it has already come. The
    // second one does what `hurry` says, the third ends the process where it stands; without a
    // `hurry` the second.
    void on_stop(std::function<void()> stop, std::function<void()> hurry = nullptr);
    // What SIGHUP does, unless it tells that the terminal went away: then it stops.
    void on_reload(std::function<void()> reload) { reload_ = std::move(reload); }
    [[nodiscard]] bool stopping() const { return stopping_; }

    void ready(std::string_view status); // and from now on the watchdog is fed
    // The daemon has ended: tells why, and makes the exit code.
    [[nodiscard]] int ended(const Result<void>& result);
    // Nothing of it runs any more; to be awaited before the loop is stopped.
    [[nodiscard]] io::Task<void> finish();

  private:
    void wait_for_signal();
    void end(int signal);
    void hang_up();

    asio::basic_signal_set<io::Executor> signals_;
    std::function<void()> stop_, hurry_, reload_;
    bool had_terminal_;
    bool stopping_ = false;
    host::Systemd systemd_;
    io::TaskGroup tasks_;
};

// Runs `program` (a daemon's whole life, which ends with loop.stop()) on the loop.
void run_to_end(io::Loop& loop, io::Task<void> program);

} // namespace hawser::cmd
