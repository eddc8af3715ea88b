// The rules in a real kernel: a network namespace for each test.
#include "host/kernel_rules.h"

#include <doctest/doctest.h>
#include <netinet/in.h>

#include <atomic>
#include <optional>

#include "host/files.h"
#include "host/interfaces.h"
#include "host/routes.h"
#include "io/task_group.h"
#include "network_namespace.h"
#include "sockets.h"

using namespace hawser;
using namespace hawser::host;
using namespace hawser::host::test;

namespace {

KernelIntent intent() {
    KernelIntent wanted;
    wanted.vip4 = Cidr::parse("240.0.0.0/8").value();
    wanted.vip6 = Cidr::parse("fd68:6177::/64").value();
    return wanted;
}

void add_routes() {
    REQUIRE(add_vip_route(*intent().vip4).has_value());
    REQUIRE(add_vip_route(*intent().vip6).has_value());
}

// The rules of a test, on a loop of the test's own thread (and so in its namespace).
struct Rules {
    LoopRunner loop;
    KernelRules rules{loop.executor()};

    void apply(const KernelIntent& wanted) {
        const auto applied = loop.run(rules.apply(wanted));
        REQUIRE_MESSAGE(applied.has_value(), applied.error().message);
    }
    void leave() { REQUIRE(loop.run(rules.leave()).has_value()); }
    KernelStatus status() {
        auto status = loop.run(rules.status());
        REQUIRE(status.has_value());
        return *status;
    }
};

void check_redirected(const char* vip, const char* listener) {
    CAPTURE(vip);
    const TestSocket outbound = TestSocket::listener(endpoint(listener));
    const TestSocket caller(endpoint(vip).address.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM);
    REQUIRE(caller.connect(endpoint(vip)) == 0);
    const TestSocket accepted = outbound.accept();
    CHECK(caller.peer() == endpoint(vip));
    CHECK(io::original_destination(accepted.get()) == endpoint(vip));
    CHECK(accepted.peer() == caller.local());
}

io::Task<void> apply_quietly(KernelRules& rules, std::vector<std::string>& failures) {
    auto applied = co_await rules.apply(intent());
    if (!applied) failures.push_back(applied.error().message);
}
io::Task<void> expect_match(KernelRules& rules, std::vector<std::string>& failures) {
    auto status = co_await rules.status();
    if (!status)
        failures.push_back(status.error().message);
    else if (!status->matches)
        failures.push_back(status->listing);
}

} // namespace

TEST_CASE("a connection to a VIP reaches the listener, which learns where it was dialled to") {
    in_namespace([] {
        Rules rules;
        add_routes();
        rules.apply(intent());
        check_redirected("240.1.2.3:80", "127.0.0.1:15001");
        check_redirected("[fd68:6177::5]:443", "[::1]:15001");
        const Neighbour neighbour;
        ip("route add default via 10.88.0.2");
        check_redirected("240.1.2.3:80", "127.0.0.1:15001");
        REQUIRE(remove_vip_routes().has_value());
        check_redirected("240.1.2.3:80", "127.0.0.1:15001"); // by the default route alone
    });
}

TEST_CASE("what the redirection does not take is refused at once") {
    in_namespace([] {
        Rules rules;
        add_routes();
        rules.apply(intent());
        for (const char* vip : {"240.1.2.3:443", "[fd68:6177::5]:443"}) {
            CAPTURE(vip);
            const int family = endpoint(vip).address.is_v4() ? AF_INET : AF_INET6;
            const TestSocket datagrams(family, SOCK_DGRAM);
            REQUIRE(datagrams.connect(endpoint(vip)) == 0);
            (void)::send(datagrams.get(), "x", 1, 0);
            char byte = 0;
            CHECK(::recv(datagrams.get(), &byte, 1, 0) < 0);
            CHECK(errno == ECONNREFUSED);
            // The agent's own sockets never reach its own listener.
            const TestSocket marked(family, SOCK_STREAM);
            REQUIRE(marked.mark(static_cast<int>(intent().mark)) == 0);
            CHECK(marked.connect(endpoint(vip)) == ECONNREFUSED);
        }
    });
}

TEST_CASE("applying again replaces the rules without a moment of other answers") {
    in_namespace([] {
        Rules rules;
        add_routes();
        rules.apply(intent());
        const TestSocket outbound = TestSocket::listener(endpoint("127.0.0.1:15001"));
        std::atomic<bool> stop = false;
        std::atomic<int> connected = 0, failed = 0;
        std::thread dialler([&] {
            while (!stop) ++(dial(endpoint("240.1.2.3:80")) == 0 ? connected : failed);
        });
        std::thread acceptor([&] {
            while (!stop) {
                pollfd ready{.fd = outbound.get(), .events = POLLIN, .revents = 0};
                if (::poll(&ready, 1, 20) == 1) (void)outbound.accept();
            }
        });
        for (std::uint16_t i = 0; i < 30; ++i) {
            KernelIntent changed = intent();
            changed.service_ports = {static_cast<std::uint16_t>(8000 + i)};
            rules.apply(changed);
        }
        stop = true;
        dialler.join();
        acceptor.join();
        CHECK(connected > 0);
        CHECK(failed == 0);
    });
}

