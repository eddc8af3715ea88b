#include "proxy/relay.h"

#include <sys/socket.h>

#include <algorithm>
#include <asio/as_tuple.hpp>
#include <asio/buffer.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <utility>

#include "io/socket.h"

namespace hawser::proxy {
namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable_t<io::Executor>{});
// One read asks for this much, and a flow that always has more yields to the loop's other work
// after read_turn_bytes.
constexpr std::size_t read_bytes = 64 << 10;
constexpr std::size_t read_turn_bytes = 256 << 10;

std::chrono::milliseconds time_left(std::chrono::steady_clock::time_point deadline) {
    return std::chrono::ceil<std::chrono::milliseconds>(deadline -
                                                        std::chrono::steady_clock::now());
}

} // namespace

Relay::Relay(io::Executor executor)
    : progress_(executor), stream_writable_(executor), alive_(std::make_shared<bool>(true)) {}

Relay::~Relay() {
    *alive_ = false;
    abandon(http::H2Code::cancel);
    if (socket_ && socket_->is_open() && !finished()) io::reset_on_close(*socket_);
}

void Relay::attach(http::H2Connection& connection, http::StreamId stream) {
    connection_ = &connection;
    stream_ = stream;
}

void Relay::attach(io::Socket socket) {
    socket_.emplace(std::move(socket));
    flush_kept();
}

io::Socket Relay::take_socket() {
    io::Socket socket = std::move(*socket_);
    socket_.reset();
    return socket;
}

void Relay::cut(http::H2Code code) {
    cut_ = code;
    break_socket();
}

void Relay::abandon(http::H2Code code) {
    stop_stream(code);
}

void Relay::stop_stream(http::H2Code code) {
    stream_closed_ = true;
    if (connection_ == nullptr) return;
    std::exchange(connection_, nullptr)->detach(stream_, code);
}

bool Relay::finished() const {
    if (socket_broken_ || stream_reset_) return true;
    return local_ended_ && shut_down_;
}

io::Task<std::optional<http::Headers>> Relay::answer(
    std::chrono::steady_clock::time_point deadline) {
    while (!answer_ && !stream_closed_) {
        const auto left = time_left(deadline);
        if (left.count() <= 0) co_return std::nullopt;
        (void)co_await progress_.wait_for(left);
    }
    co_return std::exchange(answer_, std::nullopt);
}

io::Task<void> Relay::wait_closed(std::chrono::milliseconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    while (!stream_closed_) {
        const auto left = time_left(deadline);
        if (left.count() <= 0) co_return;
        (void)co_await progress_.wait_for(left);
    }
}

io::Task<RelayEnd> Relay::run() {
    co_await pump_socket();
    // The socket has no more to give; the other direction may still run.
    while (!finished()) co_await progress_.wait();
    if (cut_) {
        stop_stream(*cut_);
        co_return RelayEnd::cut;
    }
    if (stream_reset_) {
        break_socket();
        co_return RelayEnd::stream_reset;
    }
    if (socket_broken_) {
        stop_stream(http::H2Code::cancel);
        co_return RelayEnd::socket_reset;
    }
    // END_STREAM went both ways; the session reports the stream closed once ours is on the wire.
    while (!stream_closed_ && !cut_) co_await progress_.wait();
    if (cut_) {
        stop_stream(*cut_);
        co_return RelayEnd::cut;
    }
    io::close(*socket_);
    co_return stream_reset_ ? RelayEnd::stream_reset : RelayEnd::clean;
}

io::Task<void> Relay::pump_socket() {
    bool more = true; // the socket may hold bytes that no wait would announce
    while (!finished() && connection_ != nullptr) {
        const ReadState state = more ? read_available() : room_to_wait();
        if (state == ReadState::blocked) {
            co_await stream_writable_.wait();
            more = true;
            continue;
        }
        if (state == ReadState::ended) co_return end_local();
        if (state == ReadState::broken) co_return break_socket();
        // No more than there is room for, also after the wait: only this task fills the buffer.
        const std::size_t wanted =
            std::min(idle_buffer_.size(), connection_->writable_bytes(stream_));
        auto [error, count] =
            co_await socket_->async_read_some(asio::buffer(idle_buffer_, wanted), as_result);
        if (error == asio::error::eof) co_return end_local();
        if (error) co_return break_socket();
        if (connection_ == nullptr) co_return;
        bytes_.sent += count;
        (void)connection_->write(stream_, ByteView(idle_buffer_.data(), count));
        more = count == wanted;
    }
}

Relay::ReadState Relay::room_to_wait() const {
    return connection_->writable_bytes(stream_) == 0 ? ReadState::blocked : ReadState::starved;
}

