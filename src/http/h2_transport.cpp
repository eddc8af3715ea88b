#include "http/h2_transport.h"

#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <asio/as_tuple.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "io/socket.h"

namespace hawser::http {
namespace {

// One flush encrypts and sends this much at a time: four full TLS records, one block of a TLS
// session's memory, and little enough to stay in the cache between the steps.
constexpr std::size_t batch_bytes = 64 << 10;
// What one connection may read or send in a turn before the others get theirs.
constexpr std::size_t read_per_turn = 256 << 10;
constexpr std::size_t sent_per_turn = 1 << 20;
// How much space a read asks TLS for: small enough not to move a partial record too often.
constexpr std::size_t read_space = 32 << 10;
constexpr auto as_result = asio::as_tuple(asio::use_awaitable_t<io::Executor>{});

// Memory of the thread, used within one turn only: a connection holds none of it between turns.
struct TurnMemory {
    std::array<std::uint8_t, batch_bytes> staging;   // frames on their way out
    std::array<std::uint8_t, batch_bytes> plaintext; // frames on their way in
};
TurnMemory& turn_memory() {
    thread_local const auto memory = std::make_unique<TurnMemory>();
    return *memory;
}

} // namespace

H2Transport::Clock::time_point H2Transport::coarse_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return Clock::time_point(std::chrono::seconds(now.tv_sec) +
                             std::chrono::nanoseconds(now.tv_nsec));
}

H2Transport::H2Transport(io::Socket socket, std::unique_ptr<tls::Session> tls,
                         const H2Options& options, ConnectionHandler* handler)
    : socket_(std::move(socket)),
      tls_(std::move(tls)),
      options_(options),
      session_(options, handler, *this),
      timer_(socket_.get_executor()),
      ended_wait_(socket_.get_executor()) {}

io::Task<Result<void>> H2Transport::run(std::shared_ptr<H2Transport> self) {
    self->start();
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    while (!self->told_) {
        if (self->ended_ && self->turns_ == 0) {
            self->tell_end();
            break;
        }
        if (cancellation.cancelled() == asio::cancellation_type::none) {
            self->ended_wait_.expires_at(Clock::time_point::max());
            (void)co_await self->ended_wait_.async_wait(as_result);
            if (self->told_ || self->ended_) continue;
        }
        const Turn turn(*self);
        self->end(fail(ErrorCode::cancelled, "the connection was cancelled"));
    }
    co_return self->result_;
}

void H2Transport::start() {
    if (phase_ != Phase::handshake || ended_) return;
    phase_ = Phase::running;
    // In a turn of its own: the caller may be inside another connection's callback.
    asio::post(socket_.get_executor(), [self = shared_from_this()] { self->begin(); });
}

void H2Transport::begin() {
    if (ended_) return;
    const Turn turn(*this);
    last_received_ = idle_since_ = coarse_now();
    feed(as_bytes(std::exchange(early_, {})));
    if (tls_ != nullptr) decrypt();
    output_wanted_ = true;
    flush();
    check_progress();
    plan_tick();
    start_read();
}

// --- reading ---------------------------------------------------------------------------------

void H2Transport::start_read() {
    if (ended_) return;
    socket_.async_read_some(
        asio::buffer(first_bytes_),
        [self = shared_from_this()](const std::error_code& error, std::size_t count) {
            self->on_read(error, count);
        });
}

void H2Transport::on_read(const std::error_code& error, std::size_t count) {
    if (ended_) return;
    const Turn turn(*this);
    if (error && error != asio::error::eof) {
        return end(fail_errno(error.value(), "reading from the peer"));
    }
    if (count > 0) last_received_ = coarse_now();
    // A read that did not fill its space has emptied the socket: no need to ask again.
    bool more = count == first_bytes_.size();
    put_ciphertext({first_bytes_.data(), count});
    if (tls_ != nullptr && !more) decrypt();
    std::size_t turn_budget = read_per_turn / read_space;
    while (more && !ended_ && turn_budget-- > 0) more = read_more();
    if (error == asio::error::eof && !ended_) on_peer_closed(tls_ != nullptr);
    output_wanted_ = output_wanted_ || session_.has_output(); // answers, and reopened windows
    flush();
    check_progress();
    if (!peer_closed_ || phase_ == Phase::lingering) start_read();
}

// What waited in first_bytes_: to TLS, or as it is.
void H2Transport::put_ciphertext(ByteView bytes) {
    if (bytes.empty() || phase_ == Phase::lingering) return;
    if (tls_ == nullptr) return feed(bytes);
    const auto space = tls_->receive_buffer(bytes.size());
    if (space.size() < bytes.size()) // a record may not be that long
        return end(fail(ErrorCode::invalid, "TLS: the peer's records are too long"));
    std::memcpy(space.data(), bytes.data(), bytes.size());
    tls_->received(bytes.size());
}