TEST_CASE("the status notices each change by hand") {
    in_namespace([] {
        Rules rules;
        CHECK_FALSE(rules.status().present);
        rules.apply(intent());
        CHECK(rules.status().matches);
        (void)dial(endpoint("240.0.0.1:1")); // counters are no difference
        CHECK(rules.status().matches);

        nft("insert rule inet hawser nat_output tcp dport 4242 accept");
        KernelStatus status = rules.status();
        CHECK_FALSE(status.matches);
        REQUIRE(status.added.size() == 1);
        CHECK(status.added[0].contains("4242"));
        CHECK(status.missing.empty());

        rules.apply(intent());
        CHECK(rules.status().matches);
        nft("flush chain inet hawser filter_output");
        status = rules.status();
        CHECK_FALSE(status.matches);
        CHECK(status.missing.size() == 4);

        rules.apply(intent());
        nft("delete table inet hawser");
        status = rules.status();
        CHECK_FALSE(status.present);
        CHECK_FALSE(status.matches);
    });
}

TEST_CASE("a status asked for during a change of our own finds no difference") {
    in_namespace([] {
        Rules rules;
        rules.apply(intent());
        io::TaskGroup tasks(rules.loop.executor());
        std::vector<std::string> failures;
        for (int i = 0; i < 10; ++i) {
            tasks.spawn(apply_quietly(rules.rules, failures));
            tasks.spawn(expect_match(rules.rules, failures));
            rules.loop.run(tasks.join());
        }
        CHECK(failures == std::vector<std::string>{});
    });
}

TEST_CASE("removal deletes our table and nothing else") {
    in_namespace([] {
        Rules rules;
        nft("table inet other { chain c { type filter hook input priority 0; tcp dport 1 drop; }; "
            "}");
        const std::string before = run({"/usr/sbin/nft", "list", "ruleset"});
        rules.apply(intent());
        rules.leave();
        CHECK(run({"/usr/sbin/nft", "list", "ruleset"}) == before);
        rules.leave(); // again: fine
    });
}

TEST_CASE("left closed, the mesh and the services' ports are refused") {
    in_namespace([] {
        Rules rules;
        const Neighbour neighbour;
        add_routes();
        KernelIntent wanted = intent();
        wanted.service_ports = {8080};
        wanted.on_exit = OnExit::closed;
        rules.apply(wanted);
        CHECK(rules.status().matches);
        rules.leave();
        const TestSocket outbound = TestSocket::listener(endpoint("127.0.0.1:15001"));
        const TestSocket service = TestSocket::listener(endpoint("0.0.0.0:8080"));
        CHECK(dial(endpoint("240.1.2.3:80")) == ECONNREFUSED);
        CHECK(dial(endpoint("[fd68:6177::5]:80")) == ECONNREFUSED);
        CHECK(dial(endpoint("127.0.0.1:8080")) == 0);
        neighbour.call([] { CHECK(dial(endpoint("10.88.0.1:8080")) == ECONNREFUSED); });
        rules.apply(wanted);
        CHECK(rules.status().matches);
        CHECK(dial(endpoint("240.1.2.3:80")) == 0);
    });
}

TEST_CASE("what a killed agent left is left by whoever finds it as that agent would have done") {
    in_namespace([] {
        const Neighbour neighbour;
        add_routes();
        KernelIntent wanted = intent();
        wanted.service_ports = {8080};
        wanted.dns_port = 15053;
        wanted.nameservers = {endpoint("10.0.0.2:53")};
        Rules().apply(wanted); // and is gone without a word
        Rules finder;
        finder.leave();
        CHECK_FALSE(finder.status().present);

        wanted.on_exit = OnExit::closed;
        Rules().apply(wanted);
        const TestSocket outbound = TestSocket::listener(endpoint("127.0.0.1:15001"));
        const TestSocket service = TestSocket::listener(endpoint("0.0.0.0:8080"));
        CHECK(dial(endpoint("240.1.2.3:80")) == 0);
        for (int again = 0; again < 2; ++again) {
            finder.leave();
            CHECK_FALSE(finder.status().listing.contains("redirect"));
            CHECK(dial(endpoint("240.1.2.3:80")) == ECONNREFUSED);
            CHECK(dial(endpoint("[fd68:6177::5]:80")) == ECONNREFUSED);
            neighbour.call([] { CHECK(dial(endpoint("10.88.0.1:8080")) == ECONNREFUSED); });
        }
        REQUIRE(finder.loop.run(finder.rules.remove()).has_value());
        CHECK_FALSE(finder.status().present);
    });
}

