// The beginning of a connection, up to the peer's SETTINGS: TLS, our preface, its first frame.
// Nothing behind that frame is looked at before start(), so that whoever owns the connection can
// refuse the peer first.
#include <sys/socket.h>

#include <algorithm>
#include <asio/as_tuple.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <cstring>
#include <utility>

#include "http/h2_transport.h"
#include "http/handshake_turns.h"
#include "io/socket.h"

namespace hawser::http {
namespace {

constexpr asio::use_awaitable_t<io::Executor> use_awaitable{};
constexpr auto as_result = asio::as_tuple(use_awaitable);

constexpr std::size_t client_magic_length = 24;
constexpr std::size_t frame_head_length = 9;
constexpr std::uint8_t tls_handshake_record = 0x16;
constexpr std::uint8_t tls_alert_record = 0x15;
// After a refusal, how much we read and drop so that the peer gets to see the alert.
constexpr std::size_t dropped_bytes = 64 << 10;
constexpr std::chrono::seconds alert_linger{1};

} // namespace

io::Task<Result<void>> H2Transport::handshake(std::shared_ptr<H2Transport> self) {
    // A new turn of the loop: the caller may be inside another connection's callback, and the
    // thread's turn memory is then in use.
    co_await asio::post(self->socket_.get_executor(), use_awaitable);
    const auto time_out = [self](const std::error_code& error) {
        if (error || self->phase_ != Phase::handshake || self->ended_) return;
        self->timed_out_ = true;
        io::close(self->socket_);
    };
    self->timer_.expires_after(self->options_.handshake_timeout);
    self->timer_.async_wait(time_out);
    auto done = co_await self->shake_hands();
    if (!done && !self->timed_out_ && self->socket_.is_open()) {
        self->timer_.expires_after(alert_linger);
        self->timer_.async_wait(time_out);
        co_await self->let_peer_read();
    } else if (self->timed_out_) {
        done = fail(ErrorCode::deadline_exceeded, "the handshake timed out");
    }
    self->timer_.cancel();
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none)
        done = fail(ErrorCode::cancelled, "the handshake was cancelled");
    if (!done) self->end(done);
    co_return done;
}

io::Task<Result<void>> H2Transport::shake_hands() {
    if (tls_ != nullptr) {
        if (auto done = co_await tls_handshake(); !done)
            co_return fail(std::move(done.error()), "TLS handshake");
    }
    co_return co_await settings_exchange();
}

io::Task<Result<void>> H2Transport::tls_handshake() {
    while (true) {
        co_await HandshakeTurns::next(socket_.get_executor());
        auto done = tls_->handshake();
        if (auto written = co_await write_out(); !written && done) co_return written;
        if (!done) co_return fail(std::move(done.error()));
        if (*done) co_return Result<void>();
        const auto bytes = co_await read_some();
        if (!bytes) co_return fail(bytes.error());
        if (bytes->empty()) {
            tls_->received_end();
            continue; // the session knows what was missing
        }
        if (auto checked = check_first_byte(bytes->front()); !checked) co_return checked;
        put_ciphertext(*bytes);
        if (ended_) co_return result_;
    }
}

io::Task<Result<void>> H2Transport::settings_exchange() {
    if (auto started = session_.start(); !started) co_return started;
    // What came with the end of the TLS handshake may hold it all already.
    if (auto fed = read_early({}); !fed) co_return fed;
    while (true) {
        produce();
        if (ended_) co_return result_;
        if (auto written = co_await write_out(); !written) co_return written;
        if (session_.settings_received()) co_return Result<void>();
        const auto bytes = co_await read_some();
        if (!bytes) co_return fail(bytes.error());
        if (bytes->empty())
            co_return fail(ErrorCode::unavailable, "the peer closed the connection unasked");
        if (tls_ == nullptr)
            if (auto checked = check_first_byte(bytes->front()); !checked) co_return checked;
        if (auto fed = read_early(*bytes); !fed) {
            produce(); // the GOAWAY
            (void)co_await write_out();
            co_return fed;
        }
    }
}