bool H2Transport::read_more() {
    const bool discard = phase_ == Phase::lingering;
    const bool encrypted = tls_ != nullptr && !discard;
    const auto space = encrypted ? tls_->receive_buffer(read_space)
                                 : std::span<std::uint8_t>(turn_memory().plaintext);
    const ssize_t count = ::recv(socket_.native_handle(), space.data(), space.size(), MSG_DONTWAIT);
    if (count < 0) {
        const int code = errno;
        if (encrypted) {
            tls_->received(0);
            decrypt();
        }
        if (code == EINTR) return true;
        if (code != EAGAIN) end(fail_errno(code, "reading from the peer"));
        return false;
    }
    const auto length = static_cast<std::size_t>(count);
    if (encrypted) {
        tls_->received(length);
        decrypt();
    } else if (!discard) {
        feed({space.data(), length});
    }
    // At the end of the stream the next asynchronous read says so.
    return length == space.size();
}

void H2Transport::decrypt() {
    const std::span<std::uint8_t> memory(turn_memory().plaintext);
    while (!ended_ && !peer_closed_) {
        const auto result = tls_->read(memory);
        if (!result) {
            send_output(); // the alert
            return end(fail(result.error(), "TLS"));
        }
        if (result->count > 0) feed(memory.first(result->count));
        if (result->closed) return on_peer_closed(false);
        if (result->count == 0) return;
    }
}

void H2Transport::feed(ByteView plaintext) {
    if (ended_ || plaintext.empty()) return;
    if (auto done = session_.receive(plaintext, last_received_); !done && !ended_) {
        flush(); // a GOAWAY, if there is one
        end(std::move(done));
    }
}

// `truncated`: the connection ended below TLS, without its close_notify.
void H2Transport::on_peer_closed(bool truncated) {
    if (ended_ || std::exchange(peer_closed_, true)) {
        if (phase_ == Phase::lingering) end({});
        return;
    }
    if (phase_ == Phase::lingering) return end({});
    if (auto error = session_.peer_error()) return end(fail(std::move(*error)));
    const std::size_t streams = session_.open_streams();
    if (streams > 0)
        return end(fail(ErrorCode::unavailable, "the peer closed the connection with " +
                                                    std::to_string(streams) + " streams open"));
    if (truncated && !session_.closing())
        return end(fail(ErrorCode::unavailable, "the peer went away without closing"));
    flush();
    end({});
}

// --- writing ---------------------------------------------------------------------------------

void H2Transport::request_flush() {
    output_wanted_ = true;
    if (turns_ == 0 && phase_ != Phase::handshake) post_flush();
}

void H2Transport::post_flush() {
    if (ended_ || std::exchange(flush_posted_, true)) return;
    asio::post(socket_.get_executor(), [self = shared_from_this()] {
        self->flush_posted_ = false;
        const Turn turn(*self);
        self->flush();
        self->check_progress();
    });
}

void H2Transport::flush() {
    std::size_t turn_budget = sent_per_turn / batch_bytes;
    while (output_wanted_ && !ended_) {
        if (write_pending_) { // on_written() goes on
            session_.deliver_events();
            if (session_.events_due()) post_flush();
            return;
        }
        if (turn_budget-- == 0) return post_flush();
        output_wanted_ = false;
        produce();
        if (!ended_) send_output();
        if (!ended_) session_.deliver_events();
    }
}

// Makes one batch of output.
void H2Transport::produce() {
    Staging staging{.memory = turn_memory().staging};
    const auto more = session_.fill(staging);
    if (!more) return end(fail(more.error()));
    if (*more) output_wanted_ = true;
    const ByteView made = staging.memory.first(staging.size);
    if (made.empty()) return;
    if (tls_ != nullptr) {
        if (auto written = tls_->write(made); !written) end(fail(written.error(), "TLS"));
    } else {
        const ByteView left = made.subspan(backlog_.empty() ? try_send(made) : 0);
        backlog_.insert(backlog_.end(), left.begin(), left.end());
    }
}

// How much of the bytes the kernel took.
std::size_t H2Transport::try_send(ByteView bytes) {
    while (true) {
        const ssize_t sent = ::send(socket_.native_handle(), bytes.data(), bytes.size(),
                                    MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) return static_cast<std::size_t>(sent);
        if (errno == EINTR) continue;
        if (errno != EAGAIN) end(fail_errno(errno, "writing to the peer"));
        return 0;
    }
}

ByteView H2Transport::output() const {
    return tls_ != nullptr ? tls_->output() : ByteView(backlog_).subspan(backlog_sent_);
}

void H2Transport::consume_output(std::size_t count) {
    if (tls_ != nullptr) return tls_->consume_output(count);
    backlog_sent_ += count;
    if (backlog_sent_ < backlog_.size()) return;
    backlog_ = {};
    backlog_sent_ = 0;
}

void H2Transport::send_output() {
    if (write_pending_ || ended_) return;
    if (!output().empty()) consume_output(try_send(output()));
    if (ended_) return;
    if (output().empty()) return shut_down_when_written();
    write_pending_ = true;
    blocked_since_ = coarse_now();
    const ByteView rest = output();
    socket_.async_write_some(
        asio::buffer(rest.data(), rest.size()),
        [self = shared_from_this()](const std::error_code& error, std::size_t count) {
            self->on_written(error, count);
        });
}

void H2Transport::on_written(const std::error_code& error, std::size_t count) {
    if (ended_) return;
    const Turn turn(*this);
    write_pending_ = false;
    if (error) return end(fail_errno(error.value(), "writing to the peer"));
    consume_output(count);
    send_output();
    if (!write_pending_) {
        output_wanted_ = true;
        flush();
    }
    check_progress();
}

} // namespace hawser::http
