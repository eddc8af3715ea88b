// Certificate requests that no authority of the mesh signs: how each is made, and why not.
#include <doctest/doctest.h>

#include <functional>
#include <vector>

#include "base/limits.h"
#include "tls/made_certificate.h"

using namespace hawser;
using namespace hawser::tls;
using namespace hawser::tls::test;
using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

using Form = RequestForm;
constexpr auto api = "spiffe://hawser.local/svc/api";

struct HostileRequest {
    std::string name, der;
    std::string reason; // begins with this, after "certificate request: "
};

HostileRequest request(std::string name, const std::function<void(Form&)>& spoil,
                       std::string reason) {
    Form form = good_request(api);
    spoil(form);
    return {std::move(name), write_request(form), std::move(reason)};
}

HostileRequest bytes(std::string name, const std::function<void(std::string&)>& spoil,
                     std::string reason) {
    HostileRequest made{std::move(name), write_request(good_request(api)), std::move(reason)};
    spoil(made.der);
    return made;
}

MadeExtension names(std::initializer_list<std::string_view> list) {
    return {std::string(id_alternative_names), der(0x30, list)};
}

std::vector<HostileRequest> all() {
    const std::string attribute =
        der_sequence({der_oid("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e"),
                      der(0x31, der_sequence({der_extension("\x2a\x03", "x")}))});
    return {
        request(
            "signed by another key",
            [](Form& f) {
                f.public_key_der = value_of(public_key_of(value_of(generate_key_pem())));
            },
            "signature is not by its own key"),
        request(
            "of a P-384 key", [](Form& f) { f.public_key_der = public_key_p384(); },
            "not of an ECDSA P-256 key"),
        request(
            "of an RSA key", [](Form& f) { f.public_key_der = public_key_rsa(); },
            "not of an ECDSA P-256 key"),
        request(
            "of no key",
            [](Form& f) { f.public_key_der = der_sequence({der_sequence({}), "\x03\x01\x00"s}); },
            "PK - "),
        request(
            "signed with SHA-512",
            [](Form& f) {
                f.algorithm = der_sequence({der_oid("\x2a\x86\x48\xce\x3d\x04\x03\x04")});
            },
            "signature is not ECDSA with SHA-256"),
        request(
            "signed with SHA-1",
            [](Form& f) { f.algorithm = der_sequence({der_oid("\x2a\x86\x48\xce\x3d\x04\x01")}); },
            "X509 - Signature algorithm (oid) is unsupported"),
        request(
            "two identities",
            [](Form& f) {
                f.extensions = {names({der_uri(api), der_uri("spiffe://hawser.local/svc/db")})};
            },
            "has more than one name"),
        request(
            "one identity twice",
            [](Form& f) { f.extensions = {names({der_uri(api), der_uri(api)})}; },
            "has more than one name"),
        request(
            "an empty list of names", [](Form& f) { f.extensions = {names({})}; },
            "has an empty list of names"),
        request(
            "a DNS name", [](Form& f) { f.extensions = {names({der(0x82, "api")})}; },
            "has a name of another type than URI"),
        request(
            "another scheme",
            [](Form& f) { f.extensions = {names({der_uri("https://hawser.local/svc/api")})}; },
            "'https://hawser.local/svc/api' is not an identity of the mesh: it does not begin"),
        request(
            "a NUL in its name",
            [](Form& f) {
                f.extensions = {names({der_uri("spiffe://hawser.local/svc/api\0.evil"sv)})};
            },
            "'spiffe://hawser.local/svc/api"),
        request(
            "to be an authority",
            [](Form& f) {
                f.extensions.push_back(
                    {std::string(id_basic_constraints), der_sequence({"\x01\x01\xff"sv}), true});
            },
            "asks to be an authority (CA:TRUE)"),
        request(
            "name constraints",
            [](Form& f) {
                f.extensions.push_back({std::string(id_name_constraints), der_sequence({})});
            },
            "asks for an unknown extension"),
        request(
            "an extension twice", [](Form& f) { f.extensions.push_back(f.extensions.front()); },
            "has an extension twice"),
        request(
            "extensions twice", [&](Form& f) { f.more_attributes = attribute; },
            "asks for extensions twice"),
        request(
            "another attribute",
            [](Form& f) {
                f.more_attributes = der_sequence({der_oid("\x2a\x03"), der(0x31, der(0x0c, "x"))});
            },
            "has an unknown attribute"),
        request(
            "far too large",
            [](Form& f) {
                f.extensions.push_back({"\x2a\x03", std::string(limits::csr_bytes, 'x')});
            },
            "too large"),
        bytes(
            "bytes behind it", [](std::string& der) { der += '\0'; },
            "not DER, or with bytes after it"),
        bytes(
            "cut short", [](std::string& der) { der.pop_back(); },
            "not DER, or with bytes after it"),
        bytes(
            "a BER length",
            [](std::string& der) {
                const bool two = der[1] == '\x82';
                der[1] = two ? '\x83' : '\x82';
                der.insert(2, 1, '\0');
            },
            "not DER, or with bytes after it"),
        bytes(
            "nothing", [](std::string& der) { der.clear(); }, "not DER, or with bytes after it"),
        bytes(
            "a certificate instead",
            [](std::string& der) {
                const TestPki pki;
                der = pki.chain("api").ders[0];
            },
            "not a request's structure"),
        bytes(
            "a changed signature",
            [](std::string& der) { der.back() = static_cast<char>(der.back() ^ 1); },
            "signature is not by its own key"),
    };
}

} // namespace

TEST_CASE("every hostile request is refused with its own reason") {
    for (const HostileRequest& hostile : all()) {
        CAPTURE(hostile.name);
        const auto parsed = parse_csr(as_bytes(hostile.der));
        REQUIRE_FALSE(parsed);
        const std::string expected = "certificate request: " + hostile.reason;
        CHECK(parsed.error().message.substr(0, expected.size()) == expected);
    }
}

TEST_CASE("a request of the same making is read, also with usages and without names") {
    Form form = good_request(api);
    CHECK(value_of(parse_csr(as_bytes(write_request(form)))).identity->to_uri() == api);
    form.extensions = {{std::string(id_basic_constraints), der_sequence({})},
                       {std::string(id_key_usage), "\x03\x02\x07\x80", true}};
    CHECK_FALSE(value_of(parse_csr(as_bytes(write_request(form)))).identity);
}
