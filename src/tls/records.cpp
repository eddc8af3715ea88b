#include "tls/records.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <format>

#include "base/check.h"

namespace hawser::tls {
namespace {

// AES-GCM's limit for one key is 2^24.5 full records (RFC 8446 §5.5).
constexpr std::uint64_t records_per_key = 1 << 24;
// Empty records, tickets and key updates cost us work and carry nothing.
constexpr int max_without_data = 32;

constexpr std::uint8_t new_session_ticket = 4;
constexpr std::uint8_t key_update = 24;
constexpr std::size_t message_header = 4;

std::unexpected<RecordReader::Failure> broken(Alert alert, std::string message) {
    return std::unexpected(RecordReader::Failure{
        .alert = alert, .error = {.code = ErrorCode::corrupt, .message = std::move(message)}});
}

bool is_about_certificate(std::uint8_t alert) {
    return (alert >= 41 && alert <= 49) || alert == 116;
}

} // namespace

std::string alert_text(std::uint8_t alert) {
    switch (alert) {
        case 0: return "close notify";
        case 10: return "unexpected message";
        case 20: return "bad record MAC";
        case 22: return "record overflow";
        case 40: return "no common parameters";
        case 41: return "no certificate";
        case 42: return "bad certificate";
        case 43: return "unsupported certificate";
        case 44: return "certificate revoked";
        case 45: return "certificate expired";
        case 46: return "certificate not acceptable";
        case 47: return "illegal parameter";
        case 48: return "certificate of an unknown authority";
        case 49: return "access denied";
        case 50: return "decode error";
        case 51: return "decrypt error";
        case 70: return "protocol version";
        case 71: return "insufficient security";
        case 80: return "internal error";
        case 90: return "user canceled";
        case 109: return "missing extension";
        case 110: return "unsupported extension";
        case 112: return "unrecognized name";
        case 116: return "certificate required";
        case 120: return "no common application protocol";
        default: return std::format("alert {}", alert);
    }
}

// --- writing -------------------------------------------------------------------------------------

bool RecordWriter::seal(ContentType type, ByteView plaintext, LinearBuffer& output) {
    const std::size_t size = plaintext.size() + record_overhead;
    const std::span<std::uint8_t> room = output.prepare(size);
    if (room.size() < size) return false;
    const std::size_t body = size - record_header;
    const std::array<std::uint8_t, record_header> header = {
        static_cast<std::uint8_t>(ContentType::application_data), 3, 3,
        static_cast<std::uint8_t>(body >> 8), static_cast<std::uint8_t>(body & 0xff)};
    std::uint8_t* at = std::ranges::copy(header, room.data()).out;
    if (!plaintext.empty()) std::memcpy(at, plaintext.data(), plaintext.size());
    at[plaintext.size()] = static_cast<std::uint8_t>(type);
    keys_.seal(header, at, plaintext.size() + 1);
    output.commit(size);
    return true;
}

bool RecordWriter::update_keys(LinearBuffer& output) {
    constexpr std::uint8_t message[] = {key_update, 0, 0, 1, 0}; // update_not_requested
    if (!seal(ContentType::handshake, message, output)) return false;
    keys_.update();
    update_due_ = false;
    return true;
}

Result<void> RecordWriter::write(ByteView plaintext, LinearBuffer& output) {
    constexpr std::size_t update_size = message_header + 1 + record_overhead;
    const std::size_t size = sealed_size(plaintext.size()) + update_size;
    if (plaintext.size() > output.available() || size > output.available())
        return fail(ErrorCode::resource_exhausted,
                    std::format("{} bytes wait to be sent, no room for {} more", output.size(),
                                plaintext.size()));
    output.prepare(size);
    while (!plaintext.empty()) {
        if (update_due_ || keys_.records() >= records_per_key) HAWSER_CHECK(update_keys(output));
        const ByteView part = plaintext.first(std::min(plaintext.size(), record_plaintext));
        HAWSER_CHECK(seal(ContentType::application_data, part, output));
        plaintext = plaintext.subspan(part.size());
    }
    return {};
}

void RecordWriter::alert(Alert alert, LinearBuffer& output) {
    const bool warning = alert == Alert::close_notify || alert == Alert::user_canceled;
    const std::uint8_t message[] = {static_cast<std::uint8_t>(warning ? 1 : 2),
                                    static_cast<std::uint8_t>(alert)};
    // A peer that reads nothing does not miss it.
    (void)seal(ContentType::alert, message, output);
}

// --- reading -------------------------------------------------------------------------------------

auto RecordReader::next(LinearBuffer& input, std::span<std::uint8_t> plaintext)
    -> std::expected<Outcome, Failure> {
    if (open_size_ > 0) return deliver(input, plaintext);
    auto record = open(input);
    if (!record) return std::unexpected(std::move(record.error()));
    if (!*record) return Outcome{.event = Event::need_more};
    return accept(**record, input, plaintext);
}

// Decrypts the record at the front of the input, if it is there as a whole, where it lies.
auto RecordReader::open(LinearBuffer& input) -> std::expected<std::optional<Opened>, Failure> {
    const std::span<std::uint8_t> bytes = input.bytes();
    if (bytes.size() < record_header) return std::nullopt;
    // change_cipher_spec is only for the handshake, and all else is disguised as data (§5.1).
    if (bytes[0] != static_cast<std::uint8_t>(ContentType::application_data) || bytes[1] != 3)
        return broken(Alert::unexpected_message, "unexpected kind of TLS record");
    const std::size_t body = static_cast<std::size_t>(bytes[3]) << 8 | bytes[4];
    if (body > record_plaintext + 256) return broken(Alert::record_overflow, "TLS record too long");
    if (body < 1 + tag_bytes) return broken(Alert::bad_record_mac, "TLS record too short");
    if (bytes.size() < record_header + body) return std::nullopt;

    const std::span<std::uint8_t> content = bytes.subspan(record_header, body);
    if (!keys_.open(bytes.first(record_header), content))
        return broken(Alert::bad_record_mac, "TLS record was changed on its way");
    // Content, its type, then any number of zeros (§5.4).
    std::size_t end = body - tag_bytes;
    while (end > 0 && content[end - 1] == 0) --end;
    if (end == 0) return broken(Alert::unexpected_message, "TLS record without a type");
    if (end - 1 > record_plaintext) return broken(Alert::record_overflow, "TLS record too long");
    return Opened{.type = ContentType{content[end - 1]},
                  .content = content.first(end - 1),
                  .size = record_header + body};
}

auto RecordReader::accept(const Opened& record, LinearBuffer& input,
                          std::span<std::uint8_t> plaintext) -> std::expected<Outcome, Failure> {
    const bool carries_data =
        record.type == ContentType::application_data && !record.content.empty();
    without_data_ = carries_data ? 0 : without_data_ + 1;
    if (without_data_ > max_without_data)
        return broken(Alert::unexpected_message, "too many TLS records without data");
    const bool inside_message = message_held_ > 0 || message_skip_ > 0;
    if (inside_message && record.type != ContentType::handshake)
        return broken(Alert::unexpected_message, "TLS message interrupted by other records");
    if (carries_data) {
        open_size_ = record.size;
        content_begin_ = record_header;
        content_end_ = record_header + record.content.size();
        return deliver(input, plaintext);
    }

    Outcome outcome{.event = Event::data, .count = 0};
    if (record.type == ContentType::handshake) {
        auto handled = accept_handshake(record.content);
        if (!handled) return handled;
        outcome = *handled;
    } else if (record.type == ContentType::alert) {
        if (record.content.size() != 2) return broken(Alert::decode_error, "malformed TLS alert");
        const std::uint8_t alert = record.content[1];
        if (alert == static_cast<std::uint8_t>(Alert::close_notify)) {
            outcome.event = Event::closed;
        } else if (alert != static_cast<std::uint8_t>(Alert::user_canceled)) {
            const bool certificate = is_about_certificate(alert);
            return std::unexpected(Failure{
                .alert = std::nullopt,
                .error = {.code = certificate ? ErrorCode::unauthenticated : ErrorCode::unavailable,
                          .message = "the peer refused: " + alert_text(alert)}});
        }
    } else if (record.type != ContentType::application_data) {
        return broken(Alert::unexpected_message, "unexpected kind of TLS record");
    }
    input.consume(record.size);
    return outcome;
}

auto RecordReader::deliver(LinearBuffer& input, std::span<std::uint8_t> plaintext)
    -> std::expected<Outcome, Failure> {
    const std::size_t count = std::min(plaintext.size(), content_end_ - content_begin_);
    std::memcpy(plaintext.data(), input.view().data() + content_begin_, count);
    content_begin_ += count;
    if (content_begin_ == content_end_) {
        input.consume(open_size_);
        open_size_ = 0;
    }
    return Outcome{.event = Event::data, .count = count};
}

// Tickets are skipped; key updates are followed (RFC 8446 §4.6); there is nothing else.
auto RecordReader::accept_handshake(ByteView content) -> std::expected<Outcome, Failure> {
    if (content.empty()) return broken(Alert::unexpected_message, "empty TLS handshake record");
    while (!content.empty()) {
        const std::size_t skipped = std::min(message_skip_, content.size());
        message_skip_ -= skipped;
        content = content.subspan(skipped);
        if (content.empty()) break;

        message_[message_held_++] = content[0];
        content = content.subspan(1);
        if (message_held_ < message_header) continue;
        const std::size_t length = static_cast<std::size_t>(message_[1]) << 16 |
                                   static_cast<std::size_t>(message_[2]) << 8 | message_[3];
        if (message_[0] == new_session_ticket) {
            if (length > record_plaintext)
                return broken(Alert::decode_error, "TLS session ticket too long");
            message_skip_ = length;
            message_held_ = 0;
        } else if (message_[0] == key_update && length == 1) {
            if (message_held_ <= message_header) continue;
            const std::uint8_t requested = message_[message_header];
            // New keys begin with a new record, so nothing may follow in this one.
            if (requested > 1 || !content.empty())
                return broken(Alert::illegal_parameter, "malformed TLS key update");
            message_held_ = 0;
            keys_.update();
            return Outcome{.event = requested == 1 ? Event::key_request : Event::data};
        } else {
            return broken(Alert::unexpected_message, "unexpected TLS handshake message");
        }
    }
    return Outcome{.event = Event::data};
}

} // namespace hawser::tls
