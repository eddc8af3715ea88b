// The records of an established TLS 1.3 connection (RFC 8446 §5): what mbedTLS has agreed in the
// handshake, carried out here. mbedTLS's own record layer keeps 33 KiB for each session, copies
// twice and knows no KeyUpdate; this one works in the session's buffers and holds only its keys.
// One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "tls/buffers.h"
#include "tls/traffic_keys.h"

namespace hawser::tls {

inline constexpr std::size_t record_plaintext = 16 << 10;
inline constexpr std::size_t record_header = 5;
inline constexpr std::size_t record_overhead = record_header + 1 + tag_bytes;

enum class ContentType : std::uint8_t {
    change_cipher_spec = 20,
    alert = 21,
    handshake = 22,
    application_data = 23,
};

// RFC 8446 §6.
enum class Alert : std::uint8_t {
    close_notify = 0,
    unexpected_message = 10,
    bad_record_mac = 20,
    record_overflow = 22,
    handshake_failure = 40,
    bad_certificate = 42,
    unsupported_certificate = 43,
    certificate_expired = 45,
    certificate_unknown = 46,
    illegal_parameter = 47,
    unknown_ca = 48,
    access_denied = 49,
    decode_error = 50,
    decrypt_error = 51,
    protocol_version = 70,
    user_canceled = 90,
    certificate_required = 116,
    no_application_protocol = 120,
};
// "certificate expired", "unknown authority" …; "alert 200" for one we don't know.
[[nodiscard]] std::string alert_text(std::uint8_t alert);

// Bytes that `plaintext` bytes become.
[[nodiscard]] constexpr std::size_t sealed_size(std::size_t plaintext) {
    return plaintext + (plaintext + record_plaintext - 1) / record_plaintext * record_overhead;
}

class RecordWriter {
  public:
    RecordWriter(const CipherSuite& suite, const TrafficSecret& secret) : keys_(suite, secret) {}

    // Fails, with nothing added, if the output would exceed its bound.
    [[nodiscard]] Result<void> write(ByteView plaintext, LinearBuffer& output);
    void alert(Alert alert, LinearBuffer& output);
    // The peer asked for new keys; they are used from the next write on.
    void request_update() { update_due_ = true; }

  private:
    [[nodiscard]] bool seal(ContentType type, ByteView plaintext, LinearBuffer& output);
    [[nodiscard]] bool update_keys(LinearBuffer& output);

    TrafficKeys keys_;
    bool update_due_ = false;
};

class RecordReader {
  public:
    RecordReader(const CipherSuite& suite, const TrafficSecret& secret) : keys_(suite, secret) {}

    enum class Event : std::uint8_t {
        data,        // `count` bytes were written
        need_more,   // no whole record is there
        closed,      // close_notify
        key_request, // the peer wants our next keys; go on reading
    };
    struct Outcome {
        Event event = Event::need_more;
        std::size_t count = 0;
    };
    struct Failure {
        std::optional<Alert> alert; // to send; none when the peer itself has sent one
        Error error;
    };
    // Takes the next record from the input, or what is left of the one before.
    [[nodiscard]] std::expected<Outcome, Failure> next(LinearBuffer& input,
                                                       std::span<std::uint8_t> plaintext);

  private:
    struct Opened {
        ContentType type;
        std::span<std::uint8_t> content;
        std::size_t size; // of the whole record
    };
    [[nodiscard]] std::expected<std::optional<Opened>, Failure> open(LinearBuffer& input);
    [[nodiscard]] std::expected<Outcome, Failure> accept(const Opened& record, LinearBuffer& input,
                                                         std::span<std::uint8_t> plaintext);
    [[nodiscard]] std::expected<Outcome, Failure> deliver(LinearBuffer& input,
                                                          std::span<std::uint8_t> plaintext);
    [[nodiscard]] std::expected<Outcome, Failure> accept_handshake(ByteView content);

    TrafficKeys keys_;
    // A record that is open but not yet read to its end, at the front of the input.
    std::size_t open_size_ = 0, content_begin_ = 0, content_end_ = 0;
    // A post-handshake message that spans records.
    std::array<std::uint8_t, 5> message_{};
    std::size_t message_held_ = 0, message_skip_ = 0;
    int without_data_ = 0; // records in a row that carried none
};

} // namespace hawser::tls