void Relay::end_local() {
    local_ended_ = true;
    if (connection_ != nullptr) connection_->finish(stream_);
}

// Moves what the socket has, without waiting, until it is empty, the stream's buffer is full, or
// the turn is used up.
Relay::ReadState Relay::read_available() {
    std::size_t moved = 0;
    while (connection_ != nullptr) {
        if (room_to_wait() == ReadState::blocked) return ReadState::blocked;
        if (moved >= read_turn_bytes) return ReadState::starved;
        const auto space = connection_->write_buffer(stream_, read_bytes);
        const ssize_t count =
            ::recv(socket_->native_handle(), space.data(), space.size(), MSG_DONTWAIT);
        if (count > 0) {
            connection_->commit(stream_, static_cast<std::size_t>(count));
            bytes_.sent += static_cast<std::uint64_t>(count);
            moved += static_cast<std::size_t>(count);
            if (static_cast<std::size_t>(count) < space.size()) return ReadState::starved;
            continue;
        }
        connection_->commit(stream_, 0);
        if (count == 0) return ReadState::ended;
        if (errno == EAGAIN || errno == EWOULDBLOCK) return ReadState::starved;
        if (errno != EINTR) return ReadState::broken;
    }
    return ReadState::starved;
}

void Relay::on_headers(http::Headers headers) {
    if (answer_) return; // trailers mean nothing in a tunnel
    answer_ = std::move(headers);
    progress_.notify();
}

void Relay::on_data(ByteView data) {
    std::size_t written = 0;
    if (kept_.empty() && socket_ && !socket_broken_) written = write_some(data);
    if (socket_broken_) {
        if (connection_ != nullptr) connection_->consume(stream_, data.size());
        return;
    }
    if (written < data.size()) {
        compact_kept();
        kept_.insert(kept_.end(), data.begin() + static_cast<std::ptrdiff_t>(written), data.end());
        if (socket_) wait_socket_writable();
    }
}

// Writes a prefix to the socket and gives the other side credit for it.
std::size_t Relay::write_some(ByteView data) {
    std::size_t written = 0;
    while (written < data.size()) {
        const ssize_t count = ::send(socket_->native_handle(), data.data() + written,
                                     data.size() - written, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count >= 0) {
            written += static_cast<std::size_t>(count);
            continue;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) break_socket();
        break;
    }
    bytes_.received += written;
    if (written > 0 && connection_ != nullptr) connection_->consume(stream_, written);
    return written;
}

void Relay::flush_kept() {
    if (!kept_.empty() && !socket_broken_) {
        kept_from_ += write_some(ByteView(kept_).subspan(kept_from_));
        if (socket_broken_ || kept_from_ == kept_.size()) {
            kept_ = {};
            kept_from_ = 0;
        } else {
            wait_socket_writable();
        }
    }
    maybe_shutdown();
}

// Drops what was written from the front once it is the larger part: each byte moves at most twice.
void Relay::compact_kept() {
    if (kept_from_ <= kept_.size() / 2) return;
    kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(kept_from_));
    kept_from_ = 0;
}

void Relay::wait_socket_writable() {
    if (waiting_writable_) return;
    waiting_writable_ = true;
    socket_->async_wait(io::Socket::wait_write,
                        [this, alive = alive_](const std::error_code& error) {
                            if (!*alive) return;
                            waiting_writable_ = false;
                            if (!error) flush_kept();
                        });
}

void Relay::on_end() {
    peer_ended_ = true;
    maybe_shutdown();
}

void Relay::maybe_shutdown() {
    if (!peer_ended_ || shut_down_ || !kept_.empty() || !socket_ || socket_broken_) return;
    shut_down_ = true;
    (void)::shutdown(socket_->native_handle(), SHUT_WR);
    progress_.notify();
}

void Relay::on_closed(http::H2Code code) {
    connection_ = nullptr;
    stream_closed_ = true;
    close_code_ = code;
    // RST_STREAM(NO_ERROR) before both sides ended is an abort all the same.
    if (code != http::H2Code::no_error || !peer_ended_ || !local_ended_) {
        stream_reset_ = true;
        break_socket();
    }
    progress_.notify();
    stream_writable_.notify();
}

// The application's connection ends with a TCP reset, whichever side began it.
void Relay::break_socket() {
    socket_broken_ = true;
    kept_ = {};
    kept_from_ = 0;
    if (socket_ && socket_->is_open()) {
        io::reset_on_close(*socket_);
        io::close(*socket_);
    }
    progress_.notify();
    stream_writable_.notify();
}

} // namespace hawser::proxy
