#include "tls/test_pki.h"

#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/pem.h>

#include <array>
#include <chrono>
#include <format>
#include <list>

namespace hawser::tls::test {
namespace {

void ok(int error) {
    if (error < 0) throw std::runtime_error(library_error(error));
}

std::string time_text(WallTime time) {
    using namespace std::chrono;
    return std::format("{:%Y%m%d%H%M%S}", sys_seconds(duration_cast<seconds>(milliseconds(time))));
}

void add_names(mbedtls_x509write_cert* writer, const std::vector<SubjectName>& names) {
    std::list<mbedtls_x509_san_list> nodes;
    mbedtls_x509_san_list* last = nullptr;
    for (const SubjectName& name : names) {
        mbedtls_x509_san_list& node = nodes.emplace_back();
        node.node.type = name.type;
        node.node.san.unstructured_name.p =
            reinterpret_cast<unsigned char*>(const_cast<char*>(name.value.data()));
        node.node.san.unstructured_name.len = name.value.size();
        if (last != nullptr) last->next = &node;
        last = &node;
    }
    if (!nodes.empty())
        ok(mbedtls_x509write_crt_set_subject_alternative_name(writer, &nodes.front()));
}

void add_usage(mbedtls_x509write_cert* writer, const LeafShape& shape) {
    if (!shape.has_usage) return;
    ok(mbedtls_x509write_crt_set_key_usage(writer, shape.key_usage));
    std::list<mbedtls_asn1_sequence> oids;
    const auto add = [&oids](const char* oid, std::size_t length) {
        mbedtls_asn1_sequence& one = oids.emplace_back();
        one.buf = {.tag = MBEDTLS_ASN1_OID,
                   .len = length,
                   .p = reinterpret_cast<unsigned char*>(const_cast<char*>(oid))};
        if (oids.size() > 1) oids.front().next = &one;
    };
    if (shape.for_servers) add(MBEDTLS_OID_SERVER_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH));
    if (shape.for_clients) add(MBEDTLS_OID_CLIENT_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH));
    if (oids.empty()) add(MBEDTLS_OID_CODE_SIGNING, MBEDTLS_OID_SIZE(MBEDTLS_OID_CODE_SIGNING));
    ok(mbedtls_x509write_crt_set_ext_key_usage(writer, &oids.front()));
}

std::string write_leaf(const LeafShape& shape, const std::string& public_key,
                       const std::string& issuer_key_pem, const std::string& issuer_name) {
    PkHandle key, issuer_key;
    const ByteView der = as_bytes(public_key);
    ok(mbedtls_pk_parse_public_key(key.get(), der.data(), der.size()));
    value_of(parse_private_key(issuer_key_pem, issuer_key.get()).transform([] { return 0; }));
    Handle<mbedtls_x509write_cert, mbedtls_x509write_crt_init, mbedtls_x509write_crt_free> writer;
    mbedtls_x509write_crt_set_version(writer.get(), MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(writer.get(), shape.hash);
    mbedtls_x509write_crt_set_subject_key(writer.get(), key.get());
    mbedtls_x509write_crt_set_issuer_key(writer.get(), issuer_key.get());
    unsigned char serial[] = {0x11, 0x22};
    ok(mbedtls_x509write_crt_set_serial_raw(writer.get(), serial, sizeof serial));
    ok(mbedtls_x509write_crt_set_subject_name(writer.get(), "CN=leaf"));
    ok(mbedtls_x509write_crt_set_issuer_name(writer.get(), issuer_name.c_str()));
    ok(mbedtls_x509write_crt_set_validity(writer.get(), time_text(shape.not_before).c_str(),
                                          time_text(shape.not_after).c_str()));
    ok(mbedtls_x509write_crt_set_basic_constraints(writer.get(), shape.is_ca ? 1 : 0, -1));
    add_usage(writer.get(), shape);
    add_names(writer.get(), shape.names);
    std::array<unsigned char, 8192> buffer;
    const int size = mbedtls_x509write_crt_der(writer.get(), buffer.data(), buffer.size(),
                                               random_bytes, nullptr);
    ok(size);
    return std::string(as_text(ByteView(buffer).last(static_cast<std::size_t>(size))));
}

} // namespace

