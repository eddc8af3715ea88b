#include "model/validation.h"

#include <doctest/doctest.h>

#include <functional>

#include "model/samples.h"

using namespace hawser;
using namespace hawser::model;

namespace {

template <typename T>
struct Case {
    std::function<void(T&)> spoil;
    std::string message;
};

// Each case spoils one valid value in one way.
template <typename T>
void check_cases(const T& valid, const std::vector<Case<T>>& cases) {
    CHECK(check(valid).has_value());
    for (const Case<T>& each : cases) {
        T spoilt = valid;
        each.spoil(spoilt);
        CAPTURE(each.message);
        const Result<void> checked = check(spoilt);
        REQUIRE_FALSE(checked.has_value());
        CHECK(checked.error().message == each.message);
        CHECK(checked.error().code == ErrorCode::invalid);
    }
}

} // namespace

TEST_CASE("services") {
    check_cases<Service>(
        samples::service(),
        {{[](auto& s) { s.name = "API"; },
          "service 'API': name 'API' is not a DNS label (a-z, 0-9 and '-' inside)"},
         {[](auto& s) { s.connect_timeout = Duration{0}; },
          "service 'api': timeouts.connect is not between 1ms and 5m"},
         {[](auto& s) { s.connect_timeout = Duration{300'001}; },
          "service 'api': timeouts.connect is not between 1ms and 5m"},
         {[](auto& s) { s.idle_timeout = Duration{-1}; },
          "service 'api': timeouts.idle is longer than 365d"},
         {[](auto& s) { s.max_connections = 0; },
          "service 'api': limits.connections is not between 1 and 1000000"},
         {[](auto& s) { s.vip4 = s.vip6; }, "service 'api': the IPv4 VIP is not IPv4"},
         {[](auto& s) { s.vip6 = s.vip4; }, "service 'api': the IPv6 VIP is not IPv6"}});
    Service fresh;
    fresh.name = "api";
    CHECK(check(fresh).has_value()); // no VIP yet
}

TEST_CASE("instances") {
    check_cases<Instance>(
        samples::instance(),
        {{[](auto& i) { i.node = ""; }, "instance '/api/8080': node name is empty"},
         {[](auto& i) { i.service = ""; }, "instance 'web-1//8080': service name is empty"},
         {[](auto& i) { i.port = 0; }, "instance 'web-1/api/0': the port is 0"},
         {[](auto& i) { i.weight = 1001; }, "instance 'web-1/api/8080': weight is more than 1000"},
         {[](auto& i) {
              for (int n = 0; n < 33; ++n) i.labels["l" + std::to_string(n)] = "";
          },
          "instance 'web-1/api/8080': more than 32 labels"},
         {[](auto& i) { i.labels["a b"] = ""; },
          "instance 'web-1/api/8080': label 'a b' is not 1-63 letters, digits, '-', '_', '.' or "
          "'/'"},
         {[](auto& i) { i.labels["x"] = "a\nb"; },
          "instance 'web-1/api/8080': label 'x' has a value that is not printable text of at most "
          "255 bytes"},
         {[](auto& i) { i.health_reason = "\xff"; },
          "instance 'web-1/api/8080': the health reason is not UTF-8 of at most 4096 bytes"},
         {[](auto& i) { i.health_reason.assign(4097, 'x'); },
          "instance 'web-1/api/8080': the health reason is not UTF-8 of at most 4096 bytes"}});
}

TEST_CASE("nodes") {
    check_cases<Node>(
        samples::node(),
        {{[](auto& n) { n.name = "web_1"; },
          "node 'web_1': name 'web_1' is not a DNS label (a-z, 0-9 and '-' inside)"},
         {[](auto& n) { n.zone = "eu west"; },
          "node 'web-1': zone 'eu west' is not names joined by '/' (like \"eu-west-1/a\")"},
         {[](auto& n) { n.zone = "eu/"; },
          "node 'web-1': zone 'eu/' is not names joined by '/' (like \"eu-west-1/a\")"},
         {[](auto& n) { n.tunnel.port = 0; },
          "node 'web-1': the tunnel endpoint is not one that others can reach"},
         {[](auto& n) { n.tunnel.address = IpAddress::v4(0); },
          "node 'web-1': the tunnel endpoint is not one that others can reach"},
         {[](auto& n) { n.version = "1\n2"; },
          "node 'web-1': the version is not printable text of at most 64 bytes"},
         {[](auto& n) { n.allowed_services = {"api", "api"}; },
          "node 'web-1': service 'api' is listed twice"},
         {[](auto& n) { n.allowed_services = {"*"}; },
          "node 'web-1': service '*' is not a DNS label (a-z, 0-9 and '-' inside)"},
         {[](auto& n) { n.joined_at = -1; }, "node 'web-1': the time of joining is negative"}});
    Node joined = samples::node();
    joined.tunnel = {};
    joined.zone.clear();
    CHECK(check(joined).has_value()); // before its agent registered
}

TEST_CASE("policies") {
    check_cases<Policy>(
        samples::policy(),
        {{[](auto& p) { p.name = ""; }, "policy '': name is empty"},
         {[](auto& p) { p.service = "*"; },
          "policy 'web-reads-api': service name '*' is not a DNS label (a-z, 0-9 and '-' inside)"},
         {[](auto& p) { p.from.clear(); },
          "policy 'web-reads-api': from is empty: it names the callers, \"*\" for any"},
         {[](auto& p) { p.from = {"web", "web"}; },
          "policy 'web-reads-api': caller 'web' is listed twice"},
         {[](auto& p) { p.from = {"*", "*"}; },
          "policy 'web-reads-api': caller '*' is listed twice"},
         {[](auto& p) {
              for (int n = 0; n < 257; ++n) p.from.push_back("s" + std::to_string(n));
          },
          "policy 'web-reads-api': more than 256 callers"}});
}

TEST_CASE("tokens") {
    check_cases<JoinToken>(
        samples::join_token(),
        {{[](auto& t) { t.id = ""; }, "join token '': the id is not lower-case hex"},
         {[](auto& t) { t.id = "XY"; }, "join token 'XY': the id is not lower-case hex"},
         {[](auto& t) { t.secret_hash = "short"; },
          "join token '00ff00ff00ff00ff': the hash is not 32 bytes"},
         {[](auto& t) { t.node = ""; }, "join token '00ff00ff00ff00ff': node name is empty"},
         {[](auto& t) { t.services = {"a", "a"}; },
          "join token '00ff00ff00ff00ff': service 'a' is listed twice"},
         {[](auto& t) { t.expires_at = 0; }, "join token '00ff00ff00ff00ff': it has no expiry"},
         {[](auto& t) { t.used_at = -1; },
          "join token '00ff00ff00ff00ff': the time of use is negative"},
         {[](auto& t) { t.used_key = "short"; },
          "join token '00ff00ff00ff00ff': the hash of the key is not 32 bytes"}});
    check_cases<OperatorToken>(
        samples::operator_token(),
        {{[](auto& t) { t.id = "-"; }, "operator token '-': the id is not lower-case hex"},
         {[](auto& t) { t.secret_hash.clear(); },
          "operator token 'abcdef0123456789': the hash is not 32 bytes"}});
}

TEST_CASE("trust domains") {
    const std::string subject = "trust domain 'hawser.local': ";
    check_cases<TrustDomain>(
        samples::trust_domain(),
        {{[](auto& d) { d.name = "-"; },
          "trust domain '-': trust domain '-' is not a domain name (labels of a-z, 0-9 and '-', "
          "joined by dots)"},
         {[](auto& d) { d.dns_domain = "Mesh"; },
          subject + "the DNS domain 'Mesh' is not a domain name"},
         {[](auto& d) { d.vip4 = d.vip6; }, subject + "'fd68:6177::/64' is not an IPv4 prefix"},
         {[](auto& d) { d.vip6 = {}; }, subject + "'::/0' is not between /16 and /112 long"},
         {[](auto& d) { d.vip4 = Cidr::parse("10.0.0.0/30").value(); },
          subject + "'10.0.0.0/30' is not between /4 and /24 long"},
         {[](auto& d) { d.vip4 = Cidr::parse("127.5.0.0/16").value(); },
          subject + "'127.5.0.0/16' overlaps 127.0.0.0/8, which has a meaning of its own"},
         {[](auto& d) { d.vip4 = Cidr::parse("224.0.0.0/4").value(); },
          subject + "'224.0.0.0/4' overlaps 224.0.0.0/4, which has a meaning of its own"},
         {[](auto& d) { d.vip6 = Cidr::parse("fe80::/64").value(); },
          subject + "'fe80::/64' overlaps fe80::/10, which has a meaning of its own"},
         {[](auto& d) { d.roots.clear(); }, subject + "it has no root certificate"},
         {[](auto& d) { d.roots.assign(9, "x"); }, subject + "more than 8 certificates"},
         {[](auto& d) { d.intermediates = {""}; },
          subject + "a certificate is empty or too large"}});
}
