// The handshake of one connection, by mbedTLS. It exists until both sides are agreed and then
// hands over what the records need; its 33 KiB of buffers go with it. One thread at a time.
#pragma once

#include <mbedtls/ssl.h>

#include <memory>
#include <optional>
#include <string>

#include "tls/buffers.h"
#include "tls/loaded_credentials.h"
#include "tls/peer_verification.h"
#include "tls/records.h"

namespace hawser::tls {

// What the two sides have agreed on.
struct Agreement {
    const CipherSuite* suite = nullptr;
    TrafficSecret client_secret, server_secret;
    std::string alpn;
    std::optional<PeerCertificate> peer;
};

class Handshake {
  public:
    // The buffers are the session's and outlive the handshake.
    Handshake(CredentialsPtr credentials, Role role, std::optional<model::Identity> expected,
              LinearBuffer& input, LinearBuffer& output);
    Handshake(const Handshake&) = delete;
    Handshake& operator=(const Handshake&) = delete;

    [[nodiscard]] Result<void> start();
    // Goes on as far as the input allows. true: done, and agreement() can be taken.
    [[nodiscard]] Result<bool> step(bool input_ended);
    [[nodiscard]] Agreement& agreement() { return agreement_; }

  private:
    using Context = Handle<mbedtls_ssl_context, mbedtls_ssl_init, mbedtls_ssl_free>;

    int receive(std::span<std::uint8_t> into);
    int send(ByteView bytes);
    int verify(mbedtls_x509_crt& certificate, int depth, std::uint32_t& flags);
    void keep_secret(mbedtls_ssl_key_export_type type, ByteView secret);
    [[nodiscard]] int advance(); // mbedTLS's code
    [[nodiscard]] Result<void> finish();
    struct Failure {
        Error error;
        std::optional<Alert> alert; // to tell the peer; none if the peer told us, or is gone
    };
    [[nodiscard]] Failure failure(int code) const;
    [[nodiscard]] Failure alert_failure() const;
    [[nodiscard]] Failure disagreement() const;
    void send_alert(Alert alert);
    [[nodiscard]] const CipherSuite* suite() const;

    CredentialsPtr credentials_;
    Role role_;
    LinearBuffer& input_;
    LinearBuffer& output_;
    PeerVerification verification_;
    Context ssl_;
    Agreement agreement_;
    bool input_ended_ = false;
    bool first_byte_seen_ = false;
    // Alerts are ours to send once their keys are known, and replace what mbedTLS has put in the
    // output behind the mark: it sends them in plaintext, or with keys that are no longer used.
    TrafficSecret alert_secret_;
    std::size_t alert_mark_ = 0;
};

} // namespace hawser::tls
