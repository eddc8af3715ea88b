// The authority at work, and that it follows what the registry says.
#include "server/authority_keeper.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "base/bytes.h"
#include "server/secret_files.h"
#include "store/temporary_directory.h"
#include "tls/x509.h"

namespace hawser::server::test {

namespace {

constexpr WallTime now = 1'800'000'000'000;

struct Fixture {
    Fixture() { std::filesystem::create_directory(data_dir); }

    store::test::TemporaryDirectory directory;
    std::string data_dir = directory.file("data");
    SealingKeyPlace place{.path = data_dir + "/ca/sealing.key"};
    ca::NewAuthority first = ca::create_authority("hawser.local", now).value();

    [[nodiscard]] AuthorityKeeper::Options options() const {
        return {.data_dir = data_dir,
                .server = "s1",
                .certificate_lifetime = std::chrono::hours(24),
                .sealing_key = place};
    }
    [[nodiscard]] AuthorityRows in_files() const {
        AuthorityRows rows;
        rows.domain.roots = {first.root_der};
        rows.domain.intermediates = {first.intermediate_der};
        return rows;
    }
    [[nodiscard]] static AuthorityRows sealed(const ca::OpenSigner& signer,
                                              const ca::SealingKey& key, std::uint64_t index) {
        AuthorityRows rows{.domain = {}, .authority = model::Authority(), .index = index};
        rows.authority->active = ca::seal(signer, key);
        rows.authority->sealing_key_id = key.id();
        publish(*rows.authority, rows.domain);
        return rows;
    }
    [[nodiscard]] bool has(const std::string& name) const {
        return std::filesystem::exists(data_dir + "/ca/" + name);
    }
};

} // namespace

TEST_CASE("another authority is used at once, or not at all") {
    const Fixture fixture;
    const ca::SealingKey key = ca::SealingKey::make(), other = ca::SealingKey::make();
    REQUIRE(store_sealing_key(fixture.place, key));
    const ca::OpenSigner first = ca::make_signer("hawser.local", now, {}).value();
    const ca::OpenSigner second = ca::make_signer("hawser.local", now, {}).value();
    auto keeper = AuthorityKeeper::load(fixture.options(), Fixture::sealed(first, key, 3), now);
    if (!keeper) FAIL(keeper.error().message);
    CHECK((*keeper)->index() == 3);
    const tls::CredentialsPtr before = (*keeper)->credentials();

    CHECK_FALSE((*keeper)->reload(Fixture::sealed(second, other, 4), now)); // not to be opened
    CHECK((*keeper)->index() == 3);
    CHECK((*keeper)->authority().root_der() == first.root);
    CHECK((*keeper)->credentials() == before);

    REQUIRE((*keeper)->reload(Fixture::sealed(second, key, 5), now));
    CHECK((*keeper)->index() == 5);
    CHECK((*keeper)->authority().root_der() == second.root);
    CHECK((*keeper)->credentials() != before);
    const model::Identity node{
        .trust_domain = "hawser.local", .kind = model::IdentityKind::node, .name = "web-1"};
    const std::string csr = *tls::make_csr(*tls::generate_key_pem(), node);
    const auto chain = tls::chain_from_pem(*(*keeper)->sign(as_bytes(csr), node, now));
    REQUIRE(chain.has_value());
    CHECK(chain->at(1) == second.chain.front());
}

TEST_CASE("key files are used until the registry's can be opened, and removed then") {
    const Fixture fixture;
    REQUIRE(store_authority(fixture.data_dir, fixture.first));
    auto keeper = AuthorityKeeper::load(fixture.options(), fixture.in_files(), now);
    if (!keeper) FAIL(keeper.error().message);
    CHECK((*keeper)->index() == 0);

    // The leader moved them; its sealing key is still to come.
    const ca::SealingKey key = ca::SealingKey::make();
    const ca::OpenSigner signer =
        read_authority_files(fixture.data_dir, fixture.in_files().domain).value();
    CHECK_FALSE(signer.root_key.empty());
    const AuthorityRows rows = Fixture::sealed(signer, key, 7);
    CHECK_FALSE((*keeper)->reload(rows, now));
    CHECK(fixture.has("intermediate.key"));
    // Also after a restart in between.
    auto restarted = AuthorityKeeper::load(fixture.options(), rows, now);
    if (!restarted) FAIL(restarted.error().message);
    CHECK((*restarted)->index() == 0);
    CHECK(fixture.has("intermediate.key"));

    REQUIRE(store_sealing_key(fixture.place, key));
    REQUIRE((*restarted)->reload(rows, now));
    CHECK((*restarted)->index() == 7);
    CHECK_FALSE(fixture.has("intermediate.key"));
    CHECK_FALSE(fixture.has("root.key"));
    CHECK(fixture.has("root.pem"));
    CHECK(AuthorityKeeper::load(fixture.options(), rows, now).has_value());
}

} // namespace hawser::server::test