io::Task<Result<void>> H2Transport::write_out() {
    while (!output().empty()) {
        const ByteView rest = output();
        const auto [error, count] =
            co_await socket_.async_write_some(asio::buffer(rest.data(), rest.size()), as_result);
        if (error) co_return fail_errno(error.value(), "writing to the peer");
        consume_output(count);
    }
    co_return Result<void>();
}

// Empty at the end of the stream.
io::Task<Result<ByteView>> H2Transport::read_some() {
    const auto [error, count] =
        co_await socket_.async_read_some(asio::buffer(first_bytes_), as_result);
    if (error == asio::error::eof) co_return ByteView();
    if (error) co_return fail_errno(error.value(), "reading from the peer");
    co_return ByteView(first_bytes_.data(), count);
}

// Tells a peer of the wrong kind from a broken one: the error a person has to act on.
Result<void> H2Transport::check_first_byte(std::uint8_t byte) {
    if (std::exchange(first_byte_seen_, true)) return {};
    const bool tls_record = byte == tls_handshake_record || byte == tls_alert_record;
    if (tls_ != nullptr && !tls_record)
        return fail(ErrorCode::unauthenticated, "the peer speaks plaintext, not TLS");
    if (tls_ == nullptr && byte == tls_handshake_record)
        return fail(ErrorCode::invalid, "the peer speaks TLS on a plaintext connection");
    return {};
}

Result<void> H2Transport::read_early(ByteView bytes) {
    if (tls_ == nullptr) {
        early_.append(as_text(bytes));
        return feed_first_frame();
    }
    put_ciphertext(bytes);
    if (ended_) return result_;
    while (!session_.settings_received()) {
        std::array<std::uint8_t, 1024> plaintext;
        const auto result = tls_->read(plaintext);
        if (!result) return fail(result.error());
        if (result->closed) return fail(ErrorCode::unavailable, "the peer closed the connection");
        if (result->count == 0) break;
        early_.append(as_text(ByteView(plaintext).first(result->count)));
        if (auto fed = feed_first_frame(); !fed) return fed;
    }
    return {};
}

// Gives the session the client's magic and the first frame, and not a byte more.
Result<void> H2Transport::feed_first_frame() {
    const std::size_t head_end = frame_head_length + (options_.server ? client_magic_length : 0);
    while (!early_.empty() && !session_.settings_received()) {
        const std::size_t until =
            first_frame_fed_ < head_end ? head_end : head_end + first_frame_length_;
        const std::size_t count = std::min(early_.size(), until - first_frame_fed_);
        // The three length bytes begin the head.
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t at = first_frame_fed_ + i;
            if (at + frame_head_length >= head_end && at + frame_head_length < head_end + 3)
                first_frame_length_ =
                    first_frame_length_ << 8 | static_cast<std::uint8_t>(early_[i]);
        }
        const std::string part = early_.substr(0, count);
        early_.erase(0, count);
        first_frame_fed_ += count;
        if (auto fed = session_.receive(as_bytes(part), Clock::now()); !fed) return fed;
        const bool head_known = first_frame_fed_ >= head_end;
        if (head_known && first_frame_fed_ == head_end + first_frame_length_ &&
            !session_.settings_received())
            return fail(session_.failure());
    }
    return {};
}

// Closing with unread bytes would reset the connection and take our alert with it.
io::Task<void> H2Transport::let_peer_read() {
    (void)co_await write_out();
    ::shutdown(socket_.native_handle(), SHUT_WR);
    for (std::size_t dropped = 0; dropped < dropped_bytes;) {
        const auto bytes = co_await read_some();
        if (!bytes || bytes->empty()) co_return;
        dropped += bytes->size();
    }
}

} // namespace hawser::http
