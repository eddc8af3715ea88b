#include "tls/credentials.h"

#include <format>
#include <ranges>

#include "base/limits.h"
#include "tls/loaded_credentials.h"
#include "tls/peer_verification.h"
#include "tls/x509.h"

namespace hawser::tls {
namespace {

constexpr int cipher_suites[] = {MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
                                 MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
                                 MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256, 0};
// P-256 is the faster one here, and mbedTLS offers a share of the first only.
constexpr std::uint16_t groups[] = {MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
                                    MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
                                    MBEDTLS_SSL_IANA_TLS_GROUP_NONE};
constexpr std::uint16_t signatures[] = {MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256,
                                        MBEDTLS_TLS1_3_SIG_NONE};

Result<void> parse(const std::string& der, CrtHandle& into) {
    if (der.size() > limits::certificate_bytes)
        return fail(ErrorCode::invalid, "certificate is too large");
    const ByteView bytes = as_bytes(der);
    const int error = mbedtls_x509_crt_parse_der(into.get(), bytes.data(), bytes.size());
    if (error != 0) return fail(ErrorCode::invalid, library_error(error));
    return {};
}

} // namespace

Result<CredentialsPtr> Credentials::load(CredentialsOptions options) {
    initialise_library();
    // Who joins knows the root's pin only: its trust domain is told by the server's certificate.
    const bool joining = options.root_pin && options.trust_domain.empty();
    if (auto valid = model::check_trust_domain(options.trust_domain); !valid && !joining)
        return fail(std::move(valid.error()));
    std::optional<KeyPair> own = std::move(options.own);
    options.own.reset();
    auto loaded = std::shared_ptr<Credentials>(new Credentials(std::move(options)));
    if (auto done = loaded->load_trust(); !done) return fail(std::move(done.error()));
    if (own)
        if (auto done = loaded->load_own(*std::move(own)); !done)
            return fail(std::move(done.error()), "own certificate");
    for (const std::string& name : loaded->options_.alpn) loaded->alpn_.push_back(name.c_str());
    loaded->alpn_.push_back(nullptr);
    if (auto done = loaded->configure(*loaded->client_.get(), Role::client); !done)
        return fail(std::move(done.error()));
    if (auto done = loaded->configure(*loaded->server_.get(), Role::server); !done)
        return fail(std::move(done.error()));
    return loaded;
}

Result<void> Credentials::load_trust() {
    if (options_.root_pin) {
        if (options_.root_pin->size() != 32)
            return fail(ErrorCode::invalid, "the root's pin is not 32 bytes");
        if (!options_.trust.roots.empty())
            return fail(ErrorCode::invalid, "a root's pin is for when no root is known");
        return {};
    }
    if (options_.trust.roots.empty())
        return fail(ErrorCode::invalid, "no root certificate to trust");
    for (const std::string& der : options_.trust.roots)
        if (auto done = parse(der, trusted_); !done)
            return fail(std::move(done.error()), "trusted root");
    for (const mbedtls_x509_crt* root = trusted_.get(); root != nullptr; root = root->next)
        if (root->MBEDTLS_PRIVATE(ca_istrue) == 0)
            return fail(ErrorCode::invalid, "trusted root: not the certificate of an authority");
    // In a chain the one nearest to the root comes last.
    for (const std::string& der : options_.trust.intermediates | std::views::reverse)
        if (auto done = load_intermediate(der); !done)
            return fail(std::move(done.error()), "intermediate certificate");
    return {};
}

Result<void> Credentials::load_intermediate(const std::string& der) {
    CrtHandle certificate;
    if (auto done = parse(der, certificate); !done) return done;
    if (certificate->MBEDTLS_PRIVATE(ca_istrue) == 0)
        return fail(ErrorCode::invalid, "not the certificate of an authority");
    std::uint32_t flags = 0;
    mbedtls_x509_crt_verify_with_profile(certificate.get(), trusted_.get(), nullptr,
                                         &certificate_profile, nullptr, &flags, nullptr, nullptr);
    // One out of its time is no error, but of no use either: the peer sends a newer one.
    constexpr std::uint32_t time = MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE;
    if ((flags & ~time) != 0) return fail(ErrorCode::invalid, "no trusted root has signed it");
    if (flags != 0) return {};
    return parse(der, trusted_);
}

Result<void> Credentials::load_own(KeyPair own) {
    auto chain = chain_from_pem(own.chain_pem);
    if (!chain) return fail(std::move(chain.error()));
    for (const std::string& der : *chain)
        if (auto done = parse(der, chain_); !done) return done;
    if (auto done = parse_private_key(own.key_pem, key_.get()); !done) return done;
    if (mbedtls_pk_check_pair(&chain_->pk, key_.get(), random_bytes, nullptr) != 0)
        return fail(ErrorCode::invalid, "the private key is of another certificate");
    for (const Role role : {Role::client, Role::server})
        if (auto refusal = check_leaf_usage(*chain_.get(), role))
            return fail(ErrorCode::invalid, refusal->reason);
    auto identity = leaf_identity(*chain_.get());
    if (!identity) return fail(ErrorCode::invalid, identity.error().reason);
    if (identity->trust_domain != options_.trust_domain)
        return fail(ErrorCode::invalid, std::format("{} is not of trust domain {}",
                                                    identity->to_uri(), options_.trust_domain));
    identity_ = *std::move(identity);
    expires_at_ = to_wall_time(chain_->valid_to);
    return {};
}

Result<void> Credentials::configure(mbedtls_ssl_config& config, Role role) {
    const bool client = role == Role::client;
    int error =
        mbedtls_ssl_config_defaults(&config, client ? MBEDTLS_SSL_IS_CLIENT : MBEDTLS_SSL_IS_SERVER,
                                    MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    if (error != 0) return fail(ErrorCode::internal, library_error(error));
    mbedtls_ssl_conf_min_tls_version(&config, MBEDTLS_SSL_VERSION_TLS1_3);
    mbedtls_ssl_conf_max_tls_version(&config, MBEDTLS_SSL_VERSION_TLS1_3);
    mbedtls_ssl_conf_tls13_key_exchange_modes(&config,
                                              MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL);
    mbedtls_ssl_conf_ciphersuites(&config, cipher_suites);
    mbedtls_ssl_conf_groups(&config, groups);
    mbedtls_ssl_conf_sig_algs(&config, signatures);
    mbedtls_ssl_conf_cert_profile(&config, &certificate_profile);
    mbedtls_ssl_conf_rng(&config, random_bytes, nullptr);
    // Optional lets mbedTLS go on without a certificate, or without a known root; one that is
    // there is decided on by PeerVerification in any mode.
    const bool optional =
        client ? options_.root_pin.has_value() : options_.client_auth == ClientAuth::optional;
    mbedtls_ssl_conf_authmode(&config,
                              optional ? MBEDTLS_SSL_VERIFY_OPTIONAL : MBEDTLS_SSL_VERIFY_REQUIRED);
    if (!options_.trust.roots.empty()) mbedtls_ssl_conf_ca_chain(&config, trusted_.get(), nullptr);
    if (has_certificate()) error = mbedtls_ssl_conf_own_cert(&config, chain_.get(), key_.get());
    if (error != 0) return fail(ErrorCode::internal, library_error(error));
    if (alpn_.size() > 1) error = mbedtls_ssl_conf_alpn_protocols(&config, alpn_.data());
    if (error != 0) return fail(ErrorCode::invalid, "ALPN: " + library_error(error));
    return {};
}

Result<CredentialsPtr> make_credentials(CredentialsOptions options) {
    return Credentials::load(std::move(options));
}

const std::optional<model::Identity>& own_identity(const Credentials& credentials) {
    return credentials.identity();
}

WallTime expires_at(const Credentials& credentials) {
    return credentials.expires_at();
}

} // namespace hawser::tls
