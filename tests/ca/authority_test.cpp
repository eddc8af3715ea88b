#include "ca/authority.h"

#include <doctest/doctest.h>

#include <chrono>

#include "base/bytes.h"
#include "tls/credentials.h"
#include "tls/x509.h"

using namespace hawser;
using namespace hawser::ca;
using namespace std::chrono_literals;

namespace {

constexpr WallTime now = 1'800'000'000'000;
constexpr WallTime minute = 60'000, day = 24 * 60 * minute;

model::Identity service(std::string name, std::string trust_domain = "hawser.local") {
    return {.trust_domain = std::move(trust_domain),
            .kind = model::IdentityKind::service,
            .name = std::move(name)};
}

const NewAuthority& made() {
    static const NewAuthority authority = create_authority("hawser.local", now).value();
    return authority;
}

Authority loaded() {
    return Authority::load("hawser.local", made().root_der, {made().intermediate_der},
                           made().intermediate_key_pem)
        .value();
}

struct Request {
    std::string key = tls::generate_key_pem().value();
    std::string csr;
    explicit Request(const model::Identity& identity) : csr(tls::make_csr(key, identity).value()) {}
};

} // namespace

TEST_CASE("a new authority: ten years, one year, and a chain that holds") {
    const auto root = tls::describe_certificate(as_bytes(made().root_der)).value();
    const auto intermediate = tls::describe_certificate(as_bytes(made().intermediate_der)).value();
    CHECK(root.is_ca);
    CHECK(intermediate.is_ca);
    CHECK(root.subject == "CN=hawser root hawser.local");
    CHECK(root.not_before == now - 5 * minute);
    CHECK(root.not_after == now + 3653 * day);
    CHECK(intermediate.not_after == now + 365 * day);
    CHECK(tls::check_issued_by(as_bytes(made().intermediate_der), as_bytes(made().root_der)));
    CHECK(made().root_key_pem != made().intermediate_key_pem);
    CHECK_FALSE(create_authority("Not A Domain", now));
    CHECK(create_authority(std::string(60, 'a') + "." + std::string(60, 'b') + ".example", now));
}

TEST_CASE("a signed leaf is the caller's, backdated, and makes credentials") {
    const Request request(service("api"));
    const std::string chain =
        loaded().sign(as_bytes(request.csr), service("api"), now, 24h).value();
    const auto ders = tls::chain_from_pem(chain).value();
    REQUIRE(ders.size() == 2);
    CHECK(ders[1] == made().intermediate_der);
    const auto leaf = tls::describe_certificate(as_bytes(ders[0])).value();
    CHECK(leaf.identity == service("api"));
    CHECK(leaf.not_before == now - 5 * minute);
    CHECK(leaf.not_after == now + day);
    CHECK(leaf.public_key_der == tls::public_key_of(request.key).value());
    CHECK_FALSE(leaf.is_ca);

    tls::CredentialsOptions options;
    options.trust_domain = "hawser.local";
    options.own = tls::KeyPair{.chain_pem = chain, .key_pem = request.key};
    options.trust = {.roots = {made().root_der}, .intermediates = {made().intermediate_der}};
    CHECK(tls::make_credentials(std::move(options)));
}

TEST_CASE("a leaf never outlives the intermediate") {
    const Request request(service("api"));
    const WallTime end = now + 365 * day;
    const auto sign_at = [&](WallTime time) {
        return loaded().sign(as_bytes(request.csr), service("api"), time, 24h);
    };
    const auto ders = tls::chain_from_pem(sign_at(end - 60'000).value()).value();
    CHECK(tls::describe_certificate(as_bytes(ders[0])).value().not_after == end);
    const auto late = sign_at(end);
    REQUIRE_FALSE(late);
    CHECK(late.error().code == ErrorCode::failed_precondition);
    CHECK(late.error().message.starts_with("the intermediate certificate expired on "));
    const auto forever = loaded().sign(as_bytes(request.csr), service("api"), now, Duration::max());
    CHECK(tls::describe_certificate(as_bytes(tls::chain_from_pem(forever.value()).value()[0]))
              .value()
              .not_after == end);
}

TEST_CASE("what a request claims must not disagree with what is signed") {
    const Request request(service("db"));
    const auto refused = loaded().sign(as_bytes(request.csr), service("api"), now, 24h);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::permission_denied);
    CHECK(refused.error().message ==
          "certificate request: for spiffe://hawser.local/svc/db, but "
          "only spiffe://hawser.local/svc/api may be signed");
    const auto foreign =
        loaded().sign(as_bytes(request.csr), service("db", "other.local"), now, 24h);
    REQUIRE_FALSE(foreign);
    CHECK(foreign.error().message ==
          "spiffe://other.local/svc/db is not of trust domain hawser.local");
    CHECK_FALSE(loaded().sign(as_bytes(request.csr), service("db"), now, 0h));
    CHECK_FALSE(loaded().sign(as_bytes("nonsense"), service("db"), now, 24h));
}

TEST_CASE("an authority of unmatched parts is refused, each with its reason") {
    const NewAuthority other = create_authority("hawser.local", now).value();
    const auto load = [](const std::string& root, const std::string& intermediate,
                         const std::string& key) {
        const auto result = Authority::load("hawser.local", root, {intermediate}, key);
        return result ? "loaded" : result.error().message;
    };
    const NewAuthority& own = made();
    CHECK(load(own.root_der, own.intermediate_der, own.intermediate_key_pem) == "loaded");
    CHECK(load(own.root_der, own.intermediate_der, other.intermediate_key_pem) ==
          "intermediate: the private key is of another certificate");
    CHECK(load(other.root_der, own.intermediate_der, own.intermediate_key_pem) ==
          "intermediate: certificate: not signed by this issuer");
    CHECK(load("nonsense", own.intermediate_der, own.intermediate_key_pem)
              .starts_with("root: certificate: "));
    CHECK(load(own.root_der, "nonsense", own.intermediate_key_pem)
              .starts_with("intermediate: certificate: "));
    CHECK(load(own.root_der, own.intermediate_der, "nonsense")
              .starts_with("intermediate: private key: "));
    const Request request(service("api"));
    const auto leaf =
        tls::chain_from_pem(loaded().sign(as_bytes(request.csr), service("api"), now, 24h).value());
    CHECK(load(own.root_der, leaf.value()[0], request.key) ==
          "intermediate: not the certificate of an authority");
    CHECK(load(leaf.value()[0], own.intermediate_der, own.intermediate_key_pem) ==
          "root: not the certificate of an authority");
    CHECK_FALSE(
        Authority::load("Bad", own.root_der, {own.intermediate_der}, own.intermediate_key_pem));
}
