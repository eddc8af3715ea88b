#include "tls/handshake.h"

#include <algorithm>
#include <cstring>
#include <format>

namespace hawser::tls {
namespace {

PeerRequirements requirements_of(const Credentials& credentials, Role role,
                                 std::optional<model::Identity> expected) {
    const CredentialsOptions& options = credentials.options();
    return {
        .trust_domain = options.trust_domain,
        .peer_role = role == Role::client ? Role::server : Role::client,
        .identity = std::move(expected),
        .root_pin = options.root_pin,
    };
}

Error unauthenticated(std::string message) {
    return {.code = ErrorCode::unauthenticated, .message = std::move(message)};
}

// Errors of the parsers of certificates: X.509, ASN.1, keys, object identifiers.
bool is_about_certificate(int code) {
    const int high = -code & 0x7f80;
    const int low = -code & 0x7f;
    return (high >= 0x2000 && high < 0x4000) || (high == 0 && low >= 0x60 && low <= 0x6c);
}

} // namespace

Handshake::Handshake(CredentialsPtr credentials, Role role, std::optional<model::Identity> expected,
                     LinearBuffer& input, LinearBuffer& output)
    : credentials_(std::move(credentials)),
      role_(role),
      input_(input),
      output_(output),
      verification_(requirements_of(*credentials_, role, std::move(expected))) {}

Result<void> Handshake::start() {
    int error = mbedtls_ssl_setup(ssl_.get(), credentials_->configuration(role_));
    // No host name: whom the certificate must name is decided by PeerVerification.
    if (error == 0) error = mbedtls_ssl_set_hostname(ssl_.get(), nullptr);
    if (error != 0) return fail(ErrorCode::internal, library_error(error));

    mbedtls_ssl_set_verify(
        ssl_.get(),
        [](void* self, mbedtls_x509_crt* certificate, int depth, std::uint32_t* flags) {
            return static_cast<Handshake*>(self)->verify(*certificate, depth, *flags);
        },
        this);
    mbedtls_ssl_set_export_keys_cb(
        ssl_.get(),
        [](void* self, mbedtls_ssl_key_export_type type, const unsigned char* secret,
           std::size_t size, const unsigned char*, const unsigned char*, mbedtls_tls_prf_types) {
            static_cast<Handshake*>(self)->keep_secret(type, {secret, size});
        },
        this);
    mbedtls_ssl_set_bio(
        ssl_.get(), this,
        [](void* self, const unsigned char* bytes, std::size_t count) {
            return static_cast<Handshake*>(self)->send({bytes, count});
        },
        [](void* self, unsigned char* into, std::size_t count) {
            return static_cast<Handshake*>(self)->receive({into, count});
        },
        nullptr);
    return {};
}

// mbedTLS asks for a record's header and then for exactly its body, so what follows the last
// record of the handshake stays in the input, for the RecordReader.
int Handshake::receive(std::span<std::uint8_t> into) {
    if (input_.empty()) return input_ended_ ? 0 : MBEDTLS_ERR_SSL_WANT_READ; // 0 becomes CONN_EOF
    const std::size_t count = std::min(into.size(), input_.size());
    std::memcpy(into.data(), input_.view().data(), count);
    input_.consume(count);
    return static_cast<int>(count);
}

int Handshake::send(ByteView bytes) {
    if (muted_) return static_cast<int>(bytes.size());
    const std::span<std::uint8_t> room = output_.prepare(bytes.size());
    if (room.size() < bytes.size()) return MBEDTLS_ERR_SSL_WANT_WRITE;
    std::memcpy(room.data(), bytes.data(), bytes.size());
    output_.commit(bytes.size());
    return static_cast<int>(bytes.size());
}

int Handshake::verify(mbedtls_x509_crt& certificate, int depth, std::uint32_t& flags) {
    verification_.see(certificate, depth, flags);
    if (depth > 0 || !verification_.refusal()) return 0;
    // Refused in every mode: mbedTLS would let a bad certificate pass where none is required.
    mbedtls_ssl_send_alert_message(ssl_.get(), MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                   static_cast<unsigned char>(verification_.refusal()->alert));
    muted_ = true;
    return MBEDTLS_ERR_X509_FATAL_ERROR;
}

void Handshake::keep_secret(mbedtls_ssl_key_export_type type, ByteView secret) {
    const bool client = type == MBEDTLS_SSL_KEY_EXPORT_TLS1_3_CLIENT_APPLICATION_TRAFFIC_SECRET;
    const bool server = type == MBEDTLS_SSL_KEY_EXPORT_TLS1_3_SERVER_APPLICATION_TRAFFIC_SECRET;
    if ((!client && !server) || secret.size() > max_hash_bytes) return;
    TrafficSecret& kept = client ? agreement_.client_secret : agreement_.server_secret;
    kept = TrafficSecret(secret.size());
    std::ranges::copy(secret, kept.data());
}

Result<bool> Handshake::step(bool input_ended) {
    input_ended_ = input_ended;
    if (!first_byte_seen_ && !input_.empty()) {
        first_byte_seen_ = true;
        // A server's first record may be an alert.
        const std::uint8_t first = input_.view()[0];
        const bool tls = first == MBEDTLS_SSL_MSG_HANDSHAKE ||
                         (role_ == Role::client && first == MBEDTLS_SSL_MSG_ALERT);
        if (!tls) return fail(ErrorCode::invalid, "not TLS: the peer sent plaintext");
    }
    const int code = mbedtls_ssl_handshake(ssl_.get());
    if (code == MBEDTLS_ERR_SSL_WANT_READ) return false;
    if (code != 0) return fail(failure(code));
    if (auto done = finish(); !done) return fail(std::move(done.error()));
    return true;
}

// Believes nothing that PeerVerification has not decided.
Result<void> Handshake::finish() {
    const bool none_sent = mbedtls_ssl_get_peer_cert(ssl_.get()) == nullptr;
    const bool none_needed = role_ == Role::server && none_sent &&
                             credentials_->options().client_auth == ClientAuth::optional;
    agreement_.peer = std::move(verification_.peer());
    if (!agreement_.peer && !none_needed)
        return fail(unauthenticated("peer presented no certificate"));
    agreement_.suite = find_cipher_suite(mbedtls_ssl_get_ciphersuite_id_from_ssl(ssl_.get()));
    const bool version = mbedtls_ssl_get_version_number(ssl_.get()) == MBEDTLS_SSL_VERSION_TLS1_3;
    if (!version || agreement_.suite == nullptr ||
        agreement_.client_secret.size() != agreement_.suite->hash_bytes ||
        agreement_.server_secret.size() != agreement_.suite->hash_bytes)
        return fail(ErrorCode::internal, "TLS handshake ended without keys");
    if (mbedtls_ssl_check_pending(ssl_.get()) != 0)
        return fail(ErrorCode::corrupt, "TLS handshake record with more than the handshake");
    if (const char* alpn = mbedtls_ssl_get_alpn_protocol(ssl_.get()); alpn != nullptr)
        agreement_.alpn = alpn;
    return {};
}

Error Handshake::alert_failure() const {
    const mbedtls_ssl_context& ssl = *ssl_.get();
    // Also mbedTLS's code for a server without certificate, when no alert was received.
    if (ssl.MBEDTLS_PRIVATE(in_msgtype) != MBEDTLS_SSL_MSG_ALERT ||
        ssl.MBEDTLS_PRIVATE(in_msglen) != 2)
        return unauthenticated("peer presented no certificate");
    const std::uint8_t alert = ssl.MBEDTLS_PRIVATE(in_msg)[1];
    return unauthenticated("the peer refused: " + alert_text(alert));
}

Error Handshake::failure(int code) const {
    if (const auto& refusal = verification_.refusal())
        return unauthenticated("peer certificate: " + refusal->reason);
    switch (code) {
        case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
            return unauthenticated("peer presented no certificate");
        case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE: return alert_failure();
        case MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION:
            return {.code = ErrorCode::invalid, .message = "the peer does not speak TLS 1.3"};
        case MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL:
            return {.code = ErrorCode::invalid,
                    .message = "no application protocol (ALPN) in common with the peer"};
        case MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE:
            return {.code = ErrorCode::invalid,
                    .message = "no cipher, group or signature in common with the peer"};
        case MBEDTLS_ERR_SSL_CONN_EOF:
        case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
            return {.code = ErrorCode::unavailable,
                    .message = "the peer closed the connection during the TLS handshake"};
        default: break;
    }
    if (code == MBEDTLS_ERR_X509_FATAL_ERROR)
        return unauthenticated("peer certificate: its chain is too long");
    if (is_about_certificate(code))
        return unauthenticated("peer certificate: malformed: " + library_error(code));
    return {.code = ErrorCode::corrupt, .message = "TLS handshake: " + library_error(code)};
}

} // namespace hawser::tls
