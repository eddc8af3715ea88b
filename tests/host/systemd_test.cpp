#include "host/systemd.h"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "io/task_group.h"
#include "loop_runner.h"

using namespace hawser;
using namespace hawser::host;
using namespace hawser::host::test;

namespace {

// The service manager's end.
class Manager {
  public:
    explicit Manager(std::string name) : name_(std::move(name)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, name_.data(), name_.size());
        if (name_[0] == '@') address.sun_path[0] = '\0';
        const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
        const timeval limit{.tv_sec = 5, .tv_usec = 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        REQUIRE(::bind(socket_, reinterpret_cast<sockaddr*>(&address), length) == 0);
    }
    Manager(const Manager&) = delete;
    Manager& operator=(const Manager&) = delete;
    ~Manager() {
        ::close(socket_);
        if (name_[0] == '/') ::unlink(name_.c_str());
    }
    [[nodiscard]] std::string receive() const {
        std::string text(4096, '\0');
        const ssize_t got = ::recv(socket_, text.data(), text.size(), 0);
        text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return text;
    }
    [[nodiscard]] const std::string& name() const { return name_; }

  private:
    std::string name_;
    int socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
};

std::string unique(const char* prefix) {
    return prefix + std::to_string(::getpid());
}

} // namespace

TEST_CASE("notifications reach path and abstract sockets") {
    for (const std::string& name : {unique("/tmp/hawser-notify-"), unique("@hawser-notify-")}) {
        CAPTURE(name);
        const Manager manager(name);
        Systemd systemd(name, {});
        CHECK(systemd.present());
        REQUIRE(systemd.ready("serving 3 services").has_value());
        CHECK(manager.receive() == "READY=1\nSTATUS=serving 3 services");
        REQUIRE(systemd.status("two\nlines").has_value());
        CHECK(manager.receive() == "STATUS=two lines");
        REQUIRE(systemd.reloading().has_value());
        CHECK(manager.receive().starts_with("RELOADING=1\nMONOTONIC_USEC="));
        REQUIRE(systemd.stopping("draining").has_value());
        CHECK(manager.receive() == "STOPPING=1\nSTATUS=draining");
    }
}

TEST_CASE("outside systemd nothing is sent, and a bad socket is an error") {
    Systemd none;
    CHECK_FALSE(none.present());
    CHECK(none.ready("x").has_value());
    CHECK_FALSE(Systemd("/nonexistent/socket", {}).ready("x").has_value());
    CHECK_FALSE(Systemd("vsock:2:1", {}).ready("x").has_value());
    CHECK_FALSE(Systemd("/" + std::string(200, 'x'), {}).ready("x").has_value());
}

TEST_CASE("the environment says where to notify and how often to say alive") {
    ::setenv("NOTIFY_SOCKET", "/run/systemd/notify", 1);
    ::setenv("WATCHDOG_USEC", "30000000", 1);
    ::unsetenv("WATCHDOG_PID");
    CHECK(Systemd::from_environment().present());
    CHECK(Systemd::from_environment().watchdog() == std::chrono::seconds(30));
    ::setenv("WATCHDOG_PID", "1", 1);
    CHECK_FALSE(Systemd::from_environment().watchdog().has_value());
    ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
    CHECK(Systemd::from_environment().watchdog().has_value());
    for (const char* wrong : {"0", "-1", "x", "", "99999999999999999999"}) {
        ::setenv("WATCHDOG_USEC", wrong, 1);
        CHECK_FALSE(Systemd::from_environment().watchdog().has_value());
    }
    ::unsetenv("NOTIFY_SOCKET");
    ::unsetenv("WATCHDOG_USEC");
    ::unsetenv("WATCHDOG_PID");
    CHECK_FALSE(Systemd::from_environment().present());
}

TEST_CASE("the watchdog is fed until the task is cancelled") {
    const Manager manager(unique("@hawser-watchdog-"));
    Systemd systemd(manager.name(), std::chrono::milliseconds(20));
    LoopRunner loop;
    io::TaskGroup tasks(loop.executor());
    tasks.spawn(systemd.run_watchdog());
    (void)loop.until([] { return false; }, std::chrono::milliseconds(60));
    for (int i = 0; i < 3; ++i) CHECK(manager.receive() == "WATCHDOG=1");
    tasks.cancel();
    loop.run(tasks.join());
    loop.run(Systemd(manager.name(), {}).run_watchdog()); // none: returns at once
}
