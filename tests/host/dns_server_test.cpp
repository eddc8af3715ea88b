// The responder over loopback, with nameservers of the test's own behind it.
#include "host/dns_server.h"

#include <doctest/doctest.h>
#include <poll.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

#include "dns_messages.h"
#include "host/dns_message.h"
#include "host/files.h"
#include "host/kernel_rules.h"
#include "host/routes.h"
#include "mesh.h"
#include "network_namespace.h"
#include "sockets.h"

using namespace hawser;
using namespace hawser::host;
using namespace hawser::host::test;

namespace {

constexpr std::uint32_t outside = 0xc0000207; // 192.0.2.7

std::string framed(const std::string& message) {
    return word(static_cast<unsigned>(message.size())) + message;
}

// A nameserver on a thread of its own, udp and tcp on one port. `reply` makes the datagrams (or
// framed messages) it sends for a query.
class Upstream {
  public:
    using Reply = std::function<std::vector<std::string>(const std::string& query, bool tcp)>;

    explicit Upstream(Reply reply, const char* at = "127.0.0.1:0")
        : reply_(std::move(reply)),
          tcp_(TestSocket::listener(endpoint(at))),
          udp_(TestSocket::listener(tcp_.local(), SOCK_DGRAM)),
          thread_([this] { serve(); }) {}
    Upstream(const Upstream&) = delete;
    Upstream& operator=(const Upstream&) = delete;
    ~Upstream() {
        stop_ = true;
        thread_.join();
    }
    [[nodiscard]] Endpoint at() const { return tcp_.local(); }
    [[nodiscard]] int udp_queries() const { return udp_queries_; }
    [[nodiscard]] int tcp_queries() const { return tcp_queries_; }

  private:
    void serve() {
        while (!stop_) {
            pollfd ready[2] = {{.fd = udp_.get(), .events = POLLIN, .revents = 0},
                               {.fd = tcp_.get(), .events = POLLIN, .revents = 0}};
            if (::poll(ready, 2, 20) <= 0) continue;
            if (ready[0].revents != 0) answer_udp();
            if (ready[1].revents != 0) answer_tcp();
        }
    }
    void answer_udp() {
        std::string buffer(65'536, '\0');
        SocketAddress peer;
        const ssize_t got =
            ::recvfrom(udp_.get(), buffer.data(), buffer.size(), 0, peer.data(), &peer.length);
        if (got <= 0) return;
        ++udp_queries_;
        buffer.resize(static_cast<std::size_t>(got));
        for (const std::string& message : reply_(buffer, false))
            (void)::sendto(udp_.get(), message.data(), message.size(), 0, peer.data(), peer.length);
    }
    void answer_tcp() {
        const TestSocket connection = tcp_.accept();
        const std::string query = connection.receive();
        if (query.size() < 2) return;
        ++tcp_queries_;
        for (const std::string& message : reply_(query.substr(2), true))
            (void)::send(connection.get(), framed(message).data(), message.size() + 2,
                         MSG_NOSIGNAL);
    }

    Reply reply_;
    TestSocket tcp_, udp_;
    std::atomic<bool> stop_ = false;
    std::atomic<int> udp_queries_ = 0, tcp_queries_ = 0;
    std::thread thread_;
};

std::vector<std::string> answer_all(const std::string& query, bool) {
    return {upstream_answer(query, 0, outside)};
}

// The responder under test, on a thread with its loop (in the test's namespace).
class Responder {
  public:
    explicit Responder(DnsServerOptions options) {
        if (options.listen.empty()) options.listen = {endpoint("127.0.0.1:0")};
        if (options.upstreams.empty() && options.resolv_conf == "/etc/resolv.conf")
            options.resolv_conf = "/nonexistent";
        server_ = std::make_unique<DnsServer>(loop_.executor(), std::move(options),
                                              [] { return mesh(); });
        const auto started = server_->start();
        REQUIRE_MESSAGE(started.has_value(), started.error().message);
        thread_ = std::thread([this] {
            auto work = asio::make_work_guard(loop_.executor());
            loop_.executor().context().run();
        });
    }
    Responder(const Responder&) = delete;
    Responder& operator=(const Responder&) = delete;
    ~Responder() {
        loop_.executor().context().stop();
        thread_.join();
        loop_.run(server_->stop());
    }
    [[nodiscard]] Endpoint at(std::size_t position = 0) const {
        return server_->endpoints()[position];
    }
    // Read while the loop may count on: only for what it counted before it answered.
    [[nodiscard]] std::uint64_t count(DnsResult result) const {
        return server_->counts()[static_cast<std::size_t>(result)];
    }
    [[nodiscard]] DnsServer& server() { return *server_; }

