#include "host/resolv_conf.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "host/files.h"

using namespace hawser;
using namespace hawser::host;

namespace {

std::vector<std::string> parsed(std::string_view text) {
    std::vector<std::string> servers;
    for (const Endpoint& server : parse_resolv_conf(text)) servers.push_back(server.to_string());
    return servers;
}

} // namespace

TEST_CASE("nameservers are taken in order, once, and nothing else") {
    CHECK(parsed("# nameserver 1.1.1.1\n"
                 ";nameserver 1.1.1.2\n"
                 "search example.com\n"
                 "nameserver 10.0.0.2\n"
                 "\tnameserver\t127.0.0.53 # the stub\r\n"
                 "nameserver 10.0.0.2\n"
                 "nameserver fe80::1%eth0\n"
                 "nameserver fd00::53\n"
                 "nameserver\nnameserver name\nnameservers 10.0.0.9\n"
                 "options edns0\n"
                 "nameserver 10.0.0.3") ==
          std::vector<std::string>{"10.0.0.2:53", "127.0.0.53:53", "[fd00::53]:53", "10.0.0.3:53"});
    CHECK(parsed("").empty());
}

TEST_CASE("at most eight are kept") {
    std::string text;
    for (int i = 1; i < 100; ++i) text += "nameserver 10.0.0." + std::to_string(i) + "\n";
    CHECK(parsed(text).size() == 8);
}

TEST_CASE("next to a resolver of the host's own no other is captured") {
    const auto parse = [](const char* text) { return Endpoint::parse(text).value(); };
    const Endpoint stub = parse("127.0.0.53:53"), six = parse("[::1]:53"),
                   own = parse("10.0.0.5:53"), remote = parse("10.0.0.2:53"),
                   other = parse("[fd00::53]:53");
    const auto is_own = [&](const IpAddress& address) { return address == own.address; };
    using All = std::vector<Endpoint>;
    CHECK(capturable({remote, other}, is_own) == All{remote, other});
    CHECK(capturable({stub}, is_own) == All{stub});
    CHECK(capturable({remote, stub, six}, is_own) == All{stub, six});
    CHECK(capturable({own, remote}, is_own) == All{own});
    CHECK(capturable({}, is_own).empty());
}

TEST_CASE("the file is read again when it is replaced, and may be missing") {
    const std::string path = "/tmp/hawser-resolv-" + std::to_string(::getpid());
    ResolvConf conf(path);
    CHECK(conf.nameservers().empty());
    REQUIRE(write_file(path, "nameserver 10.0.0.1\n").has_value());
    REQUIRE(conf.nameservers().size() == 1);
    REQUIRE(write_file(path, "nameserver 10.0.0.2\n").has_value()); // as long as before
    CHECK(conf.nameservers().front().to_string() == "10.0.0.2:53");
    REQUIRE(remove_file(path).has_value());
    CHECK(conf.nameservers().empty());
}
