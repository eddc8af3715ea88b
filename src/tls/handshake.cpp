#include "tls/handshake.h"

#include <algorithm>
#include <cstring>
#include <format>

#include "tls/known_signatures.h"

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

Error no_certificate() {
    return unauthenticated("peer presented no certificate");
}

Error invalid(std::string message) {
    return {.code = ErrorCode::invalid, .message = std::move(message)};
}

// Errors of the parsers of certificates: X.509, ASN.1, keys, object identifiers.
bool is_about_certificate(int code) {
    const int high = -code & 0x7f80;
    const int low = -code & 0x7f;
    return (high >= 0x2000 && high < 0x4000) || (high == 0 && low >= 0x60 && low <= 0x6c);
}

// The peer's message that the handshake was at.
std::string_view awaited(int state) {
    switch (state) {
        case MBEDTLS_SSL_HELLO_REQUEST:
        case MBEDTLS_SSL_CLIENT_HELLO: return "ClientHello";
        case MBEDTLS_SSL_SERVER_HELLO: return "ServerHello";
        case MBEDTLS_SSL_ENCRYPTED_EXTENSIONS: return "EncryptedExtensions";
        case MBEDTLS_SSL_CERTIFICATE_REQUEST: return "CertificateRequest";
        case MBEDTLS_SSL_SERVER_CERTIFICATE:
        case MBEDTLS_SSL_CLIENT_CERTIFICATE: return "Certificate";
        case MBEDTLS_SSL_CERTIFICATE_VERIFY:
        case MBEDTLS_SSL_CLIENT_CERTIFICATE_VERIFY: return "CertificateVerify";
        case MBEDTLS_SSL_CLIENT_FINISHED:
        case MBEDTLS_SSL_SERVER_FINISHED: return "Finished";
        default: return "message";
    }
}

// What mbedTLS says too generally.
std::string violation(int code) {
    switch (code) {
        case MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE: return "another message came";
        case MBEDTLS_ERR_SSL_DECODE_ERROR: return "malformed";
        case MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER:
            return "a part of it is missing, not allowed or contradicts another";
        case MBEDTLS_ERR_SSL_UNSUPPORTED_EXTENSION: return "it answers what was not asked";
        case MBEDTLS_ERR_SSL_BAD_INPUT_DATA: return "a record or message is too long";
        case MBEDTLS_ERR_SSL_INVALID_MAC: return "a record was changed, or is of other keys";
        case MBEDTLS_ERR_SSL_INVALID_RECORD: return "a record is not valid";
        default: return library_error(code);
    }
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
    const std::span<std::uint8_t> room = output_.prepare(bytes.size());
    if (room.size() < bytes.size()) return MBEDTLS_ERR_SSL_WANT_WRITE;
    std::memcpy(room.data(), bytes.data(), bytes.size());
    output_.commit(bytes.size());
    return static_cast<int>(bytes.size());
}

int Handshake::verify(mbedtls_x509_crt& certificate, int depth, std::uint32_t& flags) {
    verification_.see(certificate, depth, flags);
    // Refused in every mode: mbedTLS would let a bad certificate pass where none is required.
    return depth == 0 && verification_.refusal() ? MBEDTLS_ERR_X509_FATAL_ERROR : 0;
}

void Handshake::keep_secret(mbedtls_ssl_key_export_type type, ByteView secret) {
    if (secret.size() > max_hash_bytes) return;
    TrafficSecret kept(secret.size());
    std::ranges::copy(secret, kept.data());
    switch (type) {
        case MBEDTLS_SSL_KEY_EXPORT_TLS1_3_CLIENT_HANDSHAKE_TRAFFIC_SECRET:
            // All that a client sends with these keys is its last flight, and alerts before it.
            if (role_ == Role::client) alert_secret_ = kept;
            alert_mark_ = output_.size();
            break;
        case MBEDTLS_SSL_KEY_EXPORT_TLS1_3_CLIENT_APPLICATION_TRAFFIC_SECRET:
            agreement_.client_secret = kept;
            break;
        case MBEDTLS_SSL_KEY_EXPORT_TLS1_3_SERVER_APPLICATION_TRAFFIC_SECRET:
            agreement_.server_secret = kept;
            break;
        default: break;
    }
}

const CipherSuite* Handshake::suite() const {
    const mbedtls_ssl_context& ssl = *ssl_.get();
    const mbedtls_ssl_session* session = ssl.MBEDTLS_PRIVATE(session_negotiate);
    if (session == nullptr) session = ssl.MBEDTLS_PRIVATE(session);
    return session == nullptr ? nullptr : find_cipher_suite(session->MBEDTLS_PRIVATE(ciphersuite));
}

