#include "rpc/framing.h"

#include <algorithm>
#include <charconv>
#include <format>
#include <utility>

namespace hawser::rpc {
namespace {

constexpr std::chrono::milliseconds longest_timeout = std::chrono::hours(1);
constexpr std::size_t message_text_length = 1024; // of a status; for people

std::uint32_t message_length(std::string_view prefix) {
    std::uint32_t length = 0;
    for (std::size_t i = 1; i < prefix_bytes; ++i)
        length = length << 8 | static_cast<std::uint8_t>(prefix[i]);
    return length;
}

std::size_t cost_of(const std::string& message) {
    return prefix_bytes + sizeof message + message.capacity();
}

// Everything but printable ASCII, and '%' itself, as %XX.
std::string percent_encode(std::string_view text) {
    std::string encoded;
    for (const char c : text.substr(0, message_text_length)) {
        if (c >= ' ' && c <= '~' && c != '%') {
            encoded += c;
        } else {
            encoded += std::format("%{:02X}", static_cast<unsigned>(static_cast<std::uint8_t>(c)));
        }
    }
    return encoded;
}

std::string percent_decode(std::string_view text) {
    std::string decoded;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned value = 0;
        if (text[i] == '%' && i + 2 < text.size() &&
            std::from_chars(&text[i + 1], text.data() + i + 3, value, 16).ptr ==
                text.data() + i + 3) {
            decoded += static_cast<char>(value);
            i += 2;
        } else {
            decoded += text[i];
        }
    }
    return decoded;
}

} // namespace

std::string frame(std::string_view message) {
    const auto length = static_cast<std::uint32_t>(message.size());
    std::string bytes;
    bytes.reserve(prefix_bytes + message.size());
    bytes += '\0';
    for (int shift = 24; shift >= 0; shift -= 8)
        bytes += static_cast<char>(static_cast<std::uint8_t>(length >> shift));
    bytes += message;
    return bytes;
}

Result<void> MessageParser::feed(ByteView bytes) {
    std::string_view rest = as_text(bytes);
    while (!rest.empty()) {
        if (prefix_.size() < prefix_bytes) {
            const std::size_t head = std::min(rest.size(), prefix_bytes - prefix_.size());
            prefix_.append(rest.substr(0, head));
            rest.remove_prefix(head);
            if (prefix_.size() < prefix_bytes) return {};
            if (Result<void> begun = begin_message(); !begun) return begun;
        }
        const std::size_t body = std::min(rest.size(), length_ - partial_.size());
        append(rest.substr(0, body));
        rest.remove_prefix(body);
        if (partial_.size() < length_) continue;
        messages_.push_back(std::exchange(partial_, {}));
        held_ += cost_of(messages_.back());
        prefix_.clear();
    }
    return {};
}

Result<void> MessageParser::begin_message() {
    if (prefix_[0] != '\0')
        return fail(ErrorCode::unimplemented, "the peer sent a compressed message");
    length_ = message_length(prefix_);
    if (length_ > longest_)
        return fail(
            ErrorCode::resource_exhausted,
            std::format("a message of {} bytes is over the limit of {}", length_, longest_));
    return {};
}

// Takes at most twice the memory of what came, and never more than the message will need; a
// string's own growth knows nothing of the latter.
void MessageParser::append(std::string_view part) {
    const std::size_t needed = partial_.size() + part.size();
    if (needed > partial_.capacity()) {
        std::string larger;
        larger.reserve(std::min(length_, std::max(needed, 2 * partial_.capacity())));
        partial_ = std::move(larger.append(partial_));
    }
    partial_.append(part);
}

std::string MessageParser::take() {
    std::string message = std::move(messages_.front());
    messages_.pop_front();
    held_ -= cost_of(message);
    return message;
}

std::size_t MessageParser::held() const {
    return held_ + (within_message() ? cost_of(partial_) : 0);
}

http::Headers response_headers() {
    return {{":status", "200"}, {"content-type", std::string(content_type)}};
}

http::Headers status_trailers(const Result<void>& status) {
    if (status) return {{"grpc-status", "0"}};
    return {{"grpc-status", std::to_string(static_cast<int>(status.error().code))},
            {"grpc-message", percent_encode(status.error().message)}};
}

std::optional<Result<void>> parse_status(const http::Headers& headers) {
    const std::string_view text = http::find_header(headers, "grpc-status");
    if (text.empty()) return std::nullopt;
    int code = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), code);
    if (error != std::errc() || end != text.data() + text.size())
        return fail(ErrorCode::unknown, "the peer's status is malformed");
    if (code == 0) return Result<void>();
    const bool known = code >= 1 && code <= static_cast<int>(ErrorCode::unauthenticated);
    return fail(known ? static_cast<ErrorCode>(code) : ErrorCode::unknown,
                percent_decode(http::find_header(headers, "grpc-message")));
}

Result<void> check_response_headers(const http::Headers& headers) {
    const std::string_view status = http::find_header(headers, ":status");
    if (status != "200")
        return fail(ErrorCode::unavailable, std::format("the peer answered HTTP {}", status));
    if (!http::find_header(headers, "content-type").starts_with("application/grpc"))
        return fail(ErrorCode::unavailable, "the peer does not speak the control protocol");
    return {};
}

std::string format_timeout(std::chrono::milliseconds timeout) {
    const auto bounded = std::clamp(timeout, std::chrono::milliseconds(1), longest_timeout);
    return std::format("{}m", bounded.count());
}

std::optional<std::chrono::milliseconds> parse_timeout(std::string_view text) {
    constexpr std::size_t most_digits = 8;
    if (text.size() < 2 || text.size() > most_digits + 1) return std::nullopt;
    std::int64_t value = 0;
    const char* unit = text.data() + text.size() - 1;
    if (std::from_chars(text.data(), unit, value).ptr != unit || value < 0) return std::nullopt;
    using namespace std::chrono;
    const auto bounded = [](auto duration) {
        return std::min<milliseconds>(ceil<milliseconds>(duration), longest_timeout);
    };
    switch (*unit) {
        case 'H': return bounded(hours(value));
        case 'M': return bounded(minutes(value));
        case 'S': return bounded(seconds(value));
        case 'm': return bounded(milliseconds(value));
        case 'u': return bounded(microseconds(value));
        case 'n': return bounded(nanoseconds(value));
        default: return std::nullopt;
    }
}

} // namespace hawser::rpc
