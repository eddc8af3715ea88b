// The authority at work, and that it follows the trust domain.
#include "server/authority_keeper.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "base/bytes.h"
#include "store/temporary_directory.h"
#include "tls/x509.h"

namespace hawser::server::test {

namespace {

constexpr WallTime now = 1'800'000'000'000;

model::TrustDomain domain_of(const ca::NewAuthority& authority) {
    model::TrustDomain domain;
    domain.roots = {authority.root_der};
    domain.intermediates = {authority.intermediate_der};
    return domain;
}

} // namespace

TEST_CASE("new certificates of the trust domain are used at once, or not at all") {
    const store::test::TemporaryDirectory directory;
    const std::string data_dir = directory.file("data");
    std::filesystem::create_directory(data_dir);
    const ca::NewAuthority first = ca::create_authority("hawser.local", now).value();
    const ca::NewAuthority second = ca::create_authority("hawser.local", now).value();
    REQUIRE(store_authority(data_dir, first));
    auto keeper = AuthorityKeeper::load(
        {.data_dir = data_dir, .server = "s1", .certificate_lifetime = std::chrono::hours(24)},
        domain_of(first), now);
    REQUIRE(keeper.has_value());
    const tls::CredentialsPtr before = (*keeper)->credentials();

    // The domain says so, but this server has not got the key.
    CHECK_FALSE((*keeper)->reload(domain_of(second), now));
    CHECK((*keeper)->authority().root_der() == first.root_der);
    CHECK((*keeper)->credentials() == before);

    REQUIRE(store_authority(data_dir, second));
    CHECK((*keeper)->reload(domain_of(second), now));
    CHECK((*keeper)->authority().root_der() == second.root_der);
    CHECK((*keeper)->credentials() != before);
    const model::Identity node{
        .trust_domain = "hawser.local", .kind = model::IdentityKind::node, .name = "web-1"};
    const std::string csr = *tls::make_csr(*tls::generate_key_pem(), node);
    const auto chain = tls::chain_from_pem(*(*keeper)->sign(as_bytes(csr), node, now));
    REQUIRE(chain.has_value());
    CHECK(chain->at(1) == second.intermediate_der);
}

} // namespace hawser::server::test