TEST_CASE("a service's port is refused to nobody who was connected before") {
    in_namespace([] {
        Rules rules;
        const Neighbour neighbour;
        nft("table inet t { chain c { type filter hook input priority 0; ct state new counter; }; "
            "}"); // connections are tracked already
        const TestSocket service = TestSocket::listener(endpoint("0.0.0.0:8080"));
        std::optional<TestSocket> caller;
        neighbour.call([&] {
            caller.emplace(AF_INET, SOCK_STREAM);
            REQUIRE(caller->connect(endpoint("10.88.0.1:8080")) == 0);
        });
        const TestSocket accepted = service.accept();
        KernelIntent wanted = intent();
        wanted.service_ports = {8080};
        wanted.on_exit = OnExit::closed;
        rules.apply(wanted);
        rules.leave();
        REQUIRE(::send(caller->get(), "x", 1, MSG_NOSIGNAL) == 1);
        char byte = 0;
        CHECK(::recv(accepted.get(), &byte, 1, 0) == 1);
    });
}

TEST_CASE(
    "plaintext from the network to a service's port ends at the agent, local traffic does not") {
    in_namespace([] {
        Rules rules;
        const Neighbour neighbour;
        KernelIntent wanted = intent();
        wanted.service_ports = {8080, 22, 15008};
        rules.apply(wanted);
        const TestSocket inbound = TestSocket::listener(endpoint("0.0.0.0:15006"));
        const TestSocket service = TestSocket::listener(endpoint("0.0.0.0:8080"));
        const TestSocket ssh = TestSocket::listener(endpoint("0.0.0.0:22"));
        const TestSocket tunnel = TestSocket::listener(endpoint("0.0.0.0:15008"));

        neighbour.call([] { CHECK(dial(endpoint("10.88.0.1:8080")) == 0); });
        const TestSocket refused = inbound.accept();
        CHECK(io::original_destination(refused.get()) == endpoint("10.88.0.1:8080"));
        CHECK(refused.peer().address == IpAddress::parse("10.88.0.2").value());
        neighbour.call([] {
            CHECK(dial(endpoint("10.88.0.1:22")) == 0);
            CHECK(dial(endpoint("10.88.0.1:15008")) == 0);
        });
        CHECK(ssh.accept().local().port == 22);
        CHECK(tunnel.accept().local().port == 15008);
        for (const char* local : {"127.0.0.1:8080", "10.88.0.1:8080"}) {
            CHECK(dial(endpoint(local)) == 0);
            CHECK(service.accept().local().port == 8080);
        }
    });
}

TEST_CASE("rules load and work where IPv6 is switched off") {
    in_namespace([] {
        run({"sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6"});
        CHECK_FALSE(ipv6_available());
        Rules rules;
        KernelIntent wanted = intent();
        rules.apply(wanted); // even with the v6 rules in it
        wanted.ipv6 = false;
        rules.apply(wanted);
        CHECK(rules.status().matches);
        REQUIRE(add_vip_route(*wanted.vip4).has_value());
        CHECK_FALSE(add_vip_route(*wanted.vip6).has_value());
        check_redirected("240.1.2.3:80", "127.0.0.1:15001");
    });
}

TEST_CASE("a failing nft is an error that carries its words, and changes nothing") {
    in_namespace([] {
        Rules rules;
        rules.apply(intent());
        KernelIntent wrong = intent();
        wrong.mark = 0;
        CHECK_FALSE(rules.loop.run(rules.rules.apply(wrong)).has_value());

        KernelRules other(rules.loop.executor(), {.nft = "/bin/false"});
        const auto failed = rules.loop.run(other.apply(intent()));
        REQUIRE_FALSE(failed.has_value());
        CHECK(failed.error().message.contains("applying the kernel rules"));
        KernelRules missing(rules.loop.executor(), {.nft = "/nonexistent/nft"});
        CHECK_FALSE(rules.loop.run(missing.apply(intent())).has_value());
        const std::string script = "/tmp/hawser-slow-nft-" + std::to_string(::getpid());
        REQUIRE(write_file(script, "#!/bin/sh\nexec sleep 60\n", 0700).has_value());
        KernelRules slow(rules.loop.executor(),
                         {.nft = script, .timeout = std::chrono::milliseconds(50)});
        const auto late = rules.loop.run(slow.apply(intent()));
        REQUIRE_FALSE(late.has_value());
        CHECK(late.error().code == ErrorCode::deadline_exceeded);
        REQUIRE(remove_file(script).has_value());
        CHECK(rules.status().matches);
    });
}
