// Two ends of a connection in memory: a Session, or a peer that is nothing but mbedTLS, shows any
// certificate and believes any.
#pragma once

#include <mbedtls/ssl.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "tls/session.h"
#include "tls/test_pki.h"

namespace hawser::tls::test {

class Peer {
  public:
    virtual ~Peer() = default;
    virtual Result<bool> handshake() = 0;
    virtual void receive(std::string_view bytes) = 0;
    virtual std::string take_output() = 0;
};

class SessionPeer : public Peer {
  public:
    SessionPeer(CredentialsPtr credentials, Role role, std::optional<model::Identity> expected = {})
        : session(value_of(Session::create(std::move(credentials), role, std::move(expected)))) {}

    Result<bool> handshake() override { return session->handshake(); }
    void receive(std::string_view bytes) override;
    std::string take_output() override;
    // All that can be read now.
    Result<std::string> read();
    // Takes in and reads in turns, as a stream larger than the session's buffer must be.
    std::string read_all(std::string_view ciphertext);

    std::unique_ptr<Session> session;
    bool closed = false; // a read has said so
};

struct RawOptions {
    Role role = Role::client;
    std::optional<Chain> chain;
    std::vector<int> suites;
    std::vector<std::uint16_t> groups;
    std::vector<std::string> alpn;
};

class RawPeer : public Peer {
  public:
    explicit RawPeer(RawOptions options);

    Result<bool> handshake() override;
    void receive(std::string_view bytes) override { input_ += bytes; }
    std::string take_output() override { return std::exchange(output_, {}); }
    void write(std::string_view text);
    std::string read(); // all there is
    void close();
    [[nodiscard]] int last_error() const { return last_error_; }

  private:
    RawOptions options_;
    CrtHandle chain_;
    PkHandle key_;
    std::vector<const char*> alpn_;
    Handle<mbedtls_ssl_config, mbedtls_ssl_config_init, mbedtls_ssl_config_free> config_;
    Handle<mbedtls_ssl_context, mbedtls_ssl_init, mbedtls_ssl_free> ssl_;
    std::string input_, output_;
    int last_error_ = 0;
};

struct HandshakeResult {
    Result<bool> a, b;
};
// Until both are done or failed, or neither has anything more to say.
HandshakeResult shake(Peer& a, Peer& b);
// Moves what each has to send.
void exchange(Peer& a, Peer& b);

} // namespace hawser::tls::test
