// One TLS 1.3 connection as a transformer of bytes: ciphertext in, plaintext out, and back. No
// sockets and no waiting, so that the same code serves every loop and is tested in memory.
//
// A session whose handshake is done has a verified peer certificate, or it was made with
// ClientAuth::optional and the client sent none: peer() is then empty. Anything else fails the
// handshake. No tickets, no resumption, no renegotiation, no early data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/units.h"
#include "tls/credentials.h"

namespace hawser::tls {

enum class Role { client, server };

struct PeerCertificate {
    model::Identity identity; // its one URI SAN
    WallTime not_after = 0;
    std::string serial;                 // hex
    std::string sha256;                 // of its DER, 32 bytes
    std::vector<std::string> chain_der; // as sent, leaf first
};

class Session {
  public:
    // `expected`: a client that knows whom it dials passes the identity; any other is refused.
    static Result<std::unique_ptr<Session>> create(CredentialsPtr credentials, Role role,
                                                   std::optional<model::Identity> expected = {});
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // Where the next ciphertext from the peer goes: at least `minimum` writable bytes. After
    // filling n of them call received(n). Avoids a copy; the space is bounded and reused. It is
    // less than `minimum` only when so much waits unread that 64 KiB would be exceeded: read()
    // first. Call it when bytes are there to be taken: it makes the session hold its buffer, and
    // an idle session should hold none (received(0) gives an unused one back).
    [[nodiscard]] std::span<std::uint8_t> receive_buffer(std::size_t minimum);
    void received(std::size_t count);
    // The peer closed its side of the connection. A read then ends with `closed` or, if no
    // close_notify came before, fails as truncated.
    void received_end();

    // Goes on with the handshake as far as the received bytes allow. true: done.
    // The output may hold bytes to send also when it fails (the alert).
    [[nodiscard]] Result<bool> handshake();

    struct ReadResult {
        std::size_t count = 0; // plaintext bytes written to the buffer
        bool closed = false;   // close_notify received: no more will come
    };
    // count = 0 and not closed: needs more ciphertext.
    [[nodiscard]] Result<ReadResult> read(std::span<std::uint8_t> plaintext);

    // Encrypts all of it, in records of at most 16 KiB, to the output. Fails, with nothing added,
    // when the output would hold more than twice limits::session_send_buffer.
    [[nodiscard]] Result<void> write(ByteView plaintext);
    void close_notify(); // adds the alert to the output

    // Ciphertext that waits to be sent, contiguous; consume what the kernel took.
    [[nodiscard]] ByteView output() const;
    void consume_output(std::size_t count);

    [[nodiscard]] const std::optional<PeerCertificate>& peer() const;
    [[nodiscard]] std::string alpn() const; // "" if none was agreed
    [[nodiscard]] std::string cipher() const;

  private:
    struct Impl;
    explicit Session(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace hawser::tls