void Handshake::send_alert(Alert alert) {
    if (alert_secret_.size() == 0 && output_.size() == alert_mark_) {
        // Before there are keys. mbedTLS has its own word for most reasons, but not for all.
        const std::uint8_t record[] = {
            MBEDTLS_SSL_MSG_ALERT,           3, 3, 0, 2, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
            static_cast<std::uint8_t>(alert)};
        (void)send(record);
        return;
    }
    const CipherSuite* agreed = suite();
    if (agreed == nullptr || alert_secret_.size() != agreed->hash_bytes) return;
    output_.truncate(alert_mark_);
    RecordWriter(*agreed, alert_secret_).alert(alert, output_);
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
    // A server whose Finished is sent has these keys and, until the client's, nothing to say.
    if (role_ == Role::server) alert_secret_ = agreement_.server_secret;
    alert_mark_ = output_.size();
    const int code = advance();
    if (code == MBEDTLS_ERR_SSL_WANT_READ) return false;
    if (code != 0) {
        Failure failed = failure(code);
        if (failed.alert) send_alert(*failed.alert);
        return fail(std::move(failed.error));
    }
    if (auto done = finish(); !done) return fail(std::move(done.error()));
    return true;
}

int Handshake::advance() {
    const int certificate =
        role_ == Role::client ? MBEDTLS_SSL_SERVER_CERTIFICATE : MBEDTLS_SSL_CLIENT_CERTIFICATE;
    int code = 0;
    while (code == 0 && mbedtls_ssl_is_handshake_over(ssl_.get()) == 0) {
        std::optional<CertificateSignatures> signatures;
        if (ssl_->MBEDTLS_PRIVATE(state) == certificate) signatures.emplace();
        code = mbedtls_ssl_handshake_step(ssl_.get());
        if (signatures && verification_.peer()) signatures->remember();
    }
    return code;
}

// Believes nothing that PeerVerification has not decided.
Result<void> Handshake::finish() {
    const bool none_sent = mbedtls_ssl_get_peer_cert(ssl_.get()) == nullptr;
    const bool none_needed = role_ == Role::server && none_sent &&
                             credentials_->options().client_auth == ClientAuth::optional;
    agreement_.peer = std::move(verification_.peer());
    if (!agreement_.peer && !none_needed) return fail(no_certificate());
    agreement_.suite = suite();
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

Handshake::Failure Handshake::alert_failure() const {
    const mbedtls_ssl_context& ssl = *ssl_.get();
    // Also mbedTLS's code for a server without certificate, when no alert was received.
    if (ssl.MBEDTLS_PRIVATE(in_msgtype) != MBEDTLS_SSL_MSG_ALERT ||
        ssl.MBEDTLS_PRIVATE(in_msglen) != 2)
        return {no_certificate(), Alert::certificate_required};
    const std::uint8_t alert = ssl.MBEDTLS_PRIVATE(in_msg)[1];
    return {unauthenticated("the peer refused: " + alert_text(alert)), std::nullopt};
}

// mbedTLS has one code for nothing in common, and for a proof that does not hold.
Handshake::Failure Handshake::disagreement() const {
    const std::string_view at = awaited(ssl_->MBEDTLS_PRIVATE(state));
    if (at == "CertificateVerify")
        return {unauthenticated("peer certificate: the peer has not proved to have its key"),
                Alert::decrypt_error};
    if (at == "Finished")
        return {unauthenticated("the peer's Finished is of another handshake"),
                Alert::decrypt_error};
    return {invalid("no cipher, group or signature in common with the peer"),
            Alert::handshake_failure};
}

Handshake::Failure Handshake::failure(int code) const {
    if (const auto& refusal = verification_.refusal())
        return {unauthenticated("peer certificate: " + refusal->reason), refusal->alert};
    switch (code) {
        case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
            return {no_certificate(), Alert::certificate_required};
        case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE: return alert_failure();
        case MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION:
            return {invalid("the peer does not speak TLS 1.3"), Alert::protocol_version};
        case MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL:
            return {invalid("no application protocol (ALPN) in common with the peer"),
                    Alert::no_application_protocol};
        case MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE: return disagreement();
        case MBEDTLS_ERR_SSL_CONN_EOF:
        case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
            return {{.code = ErrorCode::unavailable,
                     .message = "the peer closed the connection during the TLS handshake"},
                    std::nullopt};
        case MBEDTLS_ERR_X509_FATAL_ERROR:
            return {unauthenticated("peer certificate: its chain is too long"),
                    Alert::bad_certificate};
        default: break;
    }
    if (is_about_certificate(code))
        return {unauthenticated("peer certificate: malformed: " + library_error(code)),
                Alert::bad_certificate};
    const int state = ssl_->MBEDTLS_PRIVATE(state);
    // A server takes the client's share when it makes its own.
    if (role_ == Role::server && state == MBEDTLS_SSL_SERVER_HELLO)
        return {invalid("TLS handshake: ClientHello: its key share is not valid"),
                Alert::illegal_parameter};
    return {{.code = ErrorCode::corrupt,
             .message = std::format("TLS handshake: {}: {}", awaited(state), violation(code))},
            code == MBEDTLS_ERR_SSL_INVALID_MAC ? Alert::bad_record_mac : Alert::decode_error};
}

} // namespace hawser::tls
