#include "demo_roles.h"

#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <format>
#include <map>
#include <optional>
#include <print>
#include <string_view>
#include <thread>

#include <nlohmann/json.hpp>

namespace hawser::cmd::demo {

namespace {

using Clock = std::chrono::steady_clock;
using Words = std::vector<std::string>;

constexpr int patience_seconds = 3;
constexpr std::size_t request_limit = 8192, answer_limit = 65536;
constexpr int connections_limit = 64;

template <typename Number>
std::optional<Number> number(const std::string& text) {
    Number value{};
    const auto* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    return error == std::errc{} && stop == end ? std::optional(value) : std::nullopt;
}

// What the caller's shell is set up for must not decide what the story's programs do: proxies,
// somebody's .curlrc, messages in another language.
void plain_environment() {
    for (const char* name : {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"}) unsetenv(name);
    setenv("HOME", "/", 1);
    setenv("LC_ALL", "C", 1);
}

int run_program(const Words& words) {
    if (words.size() < 4) return 2;
    plain_environment();
    if (words[1] != "-") {
        const auto uid = number<uid_t>(words[1]);
        if (!uid || setgroups(0, nullptr) != 0 || setresgid(*uid, *uid, *uid) != 0 ||
            setresuid(*uid, *uid, *uid) != 0) {
            std::println(stderr, "cannot become uid {}: {}", words[1], std::strerror(errno));
            return 126;
        }
    }
    if (words[2] != "-") { // after the change of user, which forgets it
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != number<pid_t>(words[2])) return 125; // the parent is gone already
    }
    std::vector<char*> argv;
    for (std::size_t at = 3; at < words.size(); ++at) {
        argv.push_back(const_cast<char*>(words[at].c_str())); // execvp does not write
    }
    argv.push_back(nullptr);
    execvp(argv[0], argv.data());
    std::println(stderr, "cannot run {}: {}", argv[0], std::strerror(errno));
    return 127;
}

void set_deadline(int descriptor) {
    const timeval patience{.tv_sec = patience_seconds, .tv_usec = 0};
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

bool send_all(int descriptor, std::string_view text) {
    while (!text.empty()) {
        const auto size = send(descriptor, text.data(), text.size(), MSG_NOSIGNAL);
        if (size <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
}

void answer_request(int descriptor, const std::string& name) {
    set_deadline(descriptor);
    std::string request;
    std::array<char, 2048> buffer{};
    while (!request.contains("\r\n\r\n") && request.size() < request_limit) {
        const auto size = recv(descriptor, buffer.data(), buffer.size(), 0);
        if (size <= 0) break;
        request.append(buffer.data(), static_cast<std::size_t>(size));
    }
    if (request.contains("\r\n\r\n")) {
        const auto body = std::format("hello from {}\n", name);
        send_all(descriptor, std::format("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"
                                         "content-length: {}\r\nconnection: close\r\n\r\n{}",
                                         body.size(), body));
    }
    close(descriptor);
}

int serve_echo(const Words& words) {
    const auto port = words.size() == 3 ? number<std::uint16_t>(words[1]) : std::nullopt;
    if (!port) return 2;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(*port);
    if (bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        listen(listener, 128) != 0) {
        std::println(stderr, "cannot listen on 127.0.0.1:{}: {}", *port, std::strerror(errno));
        return 1;
    }
    std::atomic<int> open = 0;
    while (true) {
        const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (client < 0 && errno != EINTR && errno != ECONNABORTED) return 1;
        if (client < 0) continue;
        if (open >= connections_limit) {
            close(client);
            continue;
        }
        ++open;
        std::thread([client, name = words[2], &open] {
            answer_request(client, name);
            --open;
        }).detach();
    }
}

// One request on one connection: the first line of the body, or nothing.
std::optional<std::string> fetch(const sockaddr_in& address, const std::string& request,
                                 std::string& why_not) {
    const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return std::nullopt;
    set_deadline(descriptor);
    std::string answer;
    errno = 0;
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    if (connect(descriptor, generic, sizeof address) == 0 && send_all(descriptor, request)) {
        std::array<char, 4096> buffer{};
        for (ssize_t size = 0; answer.size() < answer_limit;) {
            size = recv(descriptor, buffer.data(), buffer.size(), 0);
            if (size < 0) answer.clear(); // a reset or silence is not an answer
            if (size <= 0) break;
            answer.append(buffer.data(), static_cast<std::size_t>(size));
        }
    }
    why_not = std::strerror(errno);
    close(descriptor);
    const auto head = answer.find("\r\n\r\n");
    if (!answer.starts_with("HTTP/1.1 200 ") || head == std::string::npos) return std::nullopt;
    const auto body = answer.substr(head + 4);
    return body.substr(0, body.find('\n'));
}

int make_load(const Words& words) {
    if (words.size() != 6) return 2;
    const auto port = number<std::uint16_t>(words[2]);
    const auto count = number<unsigned>(words[5]);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    if (!port || !count || inet_pton(AF_INET, words[1].c_str(), &address.sin_addr) != 1) return 2;
    address.sin_port = htons(*port);
    const auto request =
        std::format("GET {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", words[4], words[3]);
    std::vector<std::int64_t> times;
    std::map<std::string, int> bodies;
    std::string why_not;
    unsigned failed = 0;
    for (unsigned sent = 0; sent < *count; ++sent) {
        const auto begin = Clock::now();
        const auto body = fetch(address, request, why_not);
        const auto time = Clock::now() - begin;
        if (!body) {
            ++failed;
            continue;
        }
        times.push_back(std::chrono::duration_cast<std::chrono::microseconds>(time).count());
        ++bodies[*body];
    }
    std::ranges::sort(times);
    const auto part = [&](double share) {
        return times.empty()
                   ? 0
                   : times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))];
    };
    std::println("{}", nlohmann::json{{"ok", times.size()},
                                      {"failed", failed},
                                      {"error", failed > 0 ? why_not : ""},
                                      {"p50_us", part(0.5)},
                                      {"p99_us", part(0.99)},
                                      {"bodies", bodies}}
                           .dump());
    return 0;
}

} // namespace

int run_role(const std::vector<std::string>& words) {
    if (words.empty()) return 2;
    if (words[0] == "run") return run_program(words);
    if (words[0] == "echo") return serve_echo(words);
    if (words[0] == "load") return make_load(words);
    return 2;
}

} // namespace hawser::cmd::demo
