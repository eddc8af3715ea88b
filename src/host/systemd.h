// The service manager's side of a daemon: state notifications and the watchdog (sd_notify(3)),
// as plain datagrams. Everything is a no-op outside systemd.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/loop.h"

namespace hawser::host {

class Systemd {
  public:
    // From NOTIFY_SOCKET (a path, or '@' for an abstract name) and WATCHDOG_USEC, WATCHDOG_PID.
    [[nodiscard]] static Systemd from_environment();
    Systemd() = default;
    Systemd(std::string notify_socket, std::optional<std::chrono::microseconds> watchdog)
        : notify_socket_(std::move(notify_socket)), watchdog_(watchdog) {}

    [[nodiscard]] bool present() const { return !notify_socket_.empty(); }
    // Failures are returned for the log; none of them is a reason to stop.
    Result<void> ready(std::string_view status);
    Result<void> status(std::string_view status);
    Result<void> reloading(); // with the monotonic time, as Type=notify-reload wants it
    Result<void> stopping(std::string_view status);
    // "KEY=value" lines as they are.
    Result<void> notify(const std::string& state);

    [[nodiscard]] std::optional<std::chrono::microseconds> watchdog() const { return watchdog_; }
    // Says "alive" twice per watchdog interval from the loop it runs on, until cancelled: a loop
    // that hangs gets the daemon restarted. Returns at once without a watchdog.
    [[nodiscard]] io::Task<void> run_watchdog();

  private:
    std::string notify_socket_;
    std::optional<std::chrono::microseconds> watchdog_;
};

} // namespace hawser::host