  private:
    LoopRunner loop_;
    std::unique_ptr<DnsServer> server_;
    std::thread thread_;
};

std::string ask_bytes(const Endpoint& server, const std::string& message, bool tcp = false) {
    const TestSocket socket(server.address.is_v4() ? AF_INET : AF_INET6,
                            tcp ? SOCK_STREAM : SOCK_DGRAM);
    REQUIRE(socket.connect(server) == 0);
    socket.send(tcp ? framed(message) : message);
    std::string answer = socket.receive();
    if (!tcp || answer.size() < 2) return answer;
    const std::size_t length =
        static_cast<unsigned char>(answer[0]) * 256U + static_cast<unsigned char>(answer[1]);
    while (answer.size() < length + 2) {
        const std::string more = socket.receive();
        REQUIRE_FALSE(more.empty());
        answer += more;
    }
    return answer.substr(2);
}

Answer ask(const Endpoint& server, std::string_view name, bool tcp = false, unsigned type = 1) {
    return read_answer(ask_bytes(server, query(name, type), tcp));
}

} // namespace

TEST_CASE("mesh names are answered over udp and tcp, several on one connection") {
    Responder responder({});
    CHECK(ask(responder.at(), "api.mesh").has("n api.mesh A 240.0.0.1"));
    CHECK(ask(responder.at(), "api.mesh", true).has("n api.mesh A 240.0.0.1"));

    const TestSocket connection(AF_INET, SOCK_STREAM);
    REQUIRE(connection.connect(responder.at()) == 0);
    for (unsigned id = 1; id <= 3; ++id) {
        connection.send(framed(query("db.mesh", 1, {.id = id})));
        const std::string answer = connection.receive();
        REQUIRE(answer.size() > 2);
        CHECK(read_answer(answer.substr(2)).id == id);
    }
}

TEST_CASE("over every address it answers from the one it was asked at") {
    in_namespace([] {
        ip("addr add 10.77.0.1/32 dev lo");
        ip("addr add fd77::1/128 dev lo");
        Responder responder({.listen = {endpoint("0.0.0.0:5300"), endpoint("[::1]:5300")}});
        for (const char* at : {"10.77.0.1:5300", "127.0.0.1:5300", "[::1]:5300"}) {
            CAPTURE(at);
            CHECK(ask(endpoint(at), "api.mesh").has("n api.mesh A 240.0.0.1"));
        }
    });
}

TEST_CASE("other names are forwarded untouched and come back with the asker's id") {
    Upstream upstream(answer_all);
    Responder responder({.upstreams = {upstream.at()}});
    const std::string asked = query("Example.COM", 1, {.id = 0xbeef, .edns_size = 4096});
    CHECK(ask_bytes(responder.at(), asked) == upstream_answer(asked, 0, outside));
    CHECK(ask(responder.at(), "example.com", true).has("n example.com A 192.0.2.7"));
    CHECK(upstream.udp_queries() == 1);
    CHECK(upstream.tcp_queries() == 1);
    CHECK(responder.count(DnsResult::forwarded) == 2);
}

TEST_CASE("an upstream sees a random id and port each time") {
    std::mutex guard;
    std::set<std::string> ids;
    Upstream upstream([&](const std::string& asked, bool) {
        const std::lock_guard lock(guard);
        ids.insert(asked.substr(0, 2));
        return answer_all(asked, false);
    });
    Responder responder({.upstreams = {upstream.at()}});
    for (int i = 0; i < 32; ++i) CHECK(ask(responder.at(), "example.com").id == 0x1234);
    CHECK(ids.size() > 24);
}

TEST_CASE("forged and stray answers are passed over") {
    Upstream upstream([](const std::string& asked, bool) {
        std::string wrong_id = upstream_answer(asked, 0, 0x06060606);
        wrong_id[0] = static_cast<char>(wrong_id[0] ^ 1);
        std::string other_question = upstream_answer(query("evil.com", 1), 0, 0x06060606);
        other_question.replace(0, 2, asked.substr(0, 2));
        return std::vector<std::string>{"x", wrong_id, other_question, asked,
                                        upstream_answer(asked, 0, outside)};
    });
    Responder responder({.upstreams = {upstream.at()}});
    CHECK(ask(responder.at(), "example.com").records ==
          std::vector<std::string>{"n example.com A 192.0.2.7"});
}

TEST_CASE("what an upstream truncated stays so, and comes over tcp when asked again") {
    Upstream upstream([](const std::string& asked, bool tcp) {
        std::string answer = upstream_answer(asked, 0, tcp ? outside : 0);
        if (!tcp) answer[2] = static_cast<char>(answer[2] | 0x02);
        return std::vector<std::string>{answer};
    });
    Responder responder({.upstreams = {upstream.at()}});
    CHECK(ask(responder.at(), "big.example").truncated);
    CHECK(ask(responder.at(), "big.example", true).has("n big.example A 192.0.2.7"));
}

TEST_CASE("a silent, a closed and a failing upstream are passed over, and then asked later") {
    Upstream silent([](const std::string&, bool) { return std::vector<std::string>{}; });
    Upstream failing([](const std::string& asked, bool) {
        return std::vector<std::string>{upstream_answer(asked, 2, 0)};
    });
    Upstream good(answer_all);
    Endpoint closed;
    {
        const TestSocket listener = TestSocket::listener(endpoint("127.0.0.1:0"), SOCK_DGRAM);
        closed = listener.local();
    }
    for (const bool tcp : {false, true}) {
        CAPTURE(tcp);
        Responder responder({.upstreams = {closed, silent.at(), failing.at(), good.at()},
                             .forward_timeout = std::chrono::milliseconds(800)});
        CHECK(ask(responder.at(), "example.com", tcp).has("n example.com A 192.0.2.7"));
    }
}

TEST_CASE("the first upstream is asked first again after it failed once") {
    std::atomic<bool> fails = true;
    Upstream first([&](const std::string& asked, bool) {
        return std::vector<std::string>{upstream_answer(asked, fails ? 2 : 0, outside)};
    });
    Upstream second(answer_all);
    Responder responder({.upstreams = {first.at(), second.at()}});
    CHECK(ask(responder.at(), "example.com").rcode == 0);
    CHECK(second.udp_queries() == 1);
    fails = false;
    CHECK(ask(responder.at(), "example.com").rcode == 0);
    CHECK(first.udp_queries() == 2);
    CHECK(second.udp_queries() == 1);
}

TEST_CASE("an upstream that was silent rests for a while, unless no other answers") {
    std::atomic<bool> silent = true;
    const auto reply = [&](const std::string& asked, bool) {
        return silent ? std::vector<std::string>{} : answer_all(asked, false);
    };
    Upstream first(reply), second(answer_all);
    Responder patient({.upstreams = {first.at(), second.at()},
                       .forward_timeout = std::chrono::milliseconds(200)});
    for (int i = 0; i < 3; ++i) CHECK(ask(patient.at(), "example.com").rcode == 0);
    CHECK(first.udp_queries() == 1);

    Upstream dead([](const std::string&, bool) { return std::vector<std::string>{}; });
    Responder lonely(
        {.upstreams = {first.at(), dead.at()}, .forward_timeout = std::chrono::milliseconds(200)});
    CHECK(ask(lonely.at(), "example.com").rcode == 2); // both rest now
    silent = false;
    CHECK(ask(lonely.at(), "example.com").rcode == 0);

    silent = true;
    Responder hasty({.upstreams = {first.at(), second.at()},
                     .forward_timeout = std::chrono::milliseconds(200),
                     .upstream_rest = std::chrono::milliseconds(0)});
    CHECK(ask(hasty.at(), "example.com").rcode == 0);
    const int before = first.udp_queries();
    CHECK(ask(hasty.at(), "example.com").rcode == 0);
    CHECK(first.udp_queries() == before + 1); // its rest is over
}

TEST_CASE("a name that is slow puts no upstream to rest that answers others") {
    Upstream first([](const std::string& asked, bool) {
        if (asked.contains("slow")) return std::vector<std::string>{};
        return answer_all(asked, false);
    });
    Upstream second(answer_all);
    Responder responder({.upstreams = {first.at(), second.at()},
                         .forward_timeout = std::chrono::milliseconds(2'000)});
    const TestSocket asker(AF_INET, SOCK_DGRAM);
    REQUIRE(asker.connect(responder.at()) == 0);
    asker.send(query("slow.example", 1, {.id = 7}));
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (first.udp_queries() == 0 && std::chrono::steady_clock::now() < patience)
        std::this_thread::yield();
    CHECK(ask(responder.at(), "example.com").rcode == 0); // by the first
    CHECK(read_answer(asker.receive()).id == 7);          // by the second, after a second
    const int before = first.udp_queries();
    CHECK(ask(responder.at(), "example.com").rcode == 0);
    CHECK(first.udp_queries() == before + 1);
}

TEST_CASE("a lost datagram is asked for again") {
    std::atomic<int> asked = 0;
    Upstream lossy([&](const std::string& message, bool) {
        if (++asked == 1) return std::vector<std::string>{};
        return answer_all(message, false);
    });
    Responder responder(
        {.upstreams = {lossy.at()}, .forward_timeout = std::chrono::milliseconds(400)});
    CHECK(ask(responder.at(), "example.com").has("n example.com A 192.0.2.7"));
}

TEST_CASE("without an answer there is SERVFAIL; a refusal is passed on") {
    Responder alone({});
    CHECK(ask(alone.at(), "example.com").rcode == 2);
    CHECK(ask(alone.at(), "example.com", true).rcode == 2);
    CHECK(alone.count(DnsResult::failed) == 2);
    Upstream refusing([](const std::string& query, bool) {
        return std::vector<std::string>{upstream_answer(query, 5, 0)};
    });
    Responder responder({.upstreams = {refusing.at()}});
    CHECK(ask(responder.at(), "example.com").rcode == 5);
    CHECK(refusing.udp_queries() == 1);
}

TEST_CASE("resolv.conf is read again when it changes, and the responder itself is left out") {
    const std::string path = "/tmp/hawser-resolv-conf-" + std::to_string(::getpid());
    REQUIRE(write_file(path, "nameserver 127.0.0.1\n").has_value());
    LoopRunner loop;
    DnsServer server(loop.executor(), {.listen = {endpoint("127.0.0.1:0")}, .resolv_conf = path},
                     [] { return nullptr; });
    REQUIRE(server.start().has_value());
    CHECK(server.upstreams() == std::vector<Endpoint>{endpoint("127.0.0.1:53")});
    REQUIRE(write_file(path, "nameserver 10.0.0.1\nnameserver 10.0.0.2\n").has_value());
    CHECK(server.upstreams() ==
          std::vector<Endpoint>{endpoint("10.0.0.1:53"), endpoint("10.0.0.2:53")});
    REQUIRE(remove_file(path).has_value());
    CHECK(server.upstreams().empty());
    loop.run(server.stop());

    DnsServer own(loop.executor(), {.listen = {endpoint("127.0.0.1:0")}}, [] { return nullptr; });
    REQUIRE(own.start().has_value());
    const Endpoint here = own.endpoints().front();
    DnsServer looping(loop.executor(), {.listen = {endpoint("0.0.0.0:0")}, .upstreams = {here}},
                      [] { return nullptr; });
    REQUIRE(looping.start().has_value());
    CHECK(looping.upstreams() == std::vector<Endpoint>{here});
    loop.run(looping.stop());
    loop.run(own.stop());
}

TEST_CASE("the responder as its own upstream is skipped, by any of its addresses") {
    in_namespace([] {
        LoopRunner loop;
        DnsServer server(loop.executor(),
                         {.listen = {endpoint("0.0.0.0:53")},
                          .upstreams = {endpoint("127.0.0.1:53"), endpoint("127.0.0.53:53"),
                                        endpoint("127.0.0.1:54")}},
                         [] { return nullptr; });
        REQUIRE(server.start().has_value());
        CHECK(server.upstreams() == std::vector<Endpoint>{endpoint("127.0.0.1:54")});
        loop.run(server.stop());
    });
}

TEST_CASE("garbage on tcp ends that connection only") {
    Responder responder({});
    {
        const TestSocket connection(AF_INET, SOCK_STREAM);
        REQUIRE(connection.connect(responder.at()) == 0);
        connection.send(framed("abc"));
        CHECK(connection.receive().empty());
    }
    const TestSocket half(AF_INET, SOCK_STREAM);
    REQUIRE(half.connect(responder.at()) == 0);
    half.send(word(100) + "short");
    CHECK(ask(responder.at(), "api.mesh", true).has("n api.mesh A 240.0.0.1"));
}

TEST_CASE("a datagram longer than any query is dropped, not cut and forwarded") {
    Upstream upstream(answer_all);
    Responder responder({.upstreams = {upstream.at()}});
    const TestSocket asker(AF_INET, SOCK_DGRAM);
    REQUIRE(asker.connect(responder.at()) == 0);
    asker.send(query("example.com", 1) + std::string(5'000, 'x'));
    asker.send(query("api.mesh", 1, {.id = 7}));
    CHECK(read_answer(asker.receive()).id == 7);
    CHECK(upstream.udp_queries() == 0);
    CHECK(responder.count(DnsResult::dropped) == 1);
}

TEST_CASE("two listeners cannot share an endpoint") {
    Responder responder({});
    LoopRunner loop;
    DnsServer second(loop.executor(), {.listen = {responder.at()}}, [] { return nullptr; });
    const auto started = second.start();
    REQUIRE_FALSE(started.has_value());
    CHECK(started.error().message.contains(responder.at().to_string()));
    loop.run(second.stop());
}

TEST_CASE("captured nameservers: the mesh is answered, the rest reaches the real one") {
    in_namespace([] {
        const Neighbour neighbour;
        ip("route add default via 10.88.0.2");
        // The remote nameserver lives in the other namespace, the local one on this host.
        std::unique_ptr<Upstream> remote;
        neighbour.call([&] { remote = std::make_unique<Upstream>(answer_all, "10.88.0.2:53"); });
        Upstream local(answer_all, "127.0.0.1:53"), local6(answer_all, "[::1]:53");

        LoopRunner loop;
        KernelRules rules(loop.executor());
        KernelIntent intent;
        intent.vip4 = Cidr::parse("240.0.0.0/8").value();
        intent.dns_port = 15053;
        for (const Endpoint& nameserver : {remote->at(), local.at(), local6.at()}) {
            CAPTURE(nameserver.to_string());
            intent.nameservers = {nameserver};
            REQUIRE(loop.run(rules.apply(intent)).has_value());
            Responder responder({.listen = {endpoint("127.0.0.1:15053"), endpoint("[::1]:15053")},
                                 .upstreams = {nameserver},
                                 .mark = intent.mark});
            for (const bool tcp : {false, true}) {
                CHECK(ask(nameserver, "api.mesh", tcp).has("n api.mesh A 240.0.0.1"));
                CHECK(ask(nameserver, "example.com", tcp).has("n example.com A 192.0.2.7"));
            }
        }
        CHECK(remote->udp_queries() == 1);
        CHECK(local.tcp_queries() == 1);
        remote.reset();
    });
}
