#include "host/socket_owner.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/fsuid.h>
#include <sys/stat.h>

#include "host/routes.h"
#include "network_namespace.h"
#include "sockets.h"

using namespace hawser;
using namespace hawser::host;
using namespace hawser::host::test;

namespace {

// A socket that belongs to another user than the process. Root's right, else an empty change.
class AsUser {
  public:
    explicit AsUser(uid_t user) { ::setfsuid(user); }
    AsUser(const AsUser&) = delete;
    AsUser& operator=(const AsUser&) = delete;
    ~AsUser() { ::setfsuid(::geteuid()); }
};

std::uint32_t inode_of(const TestSocket& socket) {
    struct stat info{};
    REQUIRE(::fstat(socket.get(), &info) == 0);
    return static_cast<std::uint32_t>(info.st_ino);
}

} // namespace

TEST_CASE("the owner of a caller's socket is found for IPv4, IPv6 and IPv4 over IPv6") {
    auto lookup = SocketOwnerLookup::open();
    REQUIRE(lookup.has_value());
    struct Case {
        int family;
        const char* listen;
        const char* mapped;
    };
    for (const Case& test :
         {Case{AF_INET, "127.0.0.1:0", nullptr}, Case{AF_INET6, "[::1]:0", nullptr},
          Case{AF_INET6, "127.0.0.1:0", "mapped"}}) {
        CAPTURE(test.listen);
        const TestSocket listener = TestSocket::listener(endpoint(test.listen));
        const TestSocket caller(test.family, SOCK_STREAM);
        if (test.mapped != nullptr) {
            sockaddr_in6 address{};
            address.sin6_family = AF_INET6;
            address.sin6_port = htons(listener.local().port);
            std::memcpy(&address.sin6_addr, listener.local().address.bytes().data(), 16);
            REQUIRE(::connect(caller.get(), reinterpret_cast<sockaddr*>(&address),
                              sizeof address) == 0);
        } else {
            REQUIRE(caller.connect(listener.local()) == 0);
        }
        const TestSocket accepted = listener.accept();
        const auto owner = lookup->find(accepted.peer(), accepted.local());
        REQUIRE_MESSAGE(owner.has_value(), owner.error().message);
        CHECK(owner->uid == ::geteuid());
        CHECK(owner->inode == inode_of(caller));
    }
}

TEST_CASE("the user is the one that opened the socket, behind a redirection too") {
    in_namespace([] {
        auto lookup = SocketOwnerLookup::open();
        REQUIRE(lookup.has_value());
        REQUIRE(add_vip_route(Cidr::parse("240.0.0.0/8").value()).has_value());
        REQUIRE(add_vip_route(Cidr::parse("fd68:6177::/64").value()).has_value());
        nft("table inet t { chain c { type nat hook output priority -100; meta l4proto tcp ip "
            "daddr "
            "240.0.0.0/8 redirect to :15001; meta l4proto tcp ip6 daddr fd68:6177::/64 redirect to "
            ":15001; }; }");
        const TestSocket listener4 = TestSocket::listener(endpoint("127.0.0.1:15001"));
        const TestSocket listener6 = TestSocket::listener(endpoint("[::1]:15001"));
        for (const char* vip : {"240.0.0.7:80", "[fd68:6177::7]:80"}) {
            CAPTURE(vip);
            const bool v4 = endpoint(vip).address.is_v4();
            auto caller = [&] {
                const AsUser user(4711);
                return TestSocket(v4 ? AF_INET : AF_INET6, SOCK_STREAM);
            }();
            REQUIRE(caller.connect(endpoint(vip)) == 0);
            const TestSocket accepted = (v4 ? listener4 : listener6).accept();
            const auto dialled = io::original_destination(accepted.get());
            REQUIRE(dialled.has_value());
            const auto owner = lookup->find(accepted.peer(), *dialled);
            REQUIRE_MESSAGE(owner.has_value(), owner.error().message);
            CHECK(owner->uid == 4711);
            CHECK(owner->inode == inode_of(caller));
        }
    });
}

TEST_CASE("neither a listener on the caller's port nor a closed socket passes for the caller") {
    auto lookup = SocketOwnerLookup::open();
    REQUIRE(lookup.has_value());
    const TestSocket listener = TestSocket::listener(endpoint("127.0.0.1:0"));
    const auto unknown = lookup->find(listener.local(), endpoint("127.0.0.1:1"));
    REQUIRE_FALSE(unknown.has_value());
    CHECK(unknown.error().code == ErrorCode::not_found);

    Endpoint caller;
    {
        const TestSocket closed(AF_INET, SOCK_STREAM);
        REQUIRE(closed.connect(listener.local()) == 0);
        caller = closed.local();
    }
    const TestSocket accepted = listener.accept();
    const auto gone = lookup->find(caller, listener.local());
    // A kernel that remembers the user of a closed socket may say so; none may say root wrongly.
    if (gone) CHECK(gone->uid == ::geteuid());
    CHECK_FALSE(lookup->find(endpoint("127.0.0.1:9"), endpoint("[::1]:9")).has_value());
}

TEST_CASE("a lookup is quick and survives being moved") {
    auto opened = SocketOwnerLookup::open();
    REQUIRE(opened.has_value());
    SocketOwnerLookup lookup = std::move(*opened);
    const TestSocket listener = TestSocket::listener(endpoint("127.0.0.1:0"));
    const TestSocket caller(AF_INET, SOCK_STREAM);
    REQUIRE(caller.connect(listener.local()) == 0);
    const TestSocket accepted = listener.accept();
    constexpr int rounds = 2000;
    const auto begun = std::chrono::steady_clock::now();
    for (int i = 0; i < rounds; ++i)
        REQUIRE(lookup.find(caller.local(), listener.local()).has_value());
    const auto each = (std::chrono::steady_clock::now() - begun) / rounds;
    MESSAGE("one lookup with two getsockname: "
            << std::chrono::duration_cast<std::chrono::nanoseconds>(each).count() << " ns");
}
