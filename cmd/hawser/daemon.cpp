#include "daemon.h"

#include <asio/co_spawn.hpp>
#include <asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "console.h"
#include "io/task_group.h"
#include "log/log.h"

namespace hawser::cmd {

Daemon::Daemon(std::string name)
    : name_(std::move(name)), loop_("hawser"), systemd_(host::Systemd::from_environment()) {
    std::signal(SIGPIPE, SIG_IGN);
}

void Daemon::ready(const std::string& status) {
    log::info(name_ + " is ready", {{"status", status}});
    if (auto told = systemd_.ready(status); !told)
        log::warn("telling the service manager failed", {{"error", told.error()}});
}

namespace {

// Signals for as long as the daemon runs: the first one stops it, a second ends the process.
class Signals {
  public:
    Signals(asio::io_context& context, std::function<void()> stop)
        : set_(context, SIGTERM, SIGINT), stop_(std::move(stop)) {
        wait();
    }
    void cancel() { set_.cancel(); }

  private:
    void wait() {
        set_.async_wait([this](const std::error_code& error, int signal) {
            if (error) return;
            if (std::exchange(stopping_, true)) {
                log::warn("a second signal: ending at once");
                std::_Exit(128 + signal);
            }
            log::info("stopping", {{"signal", signal}});
            stop_();
            wait();
        });
    }

    asio::signal_set set_;
    std::function<void()> stop_;
    bool stopping_ = false;
};

} // namespace

int Daemon::run(io::Task<Result<void>> work, std::function<void()> stop) {
    Signals signals(loop_.context(), [this, stop = std::move(stop)] {
        if (auto told = systemd_.stopping("stopping"); !told)
            log::warn("telling the service manager failed", {{"error", told.error()}});
        stop();
    });
    io::TaskGroup watchdog(loop_.executor());
    watchdog.spawn(systemd_.run_watchdog());
    Result<void> result;
    asio::co_spawn(loop_.executor(), std::move(work),
                   [&](const std::exception_ptr& error, Result<void> ended) {
                       if (error) std::rethrow_exception(error);
                       result = std::move(ended);
                       signals.cancel();
                       watchdog.cancel();
                       loop_.stop();
                   });
    loop_.run();
    if (!result) {
        log::error(name_ + " failed", {{"error", result.error()}});
        return report(result.error());
    }
    log::info(name_ + " stopped");
    return ExitCode::done;
}

} // namespace hawser::cmd
