#include "host/systemd.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "io/socket.h"

namespace hawser::host {
namespace {

std::optional<std::uint64_t> number(const char* text) {
    if (text == nullptr) return {};
    std::uint64_t value = 0;
    const char* end = text + std::strlen(text);
    const auto [stop, error] = std::from_chars(text, end, value);
    if (error != std::errc{} || stop != end || stop == text) return {};
    return value;
}

// A line of its own in the message: line ends would begin another assignment.
std::string one_line(std::string_view text) {
    std::string line(text);
    for (char& letter : line)
        if (letter == '\n' || letter == '\r') letter = ' ';
    return line;
}

} // namespace

Systemd Systemd::from_environment() {
    const char* socket = std::getenv("NOTIFY_SOCKET");
    std::optional<std::chrono::microseconds> watchdog;
    const auto interval = number(std::getenv("WATCHDOG_USEC"));
    const auto process = number(std::getenv("WATCHDOG_PID"));
    const bool ours = !process || *process == static_cast<std::uint64_t>(::getpid());
    if (interval && *interval > 0 && ours && *interval < INT64_MAX / 1000)
        watchdog = std::chrono::microseconds(static_cast<std::int64_t>(*interval));
    return {socket == nullptr ? "" : socket, watchdog};
}

Result<void> Systemd::notify(const std::string& state) {
    if (!present()) return {};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (notify_socket_.size() >= sizeof address.sun_path ||
        (notify_socket_[0] != '/' && notify_socket_[0] != '@'))
        return fail(ErrorCode::invalid, "NOTIFY_SOCKET is not usable: " + notify_socket_);
    std::memcpy(address.sun_path, notify_socket_.data(), notify_socket_.size());
    if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
    const auto length =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + notify_socket_.size());
    const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return fail_errno(errno, "notifying the service manager");
    const ssize_t sent = ::sendto(descriptor, state.data(), state.size(), MSG_NOSIGNAL,
                                  reinterpret_cast<const sockaddr*>(&address), length);
    const int error = errno;
    ::close(descriptor);
    if (sent < 0) return fail_errno(error, "notifying the service manager");
    return {};
}

Result<void> Systemd::ready(std::string_view status) {
    return notify("READY=1\nSTATUS=" + one_line(status));
}

Result<void> Systemd::status(std::string_view status) {
    return notify("STATUS=" + one_line(status));
}

Result<void> Systemd::reloading() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const std::int64_t microseconds = now.tv_sec * 1'000'000LL + now.tv_nsec / 1000;
    return notify("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds));
}

Result<void> Systemd::stopping(std::string_view status) {
    return notify("STOPPING=1\nSTATUS=" + one_line(status));
}

io::Task<void> Systemd::run_watchdog() {
    if (!present() || !watchdog_) co_return;
    const auto pause = std::chrono::duration_cast<std::chrono::milliseconds>(*watchdog_) / 2;
    do (void)notify("WATCHDOG=1");
    while (co_await io::sleep(std::max(pause, std::chrono::milliseconds(1))));
}

} // namespace hawser::host
