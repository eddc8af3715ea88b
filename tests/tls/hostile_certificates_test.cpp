// Certificates that nobody of the mesh may show: how each is made, and the reason it is refused
// with. Every chain is shown to a server that requires a certificate, to one that does not, to a
// client, and to a host that joins and knows only the root's pin.
#include <doctest/doctest.h>

#include <algorithm>
#include <format>
#include <functional>
#include <vector>

#include "base/limits.h"
#include "tls/handmade_peer.h"
#include "tls/made_certificate.h"

using namespace hawser;
using namespace hawser::tls;
using namespace hawser::tls::test;
using namespace std::string_view_literals;

namespace {

using Form = CertificateForm;

struct HostileChain {
    std::string name;
    std::function<Chain(const TestPki&)> make;
    std::string reason; // begins with this, after "peer certificate: "
};

constexpr auto api = "spiffe://hawser.local/svc/api";

Chain signed_by_intermediate(const TestPki& pki, const Form& form) {
    return {.ders = {write_certificate(form, pki.intermediate_key), pki.intermediate},
            .key_pem = form.key_pem};
}

// A leaf that would be good, but for one change.
HostileChain leaf(std::string name, std::function<void(Form&)> spoil, std::string reason) {
    return {std::move(name),
            [spoil = std::move(spoil)](const TestPki& pki) {
                Form form = good_leaf(api);
                spoil(form);
                return signed_by_intermediate(pki, form);
            },
            std::move(reason)};
}

HostileChain named(std::string name, std::string uri, std::string reason) {
    return leaf(
        std::move(name), [uri = std::move(uri)](Form& form) { form.set_names({der_uri(uri)}); },
        std::move(reason));
}

// A good leaf as text, spoilt by hand.
HostileChain bytes(std::string name, std::function<void(std::string&)> spoil, std::string reason) {
    return {std::move(name),
            [spoil = std::move(spoil)](const TestPki& pki) {
                Chain chain = signed_by_intermediate(pki, good_leaf(api));
                spoil(chain.ders[0]);
                return chain;
            },
            std::move(reason)};
}

// A good leaf below an authority that would be good, but for one change, below the root.
HostileChain authority(std::string name, std::function<void(Form&)> spoil, std::string reason) {
    return {std::move(name),
            [spoil = std::move(spoil)](const TestPki& pki) {
                Form above = good_authority("second", "root", 0);
                spoil(above);
                Form form = good_leaf(api);
                form.issuer = "second";
                return Chain{.ders = {write_certificate(form, above.key_pem),
                                      write_certificate(above, pki.root_key)},
                             .key_pem = form.key_pem};
            },
            std::move(reason)};
}

std::string public_key_rsa_512() {
    return value_of(from_hex(
        "305c300d06092a864886f70d0101010500034b003048024100962d2610edd1d55cede020b5add38244"
        "5e0a048a1997092969fab9d9226b61b4b05141102053add9ea35f4369b61eb4024f397890518bb6fda"
        "a99a4a376da4050203010001"));
}

std::string algorithm(std::string_view oid) {
    return der_sequence({der_oid(oid)});
}

std::vector<HostileChain> names() {
    const std::string none = "has no valid identity: ";
    const auto not_mesh = [&none](const std::string& uri, const std::string& why) {
        return none + "'" + uri + "' is not an identity of the mesh: " + why;
    };
    std::vector<HostileChain> table = {
        leaf(
            "no names", [](Form& f) { f.drop(id_alternative_names); },
            "has no subject alternative name"),
        leaf(
            "an empty list of names", [](Form& f) { f.set_names({}); },
            "has an empty list of names"),
        leaf(
            "two URIs",
            [](Form& f) { f.set_names({der_uri(api), der_uri("spiffe://hawser.local/svc/db")}); },
            "has more than one URI name"),
        leaf(
            "one URI twice", [](Form& f) { f.set_names({der_uri(api), der_uri(api)}); },
            "has more than one URI name"),
        leaf(
            "a DNS name behind", [](Form& f) { f.set_names({der_uri(api), der(0x82, "api")}); },
            "has a name of another type than URI (DNS)"),
        leaf(
            "a DNS name before", [](Form& f) { f.set_names({der(0x82, "api"), der_uri(api)}); },
            "has a name of another type than URI (DNS)"),
        leaf(
            "an address", [](Form& f) { f.set_names({der_uri(api), der(0x87, "\x0a\0\0\1"sv)}); },
            "has a name of another type than URI (IP address)"),
        leaf(
            "an e-mail address", [](Form& f) { f.set_names({der(0x81, "api@hawser.local")}); },
            "has a name of another type than URI (e-mail)"),
        leaf(
            "a registered id", [](Form& f) { f.set_names({der_uri(api), der(0x88, "\x2a\x03")}); },
            "has a name of another type than URI (other)"),
        leaf(
            "a constructed URI", [](Form& f) { f.set_names({der(0xa6, der(0x16, api))}); },
            "has a name of another type than URI"),
        leaf(
            "a NUL inside",
            [](Form& f) { f.set_names({der_uri("spiffe://hawser.local/svc/api\0.evil"sv)}); },
            "has a name with a NUL in it"),
        leaf(
            "a NUL behind",
            [](Form& f) { f.set_names({der_uri("spiffe://hawser.local/svc/api\0"sv)}); },
            "has a name with a NUL in it"),
        named("another trust domain", "spiffe://other.local/svc/api",
              "not of trust domain hawser.local but of other.local"),
        named("the trust domain's parent", "spiffe://local/svc/api",
              "not of trust domain hawser.local but of local"),
    };
    const auto add = [&](std::string name, std::string uri, std::string why) {
        table.push_back(named(std::move(name), uri, not_mesh(uri, why)));
    };
    add("an empty URI", "", "it does not begin with spiffe://");
    add("another scheme", "https://hawser.local/svc/api", "it does not begin with spiffe://");
    add("capitals in the scheme", "SPIFFE://hawser.local/svc/api",
        "it does not begin with spiffe://");
    add("capitals in the domain", "spiffe://Hawser.local/svc/api",
        "trust domain 'Hawser.local' is not a domain name");
    add("capitals in the name", "spiffe://hawser.local/svc/Api", "name 'Api' is not a DNS label");
    add("percent-encoding", "spiffe://hawser.local/svc/%61pi", "it has percent-encoding");
    add("a port", "spiffe://hawser.local:443/svc/api", "it has a port");
    add("user information", "spiffe://root@hawser.local/svc/api", "it has user information");
    add("a query", "spiffe://hawser.local/svc/api?x=1", "it has a query");
    add("a fragment", "spiffe://hawser.local/svc/api#x", "it has a fragment");
    add("no trust domain", "spiffe:///svc/api", "trust domain '' is empty");
    add("no path", "spiffe://hawser.local", "not of the form DOMAIN/KIND/NAME");
    add("an unknown kind", "spiffe://hawser.local/root/api", "'root' is no kind of identity");
    add("a dot segment", "spiffe://hawser.local/svc/..", "name '..' is not a DNS label");
    add("a longer path", "spiffe://hawser.local/svc/api/x", "name 'api/x' is not a DNS label");
    add("a slash at the end", "spiffe://hawser.local/svc/api/", "name 'api/' is not a DNS label");
    add("no name", "spiffe://hawser.local/svc/", "name is empty");
    for (const std::size_t length : {64, 3000})
        table.push_back(named(std::format("a name of {} characters", length),
                              "spiffe://hawser.local/svc/" + std::string(length, 'a'),
                              none + "'spiffe://hawser.local/svc/aaaa"));
    return table;
}

std::vector<HostileChain> leaves() {
    const WallTime past = now() - 6 * minute, future = now() + 6 * minute;
    const auto at = [](WallTime time) { return format_time(time).substr(0, 13); };
    return {
        leaf(
            "expired", [past](Form& f) { f.not_after = past; }, "expired on " + at(past)),
        leaf(
            "from the future", [future](Form& f) { f.not_before = future; },
            "not valid before " + at(future)),
        leaf(
            "an end before its beginning", [](Form& f) { std::swap(f.not_before, f.not_after); },
            "expired on "),
        leaf(
            "CA:TRUE",
            [](Form& f) {
                f.extension(id_basic_constraints).value = der_sequence({"\x01\x01\xff"sv});
            },
            "belongs to an authority (CA:TRUE)"),
        leaf(
            "no key usage", [](Form& f) { f.drop(id_key_usage); },
            "key usage: not for digital signatures"),
        leaf(
            "for key agreement only",
            [](Form& f) { f.extension(id_key_usage).value = "\x03\x02\x03\x08"; },
            "key usage: not for digital signatures"),
        leaf(
            "for signing certificates",
            [](Form& f) { f.extension(id_key_usage).value = "\x03\x02\x02\x84"; },
            "key usage: may sign certificates, as only an authority may"),
        leaf(
            "no extended key usage", [](Form& f) { f.drop(id_extended_key_usage); },
            "extended key usage: not for TLS "),
        leaf(
            "for signing code", [](Form& f) { f.set_uses({"\x2b\x06\x01\x05\x05\x07\x03\x03"}); },
            "extended key usage: not for TLS "),
        leaf(
            "for any use", [](Form& f) { f.set_uses({"\x55\x1d\x25\x00"sv}); },
            "extended key usage: not for TLS "),
        leaf(
            "of RSA-512", [](Form& f) { f.public_key_der = public_key_rsa_512(); },
            "not ECDSA P-256 with SHA-256"),
        leaf(
            "of RSA-2048", [](Form& f) { f.public_key_der = public_key_rsa(); },
            "not ECDSA P-256 with SHA-256"),
        leaf(
            "of P-384", [](Form& f) { f.public_key_der = public_key_p384(); },
            "not ECDSA P-256 with SHA-256"),
        // mbedTLS passes over what it cannot read the signature of: the next is taken for the leaf.
        leaf(
            "signed with SHA-1",
            [](Form& f) { f.algorithm = algorithm("\x2a\x86\x48\xce\x3d\x04\x01"); },
            "belongs to an authority (CA:TRUE)"),
        leaf(
            "signed with MD5",
            [](Form& f) { f.algorithm = algorithm("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04"); },
            "belongs to an authority (CA:TRUE)"),
        leaf(
            "called signed with SHA-512",
            [](Form& f) { f.algorithm = algorithm("\x2a\x86\x48\xce\x3d\x04\x03\x04"); },
            "signed by an unknown authority, not by the one that it names"),
        leaf(
            "of X.509 version 1",
            [](Form& f) {
                f.version = "";
                f.extensions.clear();
            },
            "not of X.509 version 3"),
        leaf(
            "a negative serial number", [](Form& f) { f.serial = "\x81\x22"; },
            "its serial number is negative"),
        leaf(
            "the serial number zero", [](Form& f) { f.serial = std::string(1, '\0'); },
            "its serial number is zero"),
        leaf(
            "a serial number of 21 bytes", [](Form& f) { f.serial = std::string(21, 'n'); },
            "its serial number is longer than 20 bytes"),
        leaf(
            "a serial number longer than it must be",
            [](Form& f) { f.serial = std::string("\0\x11", 2); }, "malformed: not DER"),
        leaf(
            "no issuer's name", [](Form& f) { f.issuer = ""; },
            "malformed: X509 - The name tag or value is invalid"),
        leaf(
            "a critical extension nobody knows",
            [](Form& f) { f.extensions.push_back({"\x2a\x03\x04", "x", true}); },
            "malformed: X509 - The extension tag or value is invalid"),
        leaf(
            "an unknown extension twice",
            [](Form& f) {
                for (int i = 0; i < 2; ++i) f.extensions.push_back({"\x2a\x03\x04", "x"});
            },
            "has an extension twice"),
        leaf(
            "its names twice",
            [](Form& f) { f.extensions.push_back(f.extension(id_alternative_names)); },
            "malformed: X509 - The extension tag or value is invalid"),
        leaf(
            "hundred extensions",
            [](Form& f) {
                for (char i = 0; i < 100; ++i)
                    f.extensions.push_back({"\x2a\x03" + std::string(1, i), "x"});
            },
            "has more than 32 extensions"),
        leaf(
            "name constraints",
            [](Form& f) {
                f.extensions.push_back({std::string(id_name_constraints), der_sequence({})});
            },
            "has name constraints, which are not supported"),
    };
}

std::vector<HostileChain> encodings() {
    return {
        bytes(
            "cut short", [](std::string& der) { der.resize(der.size() / 2); },
            "malformed: X509 - The CRT/CRL/CSR format is invalid"),
        bytes(
            "noise", [](std::string& der) { std::ranges::fill(der, 'x'); }, "malformed: X509"),
        bytes(
            "a BER length",
            [](std::string& der) {
                // 30 82 hi lo … becomes 30 83 00 hi lo …
                der[1] = '\x83';
                der.insert(2, 1, '\0');
            },
            "malformed: not DER"),
        bytes(
            "a changed signature",
            [](std::string& der) { der.back() = static_cast<char>(der.back() ^ 1); },
            "signed by an unknown authority, not by the one that it names"),
        bytes(
            "a changed name", [](std::string& der) { der[der.find("svc/api") + 4] = 'b'; },
            "signed by an unknown authority, not by the one that it names (it claims to be "
            "spiffe://hawser.local/svc/bpi)"),
    };
}

std::vector<HostileChain> chains() {
    return {
        {"self-signed",
         [](const TestPki&) {
             Form form = good_leaf(api);
             form.issuer = form.subject;
             return Chain{.ders = {write_certificate(form, form.key_pem)}, .key_pem = form.key_pem};
         },
         "is self-signed (it claims to be spiffe://hawser.local/svc/api)"},
        {"of another mesh's authority",
         [](const TestPki&) { return TestPki("other.local").chain("api"); },
         "signed by an unknown authority"},
        {"an authority of the same name with another key",
         [](const TestPki& pki) {
             TestPki forged = pki;
             forged.intermediate_key = value_of(generate_key_pem());
             return forged.chain("api");
         },
         "signed by an unknown authority, not by the one that it names"},
        {"an unknown root sent along",
         [](const TestPki&) {
             const TestPki other;
             Chain chain = other.chain("api");
             chain.ders.push_back(other.root);
             return chain;
         },
         "signed by an unknown authority"},
        {"nothing but one signed with SHA-1",
         [](const TestPki& pki) {
             Form form = good_leaf(api);
             form.algorithm = algorithm("\x2a\x86\x48\xce\x3d\x04\x01");
             return Chain{.ders = {write_certificate(form, pki.intermediate_key)},
                          .key_pem = form.key_pem};
         },
         ""},
        {"without the authority that signed it",
         [](const TestPki& pki) {
             Chain chain = pki.chain("api");
             chain.ders.resize(1);
             return chain;
         },
         "signed by an unknown authority (it claims to be spiffe://hawser.local/svc/api)"},
        {"a leaf below a leaf",
         [](const TestPki& pki) {
             Form above = good_leaf("spiffe://hawser.local/svc/evil");
             above.subject = "evil";
             Form form = good_leaf(api);
             form.issuer = "evil";
             return Chain{
                 .ders = {write_certificate(form, above.key_pem),
                          write_certificate(above, pki.intermediate_key), pki.intermediate},
                 .key_pem = form.key_pem};
         },
         "signed by a certificate that is no authority's"},
        {"one authority more than the path length allows",
         [](const TestPki& pki) {
             const Form above = good_authority("third", "intermediate", 0);
             Form form = good_leaf(api);
             form.issuer = "third";
             return Chain{
                 .ders = {write_certificate(form, above.key_pem),
                          write_certificate(above, pki.intermediate_key), pki.intermediate},
                 .key_pem = form.key_pem};
         },
         "its issuer is signed by an authority that allows no other below it (path length)"},
        {"five certificates",
         [](const TestPki& pki) {
             Chain chain = pki.chain("api");
             while (chain.ders.size() < 5) chain.ders.push_back(pki.root);
             return chain;
         },
         "a chain of "},
        {"the intermediate's own",
         [](const TestPki& pki) {
             return Chain{.ders = {pki.intermediate}, .key_pem = pki.intermediate_key};
         },
         "belongs to an authority (CA:TRUE)"},
        {"the root's own",
         [](const TestPki& pki) { return Chain{.ders = {pki.root}, .key_pem = pki.root_key}; },
         "belongs to an authority (CA:TRUE)"},
        authority(
            "an authority that expired", [](Form& f) { f.not_after = now() - 6 * minute; },
            "its issuer expired on "),
        authority(
            "an authority of the future", [](Form& f) { f.not_before = now() + 6 * minute; },
            "its issuer is not valid before "),
        authority(
            "an authority that is none", [](Form& f) { f.drop(id_basic_constraints); },
            "signed by a certificate that is no authority's"),
        authority(
            "an authority that may sign no certificates",
            [](Form& f) { f.extension(id_key_usage).value = "\x03\x02\x07\x80"; },
            "signed by an authority whose key usage is not for certificates"),
        authority(
            "an authority for e-mail",
            [](Form& f) { f.set_uses({"\x2b\x06\x01\x05\x05\x07\x03\x04"}); },
            "its issuer's extended key usage: not for TLS "),
        authority(
            "an authority with name constraints",
            [](Form& f) {
                f.extensions.push_back({std::string(id_name_constraints), der_sequence({})});
            },
            "its issuer: has name constraints, which are not supported"),
        authority(
            "an authority with critical name constraints",
            [](Form& f) {
                f.extensions.push_back({std::string(id_name_constraints), der_sequence({}), true});
            },
            "malformed: X509 - The extension tag or value is invalid"),
        authority(
            "an authority with a negative serial number", [](Form& f) { f.serial = "\xff"; },
            "its issuer: its serial number is negative"),
    };
}

std::vector<HostileChain> all() {
    std::vector<HostileChain> table;
    for (auto& part : {names(), leaves(), encodings(), chains()})
        table.insert(table.end(), part.begin(), part.end());
    return table;
}

struct Meeting {
    std::string name;
    Role role; // of who shows the chain
    CredentialsPtr credentials;
    bool with_root = false; // in the chain
};

std::vector<Meeting> meetings(const TestPki& pki) {
    CredentialsOptions optional = pki.options("web");
    optional.client_auth = ClientAuth::optional;
    CredentialsOptions joining{.trust_domain = pki.trust_domain};
    joining.root_pin = sha256(as_bytes(pki.root));
    return {{"a server", Role::client, pki.credentials("web")},
            {"a server that may do without", Role::client,
             value_of(make_credentials(std::move(optional)))},
            {"a client", Role::server, pki.credentials("web")},
            {"who joins", Role::server, value_of(make_credentials(std::move(joining))), true}};
}

Result<bool> meet(const Meeting& meeting, Chain chain, const TestPki& pki) {
    if (meeting.with_root) chain.ders.push_back(pki.root);
    HandmadePeer peer(meeting.role, meeting.credentials);
    peer.greet();
    peer.show(chain);
    auto outcome = peer.outcome();
    CHECK(peer.session.session->peer().has_value() == outcome.has_value());
    return outcome;
}

} // namespace

