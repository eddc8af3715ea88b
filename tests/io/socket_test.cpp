#include "io/socket.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <vector>

#include "http/test_loop.h"
#include "io/task_group.h"

namespace hawser::io {
namespace {

using namespace std::chrono_literals;

const Endpoint any_port{.address = IpAddress::v4(0x7f000001), .port = 0};

Endpoint bound(const Acceptor& acceptor) {
    return local_endpoint(const_cast<Acceptor&>(acceptor).native_handle()).value();
}

Endpoint local_end(Socket& socket) {
    return local_endpoint(socket.native_handle()).value();
}
Endpoint peer_end(Socket& socket) {
    return peer_endpoint(socket.native_handle()).value();
}

struct Folder {
    std::string path;
    Folder() {
        char text[] = "/tmp/hawser-io-XXXXXX";
        path = ::mkdtemp(text);
    }
    ~Folder() { std::filesystem::remove_all(path); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
};

Task<void> accept_into(Acceptor& acceptor, std::optional<Result<Socket>>& result) {
    result.emplace(co_await accept(acceptor));
}

// Both ends of a connection over the loopback.
struct Pair {
    Socket client, server;
};
Pair connect_pair(hawser::test::TestLoop& test) {
    auto acceptor = listen_tcp(test.executor(), any_port);
    REQUIRE(acceptor);
    auto client = test.run(connect_tcp(test.executor(), bound(*acceptor)));
    REQUIRE(client);
    auto server = test.run(accept(*acceptor));
    REQUIRE(server);
    return {std::move(*client), std::move(*server)};
}

TEST_CASE("a connection has the same two endpoints on both ends") {
    hawser::test::TestLoop test;
    Pair pair = connect_pair(test);
    CHECK(local_end(pair.client) == peer_end(pair.server));
    CHECK(peer_end(pair.client) == local_end(pair.server));
    CHECK(peer_end(pair.client).port != 0);
}

TEST_CASE("sockets don't block and are closed in programs that are started") {
    hawser::test::TestLoop test;
    Pair pair = connect_pair(test);
    for (Socket* socket : {&pair.client, &pair.server}) {
        CHECK((::fcntl(socket->native_handle(), F_GETFL) & O_NONBLOCK) != 0);
        CHECK((::fcntl(socket->native_handle(), F_GETFD) & FD_CLOEXEC) != 0);
    }
}

TEST_CASE("an address in use is an error that names it, unless the port is shared") {
    hawser::test::TestLoop test;
    auto first = listen_tcp(test.executor(), any_port);
    REQUIRE(first);
    const auto second = listen_tcp(test.executor(), bound(*first), {.reuse_port = true});
    REQUIRE_FALSE(second);
    CHECK(second.error().message.contains(bound(*first).to_string()));

    auto shared = listen_tcp(test.executor(), any_port, {.reuse_port = true});
    REQUIRE(shared);
    CHECK(listen_tcp(test.executor(), bound(*shared), {.reuse_port = true}));
    CHECK_FALSE(listen_tcp(test.executor(), bound(*shared)));
}

TEST_CASE("a listener on [::] takes IPv4 connections, whose endpoints are IPv4") {
    hawser::test::TestLoop test;
    auto acceptor = listen_tcp(test.executor(), Endpoint{});
    if (!acceptor) return; // a kernel without IPv6
    const Endpoint v4{.address = IpAddress::v4(0x7f000001), .port = bound(*acceptor).port};
    auto client = test.run(connect_tcp(test.executor(), v4));
    REQUIRE(client);
    auto server = test.run(accept(*acceptor));
    REQUIRE(server);
    CHECK(local_end(*server) == v4);
}

TEST_CASE("a refused connection says so") {
    hawser::test::TestLoop test;
    Endpoint nobody;
    {
        auto acceptor = listen_tcp(test.executor(), any_port);
        REQUIRE(acceptor);
        nobody = bound(*acceptor);
    }
    const auto client = test.run(connect_tcp(test.executor(), nobody));
    REQUIRE_FALSE(client);
    CHECK(client.error().code == ErrorCode::unavailable);
    CHECK(client.error().message == "connecting: Connection refused");
}

TEST_CASE("connecting has a deadline") {
    hawser::test::TestLoop test;
    auto acceptor = listen_tcp(test.executor(), any_port, {.backlog = 0});
    REQUIRE(acceptor);
    // Nobody accepts: the queue is full at once, and the kernel lets further SYNs go unanswered.
    std::vector<Socket> waiting;
    Result<Socket> last = fail(ErrorCode::unknown, "");
    for (int i = 0; i < 8; ++i) {
        last = test.run(connect_tcp(test.executor(), bound(*acceptor), {.timeout = 50ms}));
        if (!last) break;
        waiting.push_back(std::move(*last));
    }
    REQUIRE_FALSE(last);
    CHECK(last.error().code == ErrorCode::deadline_exceeded);
    CHECK(last.error().message == "connecting: timed out");
}

Task<void> connect_into(Executor executor, Endpoint endpoint,
                        std::optional<Result<Socket>>& result) {
    result.emplace(co_await connect_tcp(executor, endpoint, {.timeout = 1h}));
}

TEST_CASE("connecting and accepting can be cancelled") {
    hawser::test::TestLoop test;
    auto acceptor = listen_tcp(test.executor(), any_port, {.backlog = 0});
    REQUIRE(acceptor);
    std::vector<std::optional<Result<Socket>>> results(8);
    TaskGroup tasks(test.executor());
    for (auto& result : results)
        tasks.spawn(connect_into(test.executor(), bound(*acceptor), result));
    auto idle = listen_tcp(test.executor(), any_port);
    REQUIRE(idle);
    std::optional<Result<Socket>> accepted;
    tasks.spawn(accept_into(*idle, accepted));
    REQUIRE(test.until([&] { return results.front().has_value(); }));
    tasks.cancel();
    REQUIRE(test.until([&] { return tasks.size() == 0; }));
    REQUIRE(accepted);
    REQUIRE_FALSE(*accepted);
    CHECK(accepted->error().code == ErrorCode::cancelled);
    REQUIRE(results.back());
    REQUIRE_FALSE(*results.back());
    CHECK(results.back()->error().code == ErrorCode::cancelled);
}

TEST_CASE("accepting ends when the listener is closed") {
    hawser::test::TestLoop test;
    auto acceptor = listen_tcp(test.executor(), any_port);
    REQUIRE(acceptor);
    std::optional<Result<Socket>> accepted;
    TaskGroup tasks(test.executor());
    tasks.spawn(accept_into(*acceptor, accepted));
    test.settle();
    acceptor->close();
    REQUIRE(test.until([&] { return tasks.size() == 0; }));
    REQUIRE(accepted);
    CHECK_FALSE(*accepted);
}

TEST_CASE("out of descriptors, accepting waits until there are some") {
    hawser::test::TestLoop test;
    auto acceptor = listen_tcp(test.executor(), any_port);
    REQUIRE(acceptor);
    auto client = test.run(connect_tcp(test.executor(), bound(*acceptor)));
    REQUIRE(client);
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
    std::optional<Result<Socket>> accepted;
    TaskGroup tasks(test.executor());
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    tasks.spawn(accept_into(*acceptor, accepted));
    test.pass(150ms);
    const bool waited = !accepted.has_value();
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(waited);
    REQUIRE(test.until([&] { return accepted.has_value(); }));
    CHECK(*accepted);
}

TEST_CASE("reset_on_close is seen by the peer as a reset") {
    hawser::test::TestLoop test;
    Pair pair = connect_pair(test);
    reset_on_close(pair.server);
    close(pair.server);
    char byte = 0;
    ssize_t got = -1;
    REQUIRE(test.until([&] {
        got = ::recv(pair.client.native_handle(), &byte, 1, 0);
        return got >= 0 || errno != EAGAIN;
    }));
    CHECK(got == -1);
    CHECK(errno == ECONNRESET);
}

TEST_CASE("a connection that was not redirected has no other original destination") {
    hawser::test::TestLoop test;
    Pair pair = connect_pair(test);
    const auto destination = original_destination(pair.server.native_handle());
    if (destination) CHECK(*destination == local_end(pair.server));
    CHECK_FALSE(original_destination(-1));
}

TEST_CASE("the peer of a Unix socket is known") {
    hawser::test::TestLoop test;
    const Folder folder;
    const std::string path = folder.path + "/socket";
    auto acceptor = listen_unix(test.executor(), path, 0600, static_cast<gid_t>(-1));
    REQUIRE(acceptor);
    struct stat info{};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
    auto client = test.run(connect_unix(test.executor(), path, 5s));
    REQUIRE(client);
    auto server = test.run(accept(*acceptor));
    REQUIRE(server);
    const auto peer = peer_credentials(server->native_handle());
    REQUIRE(peer);
    CHECK(peer->uid == ::geteuid());
    CHECK(peer->gid == ::getegid());
    CHECK(peer->pid == ::getpid());
    CHECK_FALSE(peer_endpoint(server->native_handle()));
    CHECK_FALSE(peer_credentials(-1));
}

TEST_CASE("a socket file that nobody serves is replaced, one that somebody serves is not") {
    hawser::test::TestLoop test;
    const Folder folder;
    const std::string path = folder.path + "/socket";
    const gid_t same = static_cast<gid_t>(-1);
    {
        REQUIRE(listen_unix(test.executor(), path, 0600, same));
    }
    REQUIRE(std::filesystem::exists(path));
    auto second = listen_unix(test.executor(), path, 0600, same);
    REQUIRE(second);
    const auto third = listen_unix(test.executor(), path, 0600, same);
    REQUIRE_FALSE(third);
    CHECK(third.error().code == ErrorCode::already_exists);
    // Also while its queue is full.
    std::vector<Socket> waiting;
    while (true) {
        auto client = test.run(connect_unix(test.executor(), path, 5s));
        if (!client) break;
        waiting.push_back(std::move(*client));
        REQUIRE(waiting.size() < 1000);
    }
    CHECK_FALSE(listen_unix(test.executor(), path, 0600, same));
}

TEST_CASE("only socket files are replaced, and paths fit") {
    hawser::test::TestLoop test;
    const Folder folder;
    const std::string path = folder.path + "/file";
    std::ofstream(path) << "precious";
    const gid_t same = static_cast<gid_t>(-1);
    CHECK_FALSE(listen_unix(test.executor(), path, 0600, same));
    CHECK(std::filesystem::file_size(path) == 8);
    const std::string long_path = folder.path + "/" + std::string(200, 'x');
    CHECK_FALSE(listen_unix(test.executor(), long_path, 0600, same));
    CHECK_FALSE(test.run(connect_unix(test.executor(), long_path, 5s)));
    const auto nobody = test.run(connect_unix(test.executor(), folder.path + "/none", 5s));
    REQUIRE_FALSE(nobody);
    CHECK(nobody.error().code == ErrorCode::not_found);
}

} // namespace
} // namespace hawser::io
