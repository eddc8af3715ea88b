// A network namespace for one test: a thread that left the others' network behind. Programs it
// starts, and sockets it opens, live there; nothing of the host can be touched.
#pragma once

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <exception>
#include <functional>
#include <string>
#include <thread>

#include "host/child_process.h"
#include "loop_runner.h"

namespace hawser::host::test {

inline void bring_lo_up() {
    const int descriptor = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request{};
    std::memcpy(request.ifr_name, "lo", 3);
    request.ifr_flags = IFF_UP;
    const int result = ::ioctl(descriptor, SIOCSIFFLAGS, &request);
    ::close(descriptor);
    REQUIRE(result == 0);
}

// Runs `body` in a fresh namespace whose lo is up. Without the right to make one (root), it says
// so and does nothing.
inline void in_namespace(const std::function<void()>& body) {
    bool allowed = true;
    std::exception_ptr thrown;
    std::thread([&] {
        if (::unshare(CLONE_NEWNET) != 0) {
            allowed = false;
            return;
        }
        try {
            bring_lo_up();
            body();
        } catch (...) {
            thrown = std::current_exception();
        }
    }).join();
    if (thrown) std::rethrow_exception(thrown);
    if (!allowed) MESSAGE("skipped: a network namespace needs root");
}

// Runs a program to its end and gives its output; it must succeed.
inline std::string run(std::vector<std::string> arguments, std::string input = {}) {
    LoopRunner loop;
    ProgramOptions options{.arguments = std::move(arguments), .input = std::move(input)};
    options.max_output = 64 << 10;
    auto result = loop.run(run_program(loop.executor(), std::move(options)));
    REQUIRE(result.has_value());
    REQUIRE_MESSAGE(result->exit_code == 0, result->output);
    return result->output;
}

inline std::string nft(const std::string& command) {
    return run({"/usr/sbin/nft", "-f", "-"}, command + "\n");
}
inline std::string ip(const std::string& command) {
    return run({"sh", "-c", "PATH=$PATH:/usr/sbin:/sbin ip " + command});
}

// A second namespace, joined to the current one by a pair of interfaces: 10.88.0.1/24 here,
// 10.88.0.2/24 there.
class Neighbour {
  public:
    Neighbour() {
        std::thread([this] {
            if (::unshare(CLONE_NEWNET) == 0)
                namespace_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        }).join();
        REQUIRE(namespace_ >= 0);
        ip("link add near type veth peer name far");
        ip("link set far netns /proc/" + std::to_string(::getpid()) + "/fd/" +
           std::to_string(namespace_));
        ip("addr add 10.88.0.1/24 dev near");
        ip("link set near up");
        call([] {
            bring_lo_up();
            ip("addr add 10.88.0.2/24 dev far");
            ip("link set far up");
        });
    }
    Neighbour(const Neighbour&) = delete;
    Neighbour& operator=(const Neighbour&) = delete;
    ~Neighbour() {
        if (namespace_ >= 0) ::close(namespace_);
    }

    void call(const std::function<void()>& body) const {
        std::exception_ptr thrown;
        std::thread([&] {
            try {
                REQUIRE(::setns(namespace_, CLONE_NEWNET) == 0);
                body();
            } catch (...) {
                thrown = std::current_exception();
            }
        }).join();
        if (thrown) std::rethrow_exception(thrown);
    }

  private:
    int namespace_ = -1;
};

} // namespace hawser::host::test