TEST_CASE("every hostile certificate is refused with its own reason, by all") {
    const TestPki pki;
    const auto everybody = meetings(pki);
    for (const HostileChain& hostile : all()) {
        CAPTURE(hostile.name);
        const Chain chain = hostile.make(pki);
        for (const Meeting& meeting : everybody) {
            CAPTURE(meeting.name);
            const auto outcome = meet(meeting, chain, pki);
            REQUIRE_FALSE(outcome);
            const std::string expected = "peer certificate: " + hostile.reason;
            CHECK(outcome.error().message.substr(0, expected.size()) == expected);
            CHECK(outcome.error().code == ErrorCode::unauthenticated);
        }
    }
}

TEST_CASE("what the factory makes is accepted when nothing is spoilt, and at the rules' edges") {
    const TestPki pki;
    const HostileChain good[] = {
        leaf(
            "good", [](Form&) {}, ""),
        leaf(
            "no subject", [](Form& f) { f.subject = ""; }, ""),
        leaf(
            "a serial number of 20 bytes", [](Form& f) { f.serial = std::string(20, 'n'); }, ""),
        leaf(
            "a positive one whose first bit is set",
            [](Form& f) { f.serial = '\0' + std::string(20, '\xee'); }, ""),
        leaf(
            "an extension nobody must know",
            [](Form& f) { f.extensions.push_back({"\x2a\x03\x04", "x"}); }, ""),
        leaf(
            "expired within the skew", [](Form& f) { f.not_after = now() - 4 * minute; }, ""),
        leaf(
            "early within the skew", [](Form& f) { f.not_before = now() + 4 * minute; }, ""),
        authority(
            "an authority", [](Form&) {}, ""),
        authority(
            "an authority without a path length",
            [](Form& f) {
                f.extension(id_basic_constraints).value = der_sequence({"\x01\x01\xff"sv});
            },
            ""),
        authority(
            "an authority within the skew", [](Form& f) { f.not_after = now() - 4 * minute; }, ""),
        authority(
            "an authority for any use", [](Form& f) { f.set_uses({"\x55\x1d\x25\x00"sv}); }, ""),
        authority(
            "an authority for TLS", [](Form& f) { f.set_uses({id_server_auth, id_client_auth}); },
            ""),
    };
    for (const HostileChain& one : good) {
        CAPTURE(one.name);
        for (const Meeting& meeting : meetings(pki)) {
            CAPTURE(meeting.name);
            const auto outcome = meet(meeting, one.make(pki), pki);
            CHECK_MESSAGE(outcome, (outcome ? "" : outcome.error().message));
        }
    }
}

TEST_CASE("the corpus has no two entries of one name") {
    auto table = all();
    std::ranges::sort(table, {}, &HostileChain::name);
    CHECK(std::ranges::adjacent_find(table, {}, &HostileChain::name) == table.end());
    CHECK(table.size() >= 60);
}
