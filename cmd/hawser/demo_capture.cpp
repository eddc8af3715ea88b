#include "demo_capture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <format>
#include <future>
#include <vector>

namespace hawser::cmd::demo {

namespace {

constexpr int poll_milliseconds = 50;
constexpr std::size_t relayed_connections = 256;

// On a thread that is to stay in that namespace.
Result<int> open_packet_socket(const std::string& network_namespace) {
    const std::string path = "/run/netns/" + network_namespace;
    const int space = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (space < 0) return fail_errno(errno, "opening " + path);
    const int entered = setns(space, CLONE_NEWNET);
    const int error = errno;
    close(space);
    if (entered != 0) return fail_errno(error, "entering " + network_namespace);
    const int descriptor = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    if (descriptor < 0) return fail_errno(errno, "opening a packet socket");
    const int buffer = 32 << 20;
    (void)setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(if_nametoindex("eth0"));
    if (bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        const int bind_error = errno;
        close(descriptor);
        return fail_errno(bind_error, "capturing on eth0");
    }
    return descriptor;
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

// A relay that waits to fill its segments would be the slowest part of the road.
void send_at_once(int descriptor) {
    const int yes = 1;
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

// One direction of a relayed connection.
struct Direction {
    int from = -1, to = -1;
    std::string route;
    std::array<std::uint8_t, 16384> buffer{};
    std::size_t begin = 0, end = 0;
    bool finished = false;
};

// Carries what it can; true if something was read.
bool carry(Direction& way) {
    bool got_some = false;
    if (way.begin == way.end && !way.finished) {
        const auto size = recv(way.from, way.buffer.data(), way.buffer.size(), MSG_DONTWAIT);
        if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) {
            way.finished = true;
            shutdown(way.to, SHUT_WR);
        }
        way.begin = 0;
        way.end = size > 0 ? static_cast<std::size_t>(size) : 0;
        got_some = size > 0;
    }
    if (way.begin < way.end) {
        const auto size = send(way.to, way.buffer.data() + way.begin, way.end - way.begin,
                               MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size > 0) way.begin += static_cast<std::size_t>(size);
        if (size < 0 && errno != EAGAIN && errno != EINTR) {
            way.finished = true;
            way.begin = way.end = 0;
        }
    }
    return got_some;
}

void await(const std::vector<Direction>& ways, int listener) {
    std::vector<pollfd> waits = {{.fd = listener, .events = POLLIN, .revents = 0}};
    for (const auto& way : ways) {
        if (way.begin < way.end)
            waits.push_back({.fd = way.to, .events = POLLOUT, .revents = 0});
        else if (!way.finished)
            waits.push_back({.fd = way.from, .events = POLLIN, .revents = 0});
    }
    (void)poll(waits.data(), waits.size(), poll_milliseconds);
}

void close_finished(std::vector<Direction>& ways) {
    for (std::size_t at = 0; at + 1 < ways.size();) { // the two directions stand side by side
        if (!ways[at].finished || !ways[at + 1].finished) {
            at += 2;
            continue;
        }
        close(ways[at].from);
        close(ways[at].to);
        const auto first = ways.begin() + static_cast<std::ptrdiff_t>(at);
        ways.erase(first, first + 2);
    }
}

} // namespace

void Capture::run(std::function<void()> work) {
    thread_ = std::thread([work = std::move(work)] {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, nullptr);
        work();
    });
}

Result<void> Capture::watch_namespace(const std::string& network_namespace,
                                      std::uint16_t tunnel_port) {
    std::promise<Result<void>> opened;
    auto answer = opened.get_future();
    run([this, network_namespace, tunnel_port, &opened] {
        auto descriptor = open_packet_socket(network_namespace);
        if (!descriptor) return opened.set_value(fail(descriptor.error()));
        opened.set_value({});
        read_frames(*descriptor, tunnel_port);
        close(*descriptor);
    });
    return answer.get();
}

void Capture::read_frames(int descriptor, std::uint16_t tunnel_port) {
    std::vector<std::uint8_t> frame(128 << 10);
    while (true) {
        pollfd ready{.fd = descriptor, .events = POLLIN, .revents = 0};
        if (poll(&ready, 1, poll_milliseconds) <= 0) {
            if (stopping_) return;
            continue;
        }
        const auto size = recv(descriptor, frame.data(), frame.size(), 0);
        if (size <= 0) continue;
        const std::lock_guard lock(mutex_);
        wire_.add_frame(Bytes(frame.data(), static_cast<std::size_t>(size)), tunnel_port);
    }
}

Result<void> Capture::watch_loopback(std::uint16_t from, std::uint16_t to) {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0) return fail_errno(errno, "opening a socket");
    const int yes = 1;
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    const auto address = loopback(from);
    if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        listen(listener, 64) != 0) {
        const int error = errno;
        close(listener);
        return fail_errno(error, std::format("listening on 127.0.0.1:{}", from));
    }
    run([this, listener, to] {
        relay(listener, to);
        close(listener);
    });
    return {};
}

void Capture::relay(int listener, std::uint16_t to) {
    std::vector<Direction> ways;
    std::uint64_t number = 0;
    while (!stopping_) {
        await(ways, listener);
        const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (client >= 0 && ways.size() < 2 * relayed_connections) {
            const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            const auto address = loopback(to);
            // Loopback: it answers at once or refuses at once.
            if (connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
                ++number;
                send_at_once(client);
                send_at_once(server);
                ways.push_back(
                    {.from = client, .to = server, .route = std::format("web > api #{}", number)});
                ways.push_back(
                    {.from = server, .to = client, .route = std::format("api > web #{}", number)});
            } else {
                close(server);
                close(client);
            }
        } else if (client >= 0) {
            close(client);
        }
        for (auto& way : ways) {
            if (!carry(way)) continue;
            const std::lock_guard lock(mutex_);
            wire_.add(way.route, Bytes(way.buffer.data(), way.end), true);
        }
        close_finished(ways);
    }
    for (auto& way : ways) close(way.from);
}

void Capture::stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
}

WireFacts Capture::facts() {
    const std::lock_guard lock(mutex_);
    return wire_.facts();
}

} // namespace hawser::cmd::demo
