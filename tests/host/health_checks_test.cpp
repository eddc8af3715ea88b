// Checks of real local servers and programs.
#include "host/health_checks.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>

#include <atomic>
#include <thread>

#include "host/files.h"
#include "loop_runner.h"
#include "sockets.h"

using namespace hawser;
using namespace hawser::host;
using namespace hawser::host::test;
using model::Health;
using std::chrono::milliseconds;

namespace {

// An HTTP server that answers every request with the status it is told.
class WebServer {
  public:
    WebServer() : thread_([this] { serve(); }) {}
    WebServer(const WebServer&) = delete;
    WebServer& operator=(const WebServer&) = delete;
    ~WebServer() {
        stop_ = true;
        thread_.join();
    }
    [[nodiscard]] Endpoint at() const { return listener_.local(); }
    void answer(int status) { status_ = status; }

  private:
    void serve() {
        while (!stop_) {
            pollfd ready{.fd = listener_.get(), .events = POLLIN, .revents = 0};
            if (::poll(&ready, 1, 20) <= 0) continue;
            const TestSocket connection = listener_.accept();
            if (status_ == 0) {
                held_.push_back(::dup(connection.get())); // never answers
                continue;
            }
            (void)connection.receive();
            const std::string answer = "HTTP/1.1 " + std::to_string(status_) +
                                       " X\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbody";
            (void)::send(connection.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
        }
        for (const int descriptor : held_) ::close(descriptor);
    }
    TestSocket listener_ = TestSocket::listener(endpoint("127.0.0.1:0"));
    std::atomic<bool> stop_ = false;
    std::atomic<int> status_ = 200;
    std::vector<int> held_;
    std::thread thread_;
};

Check http_check(const Endpoint& target) {
    Check check;
    check.kind = CheckKind::http;
    check.target = target;
    check.http_path = "/healthz";
    check.interval = milliseconds(100);
    check.timeout = milliseconds(2'000);
    return check;
}
Check tcp_check(const Endpoint& target) {
    Check check = http_check(target);
    check.kind = CheckKind::tcp;
    return check;
}
Check exec_check(const std::string& script) {
    Check check = http_check({});
    check.kind = CheckKind::exec;
    check.command = {"sh", "-c", script};
    return check;
}

CheckOutcome run_once(const Check& check) {
    LoopRunner loop;
    return loop.run(run_check(loop.executor(), check));
}

struct Watched {
    LoopRunner loop;
    std::vector<std::pair<std::string, InstanceHealth>> changes;
    HealthChecks checks{loop.executor(),
                        [this](const std::string& instance, const InstanceHealth& health) {
                            changes.emplace_back(instance, health);
                        },
                        7};
    ~Watched() { loop.run(checks.stop()); }

    bool comes_to_be(Health health) {
        return loop.until(
            [&] { return !changes.empty() && changes.back().second.health == health; });
    }
};

} // namespace

TEST_CASE("an http check goes by the status") {
    WebServer server;
    const Check check = http_check(server.at());
    const std::pair<int, Health> cases[] = {{200, Health::passing},  {204, Health::passing},
                                            {301, Health::critical}, {404, Health::critical},
                                            {429, Health::warning},  {503, Health::critical}};
    for (const auto& [status, expected] : cases) {
        CAPTURE(status);
        server.answer(status);
        const CheckOutcome outcome = run_once(check);
        CHECK(outcome.health == expected);
        CHECK(outcome.output.starts_with("status " + std::to_string(status)));
    }
    server.answer(0);
    Check impatient = check;
    impatient.timeout = milliseconds(100);
    CHECK(run_once(impatient).health == Health::critical);
}

TEST_CASE("a tcp check goes by the connection") {
    Endpoint target;
    {
        const TestSocket listener = TestSocket::listener(endpoint("127.0.0.1:0"));
        target = listener.local();
        CHECK(run_once(tcp_check(target)).health == Health::passing);
    }
    const CheckOutcome refused = run_once(tcp_check(target));
    CHECK(refused.health == Health::critical);
    CHECK(refused.output.contains("Connection refused"));
}

TEST_CASE("an exec check goes by the exit code, as Consul's do") {
    const CheckOutcome good = run_once(exec_check("echo fine"));
    CHECK(good.health == Health::passing);
    CHECK(good.output == "fine\n");
    CHECK(run_once(exec_check("exit 1")).health == Health::warning);
    CHECK(run_once(exec_check("exit 2")).output == "exit code 2");
    CHECK(run_once(exec_check("kill -9 $$")).output == "ended by signal 9");
    Check slow = exec_check("sleep 60");
    slow.timeout = milliseconds(50);
    CHECK(run_once(slow).health == Health::critical);
    CHECK(run_once(slow).output.starts_with("timed out"));
    Check missing = exec_check("");
    missing.command = {"/nonexistent/check"};
    CHECK(run_once(missing).health == Health::critical);
    CHECK(run_once(exec_check("head -c 100000 /dev/zero")).output.size() <= 4096);
}

TEST_CASE("an instance without checks is passing, told once and not from within set()") {
    Watched watched;
    watched.checks.set("node/api/8080", {});
    CHECK(watched.changes.empty());
    REQUIRE(watched.comes_to_be(Health::passing));
    watched.checks.set("node/api/8080", {});
    (void)watched.loop.until([] { return false; }, milliseconds(50));
    CHECK(watched.changes.size() == 1);
    CHECK(watched.checks.health("node/api/8080").health == Health::passing);
    CHECK(watched.checks.health("unknown").health == Health::critical);
}

TEST_CASE("changes are told with their reason, and only changes") {
    WebServer server;
    Watched watched;
    watched.checks.set("n/api/80", {http_check(server.at()), tcp_check(server.at())});
    CHECK(watched.checks.health("n/api/80").health == Health::critical);
    REQUIRE(watched.comes_to_be(Health::passing));
    CHECK(watched.changes.back().second.reason.empty());
    server.answer(503);
    REQUIRE(watched.comes_to_be(Health::critical));
    CHECK(watched.changes.back().second.reason == "http GET /healthz: status 503: body");
    server.answer(429);
    REQUIRE(watched.comes_to_be(Health::warning));
    server.answer(200);
    REQUIRE(watched.comes_to_be(Health::passing));
    CHECK(watched.changes.size() == 4);
    const auto report = watched.checks.report();
    REQUIRE(report.size() == 2);
    CHECK(report[0].check == "http GET /healthz");
    CHECK(report[1].output == "connected");
}

TEST_CASE("a vanished server is found within the interval") {
    Watched watched;
    auto listener = std::make_unique<TestSocket>(TestSocket::listener(endpoint("127.0.0.1:0")));
    watched.checks.set("n/api/80", {tcp_check(listener->local())});
    REQUIRE(watched.comes_to_be(Health::passing));
    listener.reset();
    const auto begun = std::chrono::steady_clock::now();
    REQUIRE(watched.comes_to_be(Health::critical));
    CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(1));
}

TEST_CASE("a changed list of checks keeps the health until it has been looked at again") {
    WebServer server;
    Watched watched;
    watched.checks.set("n/api/80", {http_check(server.at())});
    REQUIRE(watched.comes_to_be(Health::passing));
    Check other = http_check(server.at());
    other.http_path = "/other";
    watched.checks.set("n/api/80", {other});
    CHECK(watched.checks.health("n/api/80").health == Health::passing);
    server.answer(500);
    REQUIRE(watched.comes_to_be(Health::critical));
    CHECK(watched.changes.back().second.reason.starts_with("http GET /other"));
    CHECK(watched.changes.size() == 2);
}

TEST_CASE(
    "a removed instance is no longer looked at or spoken of; slow programs don't hold up the "
    "rest") {
    const std::string file = "/tmp/hawser-check-" + std::to_string(::getpid());
    Watched watched;
    Check slow = exec_check("echo $$ > " + file + "; sleep 60");
    slow.timeout = milliseconds(60'000);
    watched.checks.set("n/slow/1", {slow});
    watched.checks.set("n/fast/2", {exec_check("true")});
    REQUIRE(watched.comes_to_be(Health::passing));
    CHECK(watched.changes.back().first == "n/fast/2");
    REQUIRE(watched.loop.until([&] { return read_file(file, 100).value_or("").ends_with("\n"); }));
    const int pid = std::stoi(read_file(file, 100).value());
    watched.checks.remove("n/slow/1");
    CHECK(watched.loop.until([&] { return ::kill(pid, 0) != 0; }));
    CHECK(watched.checks.report().size() == 1);
    CHECK(watched.changes.size() == 1);
    REQUIRE(remove_file(file).has_value());
}
