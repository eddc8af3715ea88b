#include "model/identity.h"

#include <doctest/doctest.h>

#include "base/random.h"

using namespace hawser;
using namespace hawser::model;

TEST_CASE("names are lower-case DNS labels") {
    for (const std::string& name : {std::string("a"), std::string("api"), std::string("web-1"),
                                    std::string("0"), std::string(63, 'x')}) {
        CAPTURE(name);
        CHECK(check_name(name, "service name").has_value());
    }
    for (const std::string& name :
         {std::string(""), std::string("Api"), std::string("-a"), std::string("a-"),
          std::string("a.b"), std::string("a_b"), std::string("a b"), std::string("a/b"),
          std::string("*"), std::string("é"), std::string("a\0b", 3), std::string(64, 'x')}) {
        CAPTURE(name);
        CHECK_FALSE(check_name(name, "service name").has_value());
    }
    CHECK(check_name("Api", "service name").error().message ==
          "service name 'Api' is not a DNS label (a-z, 0-9 and '-' inside)");
    CHECK(check_name("", "name").error().message == "name is empty");
    CHECK(check_name(std::string(64, 'x'), "name").error().message ==
          "name '" + std::string(64, 'x') + "' is longer than 63 characters");
}

TEST_CASE("trust domains are domain names") {
    CHECK(check_trust_domain("hawser.local").has_value());
    CHECK(check_trust_domain("mesh").has_value());
    CHECK(check_trust_domain("a.b-c.d0").has_value());
    for (const std::string& name :
         {std::string(""), std::string("."), std::string("a."), std::string(".a"),
          std::string("a..b"), std::string("A.b"), std::string("a_b.c"), std::string("a:1"),
          std::string("a/b"), std::string("-a.b"), std::string(64, 'x') + ".y"}) {
        CAPTURE(name);
        CHECK_FALSE(check_trust_domain(name).has_value());
    }
    std::string longest;
    while (longest.size() < 250) longest += "abcd.";
    CHECK(check_trust_domain(longest + "abcde").has_value());
    CHECK_FALSE(check_trust_domain(longest + "abcdef").has_value());
}

TEST_CASE("identities are read back") {
    for (const char* uri : {"spiffe://hawser.local/svc/api", "spiffe://mesh/node/web-1",
                            "spiffe://a.b.c/server/s1"}) {
        CAPTURE(uri);
        const Result<Identity> identity = Identity::parse(uri);
        REQUIRE(identity.has_value());
        CHECK(identity->to_uri() == uri);
    }
    const Identity api = Identity::parse("spiffe://hawser.local/svc/api").value();
    CHECK(api.trust_domain == "hawser.local");
    CHECK(api.kind == IdentityKind::service);
    CHECK(api.name == "api");
}

TEST_CASE("nothing but the exact form is an identity") {
    for (const std::string& uri : {std::string(""),
                                   std::string("spiffe://"),
                                   std::string("spiffe://hawser.local"),
                                   std::string("spiffe://hawser.local/svc"),
                                   std::string("spiffe://hawser.local/svc/"),
                                   std::string("spiffe://hawser.local/svc/api/"),
                                   std::string("spiffe://hawser.local//svc/api"),
                                   std::string("spiffe://hawser.local/svc/api/x"),
                                   std::string("spiffe:///svc/api"),
                                   std::string("SPIFFE://hawser.local/svc/api"),
                                   std::string("spiffe://Hawser.local/svc/api"),
                                   std::string("spiffe://hawser.local:443/svc/api"),
                                   std::string("spiffe://u@hawser.local/svc/api"),
                                   std::string("spiffe://hawser.local/svc/api?x"),
                                   std::string("spiffe://hawser.local/svc/api#x"),
                                   std::string("spiffe://hawser.local/svc/%61pi"),
                                   std::string("spiffe://hawser.local/svc/../node/x"),
                                   std::string("spiffe://hawser.local/Svc/api"),
                                   std::string("spiffe://hawser.local/user/api"),
                                   std::string("https://hawser.local/svc/api"),
                                   std::string("spiffe://hawser.local/svc/api\0", 30),
                                   "spiffe://hawser.local/svc/" + std::string(3000, 'a')}) {
        CAPTURE(uri);
        CHECK_FALSE(Identity::parse(uri).has_value());
    }
}

TEST_CASE("a changed byte makes another identity, or none") {
    const std::string uri = "spiffe://hawser.local/svc/api";
    const Identity original = Identity::parse(uri).value();
    Random random(1);
    for (int round = 0; round < 5000; ++round) {
        std::string changed = uri;
        changed[random.below(changed.size())] = static_cast<char>(random.next());
        const Result<Identity> identity = Identity::parse(changed);
        if (!identity) continue;
        CHECK(identity->to_uri() == changed);
        CHECK((changed == uri) == (*identity == original));
    }
}
