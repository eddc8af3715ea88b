#include <doctest/doctest.h>

#include "base/limits.h"
#include "model/samples.h"
#include "model/validation.h"

using namespace hawser;
using namespace hawser::model;

namespace {

// Of a resource that was spoiled.
template <typename T, typename Spoil>
std::string refusal(T resource, Spoil spoil) {
    CHECK(check(resource).has_value());
    spoil(resource);
    const Result<void> checked = check(resource);
    return checked ? "" : checked.error().message;
}

} // namespace

TEST_CASE("an authority has what it signs with, and a second signer while its root changes") {
    const auto refused = [](auto spoil) { return refusal(samples::authority(), spoil); };
    CHECK(refused([](Authority& a) { a.other.reset(); }) ==
          "the authority: it has a second signer exactly while its root changes");
    CHECK(refused([](Authority& a) { a.phase = RotationPhase::none; }) ==
          "the authority: it has a second signer exactly while its root changes");
    CHECK(refused([](Authority& a) { a.active.root.clear(); }) ==
          "the authority: a root certificate is empty or too large");
    CHECK(refused([](Authority& a) { a.active.chain.clear(); }) ==
          "the authority: it has no certificate to sign with");
    CHECK(refused([](Authority& a) { a.active.chain.assign(limits::certificate_chain, "x"); }) ==
          "the authority: a chain is too long");
    CHECK(refused([](Authority& a) { a.other->chain = {""}; }) ==
          "the authority: a certificate is empty or too large");
    CHECK(refused([](Authority& a) { a.active.key.clear(); }) ==
          "the authority: it has no key to sign with, or one that is too large");
    CHECK(refused([](Authority& a) {
              a.active.root_key.assign(limits::sealed_key_bytes + 1, 'x');
          }) == "the authority: the root's key is too large");
    CHECK(refused([](Authority& a) { a.sealing_key_id.clear(); }) ==
          "the authority: it does not say which key seals the others");
    CHECK(refused([](Authority& a) { a.phase_since = -1; }) == "the authority: a time is negative");
}

TEST_CASE("a trust domain names what its authority signs with, the active one first") {
    TrustDomain domain = samples::trust_domain();
    Authority authority = samples::authority();
    publish(authority, domain);
    CHECK(domain.roots == std::vector<std::string>{"root two", "root one"});
    CHECK(domain.intermediates == std::vector<std::string>{"two", "one", "one"});
    authority.other->root = authority.active.root;
    publish(authority, domain);
    CHECK(domain.roots == std::vector<std::string>{"root two"});
    authority.other.reset();
    publish(authority, domain);
    CHECK(domain.intermediates == std::vector<std::string>{"two", "one"});
}

TEST_CASE("nodes and services are quarantined, by their names") {
    const auto refused = [](auto spoil) { return refusal(samples::quarantine(), spoil); };
    CHECK(samples::quarantine().key() == "svc/api");
    CHECK(
        refused([](Quarantine& q) { q.subject = "API"; }).starts_with("quarantine of 'API': name"));
    CHECK(refused([](Quarantine& q) { q.subject_kind = IdentityKind::server; }) ==
          "quarantine of 'api': only nodes and services can be quarantined");
    CHECK(refused([](Quarantine& q) { q.reason = "two\nlines"; }) ==
          "quarantine of 'api': the reason is not printable text of at most 255 bytes");
    CHECK(refused([](Quarantine& q) { q.since = -1; }) ==
          "quarantine of 'api': the time is negative");
}

TEST_CASE("an operator token: a registrar has a prefix, nobody else has") {
    const auto refused = [](auto spoil) { return refusal(samples::operator_token(), spoil); };
    const std::string message =
        "operator token 'abcdef0123456789': a registrar, and nobody else, has a prefix of services";
    CHECK(refused([](OperatorToken& t) { t.service_prefix.clear(); }) == message);
    CHECK(refused([](OperatorToken& t) { t.role = Role::operator_; }) == message);
    for (const char* bad : {"-a", "A", "a.b", "a/"})
        CHECK(refused([&](OperatorToken& t) { t.service_prefix = bad; }) ==
              "operator token 'abcdef0123456789': the prefix is not the beginning of a service's "
              "name");
    CHECK(refused([](OperatorToken& t) { t.previous_hash = "short"; }) ==
          "operator token 'abcdef0123456789': the hash before is not 32 bytes");
    CHECK(refused([](OperatorToken& t) { t.name = "a\tb"; }) != "");
    CHECK(refused([](OperatorToken& t) { t.expires_at = -1; }) != "");
}

TEST_CASE("an audit head is of a record") {
    const auto refused = [](auto spoil) { return refusal(samples::audit_head(), spoil); };
    CHECK(refused([](AuditHead& h) { h.sequence = 0; }) ==
          "audit head of 's1': it is of no record");
    CHECK(refused([](AuditHead& h) { h.hash = "short"; }) ==
          "audit head of 's1': the hash is not 32 bytes");
    CHECK(refused([](AuditHead& h) { h.server = ""; }) != "");
}