TestPki::TestPki(std::string domain, WallTime created) : trust_domain(std::move(domain)) {
    root_key = value_of(generate_key_pem());
    intermediate_key = value_of(generate_key_pem());
    root = value_of(issue_certificate({.use = CertificateUse::root,
                                       .common_name = "root",
                                       .public_key_der = value_of(public_key_of(root_key)),
                                       .issuer_key_pem = root_key,
                                       .not_before = created - hour,
                                       .not_after = created + 3650 * day}));
    intermediate =
        value_of(issue_certificate({.use = CertificateUse::intermediate,
                                    .common_name = "intermediate",
                                    .public_key_der = value_of(public_key_of(intermediate_key)),
                                    .issuer_key_pem = root_key,
                                    .issuer_der = root,
                                    .not_before = created - hour,
                                    .not_after = created + 365 * day}));
}

model::Identity TestPki::service(std::string name) const {
    return {.trust_domain = trust_domain, .kind = model::IdentityKind::service, .name = name};
}

LeafShape TestPki::shape(const std::string& name) const {
    return {.names = {{.value = service(name).to_uri()}}};
}

Chain TestPki::chain(const LeafShape& shape) const {
    Chain chain{.ders = {}, .key_pem = value_of(generate_key_pem())};
    const std::string key = shape.public_key_der.empty() ? value_of(public_key_of(chain.key_pem))
                                                         : shape.public_key_der;
    chain.ders = {write_leaf(shape, key, intermediate_key, "CN=intermediate"), intermediate};
    return chain;
}

Chain TestPki::chain(const std::string& name) const {
    Chain chain{.ders = {}, .key_pem = value_of(generate_key_pem())};
    chain.ders.push_back(
        value_of(issue_certificate({.common_name = name,
                                    .identity = service(name),
                                    .public_key_der = value_of(public_key_of(chain.key_pem)),
                                    .issuer_key_pem = intermediate_key,
                                    .issuer_der = intermediate,
                                    .not_before = now() - 5 * minute,
                                    .not_after = now() + day})));
    chain.ders.push_back(intermediate);
    return chain;
}

KeyPair to_pair(const Chain& chain) {
    KeyPair pair{.chain_pem = {}, .key_pem = chain.key_pem};
    for (const std::string& der : chain.ders) pair.chain_pem += to_pem(as_bytes(der));
    return pair;
}

KeyPair TestPki::pair(const std::string& name) const {
    return to_pair(chain(name));
}

CredentialsOptions TestPki::options(const std::string& name) const {
    CredentialsOptions options;
    options.trust_domain = trust_domain;
    options.own = pair(name);
    options.trust.roots = {root};
    return options;
}

CredentialsPtr TestPki::credentials(const std::string& name) const {
    return value_of(make_credentials(options(name)));
}

std::string public_key_p384() {
    PkHandle key;
    ok(mbedtls_pk_setup(key.get(), mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)));
    ok(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP384R1, mbedtls_pk_ec(*key.get()), random_bytes,
                           nullptr));
    std::array<unsigned char, 512> buffer;
    const int size = mbedtls_pk_write_pubkey_der(key.get(), buffer.data(), buffer.size());
    ok(size);
    return std::string(as_text(ByteView(buffer).last(static_cast<std::size_t>(size))));
}

std::string public_key_rsa() {
    constexpr const char* pem = R"(-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvzzIPRZIsk3q9nir8z6Z
v8u4rLbL4zm2zxlCtzSHiYDXdoDlRjMvD7uYqcLL1A7n1xC4DRbJAX5fKANxsftz
9OLzkDmFIb/NlxlekrXXj1dUAuSJqZgLYeuawf2GcBoPVJa5bc9vnuXWbjuZ9O3h
2C/u78TXZqGWbl1TK6nCDVbQ9XdxrrqFxZfXgPlPzTzKjWy4+UG66NFq5io6OTS/
/H3Gz436rsZSlp3LUDvAlBWrvZJ1YkdTeRntRSPkqJK4mvPbQ9wCNpnzalRpvhLX
n7IVqhWStxxPf336l4kS531myAkh+wsFkt8L3ogAzP7gdjBJNJhNJOLYxlQgjlOy
/wIDAQAB
-----END PUBLIC KEY-----
)";
    PkHandle key;
    ok(mbedtls_pk_parse_public_key(key.get(), reinterpret_cast<const unsigned char*>(pem),
                                   std::string_view(pem).size() + 1));
    std::array<unsigned char, 1024> buffer;
    const int size = mbedtls_pk_write_pubkey_der(key.get(), buffer.data(), buffer.size());
    ok(size);
    return std::string(as_text(ByteView(buffer).last(static_cast<std::size_t>(size))));
}

} // namespace hawser::tls::test
