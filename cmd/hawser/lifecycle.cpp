#include "lifecycle.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <utility>

#include "console.h"
#include "host/core_dumps.h"
#include "log/log.h"

namespace hawser::cmd {

void configure_log(const std::string& level, const std::string& format) {
    log::configure(log::parse_level(level).value_or(log::Level::info),
                   log::parse_format(format).value_or(log::Format::automatic));
}

namespace {

// A terminal that went away takes /dev/tty from the processes it controlled.
bool has_terminal() {
    const int terminal = ::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal >= 0) ::close(terminal);
    return terminal >= 0;
}

} // namespace

Lifecycle::Lifecycle(io::Loop& loop)
    : signals_(loop.executor(), SIGTERM, SIGINT, SIGHUP),
      had_terminal_(has_terminal()),
      systemd_(host::Systemd::from_environment()),
      tasks_(loop.executor()) {
    host::forbid_core_dumps(); // a daemon's memory holds keys
    // A peer that went away is an error of the write, not the end of the process.
    std::signal(SIGPIPE, SIG_IGN);
    wait_for_signal();
}

void Lifecycle::wait_for_signal() {
    signals_.async_wait([this](const asio::error_code& error, int number) {
        if (error) return;
        if (number == SIGHUP)
            hang_up();
        else
            end(number);
        wait_for_signal();
    });
}

void Lifecycle::hang_up() {
    if (had_terminal_ && !has_terminal()) return end(SIGHUP);
    if (!reload_) return log::info("nothing to read again", {{"signal", SIGHUP}});
    log::info("reading again what changed", {});
    reload_();
}

void Lifecycle::end(int number) {
    if (!std::exchange(stopping_, true)) {
        log::info("stopping", {{"signal", number}});
        (void)systemd_.stopping("stopping");
        if (stop_) stop_();
        return;
    }
    log::warn("stopping at once", {{"signal", number}});
    const auto hurry = std::exchange(hurry_, nullptr);
    if (!hurry) std::_Exit(128 + number);
    hurry();
}

void Lifecycle::on_stop(std::function<void()> stop, std::function<void()> hurry) {
    stop_ = std::move(stop);
    hurry_ = std::move(hurry);
    if (stopping_ && stop_) stop_();
}

void Lifecycle::ready(std::string_view status) {
    if (auto told = systemd_.ready(status); !told) {
        log::warn("the service manager was not told", {{"error", told.error()}});
    }
    tasks_.spawn(systemd_.run_watchdog());
}

int Lifecycle::ended(const Result<void>& result) {
    stop_ = hurry_ = reload_ = nullptr;
    if (!stopping_) (void)systemd_.stopping(result ? "ended" : result.error().message);
    if (result) return done;
    log::error("cannot go on", {{"error", result.error()}});
    return result.error().code == ErrorCode::invalid ? usage : failed; // as report() does
}

io::Task<void> Lifecycle::finish() {
    tasks_.cancel();
    co_await tasks_.join();
}

void run_to_end(io::Loop& loop, io::Task<void> program) {
    io::TaskGroup tasks(loop.executor());
    tasks.spawn(std::move(program));
    loop.run();
}

} // namespace hawser::cmd
