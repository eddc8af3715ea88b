#include "rpc/certificate_info.h"

#include <doctest/doctest.h>

#include "tls/x509.h"

namespace hawser::rpc {
namespace {

constexpr WallTime hour = 3'600'000, day = 24 * hour, now = 1'000 * day;

std::string state_of(WallTime issued, WallTime not_after) {
    v1::CertificateInfo leaf;
    leaf.set_issued_at_ms(issued);
    leaf.set_not_after_ms(not_after);
    judge_leaf(leaf, now);
    return leaf.state();
}

TEST_CASE("a leaf is late when a quarter of its life is left, whatever its life") {
    CHECK(state_of(now - 12 * hour, now + 12 * hour) == "valid");
    CHECK(state_of(now - 17 * hour, now + 7 * hour) == "valid");
    CHECK(state_of(now - 18 * hour, now + 6 * hour) == "expires_soon");
    CHECK(state_of(now - 50'000, now + 10'000) == "expires_soon");
    CHECK(state_of(now - 20'000, now + 40'000) == "valid");
    CHECK(state_of(now - 24 * hour, now) == "expired");
    CHECK(state_of(0, 0) == "missing");
    CHECK(leaf_margin(now, now - 1) == 0); // nonsense is no margin
}

TEST_CASE("authorities are told with their kind and state") {
    const auto key = tls::generate_key_pem();
    REQUIRE(key);
    const auto make = [&](WallTime not_after) {
        const auto der = tls::issue_certificate({.use = tls::CertificateUse::root,
                                                 .common_name = "a root",
                                                 .identity = {},
                                                 .public_key_der = *tls::public_key_of(*key),
                                                 .issuer_key_pem = *key,
                                                 .issuer_der = {},
                                                 .not_before = now - day,
                                                 .not_after = not_after});
        REQUIRE(der);
        return *der;
    };
    v1::CertificatesResponse response;
    add_authorities(response, {make(now + 10 * 365 * day), make(now + 300 * day), "nonsense"},
                    {make(now + 300 * day), make(now - 1'000)}, now);
    REQUIRE(response.certificates_size() == 4);
    const auto is = [&](int at, std::string_view kind, std::string_view state) {
        return response.certificates(at).kind() == kind &&
               response.certificates(at).state() == state;
    };
    CHECK(is(0, "root", "valid"));
    CHECK(is(1, "root", "expires_soon"));
    CHECK(is(2, "intermediate", "valid"));
    CHECK(is(3, "intermediate", "expired"));
    CHECK(response.certificates(0).identity().contains("a root"));
}

} // namespace
} // namespace hawser::rpc
