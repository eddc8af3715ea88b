// How a connection ends: drained after a GOAWAY, broken, cut off, or found dead.
#include <sys/socket.h>

#include <algorithm>
#include <asio/post.hpp>
#include <utility>

#include "http/h2_transport.h"
#include "io/socket.h"

namespace hawser::http {
namespace {

// The peer's time to answer a GOAWAY, and after the end to take the last bytes.
constexpr std::chrono::seconds goaway_answer{1};
constexpr std::chrono::seconds linger{1};
// A peer that takes nothing for so long, although its windows allowed us to send, is broken.
constexpr std::chrono::seconds write_stall{30};

} // namespace

void H2Transport::set_idle_timeout(std::chrono::milliseconds timeout) {
    options_.idle_timeout = timeout;
    if (phase_ == Phase::running) plan_tick();
}

void H2Transport::goaway() {
    if (phase_ == Phase::handshake) return abort();
    if (ended_ || phase_ == Phase::lingering) return;
    session_.goaway();
    if (!session_.goaway_unconfirmed()) return;
    deadline_ = std::min(deadline_, Clock::now() + goaway_answer);
    plan_tick();
}

// After each turn: is this connection over?
void H2Transport::check_progress() {
    if (ended_ || phase_ != Phase::running) return;
    if (session_.flooded())
        return end(fail(ErrorCode::resource_exhausted,
                        "the peer makes work and does not read the answers"));
    if (write_pending_ || !output().empty()) return;
    if (session_.terminated()) return end(fail(session_.failure()));
    if (!session_.drained()) return;
    if (session_.peer_error()) return end(fail(*session_.peer_error()));
    begin_linger();
}

// Everything was said. Closing now could destroy bytes that the peer has not read yet (the kernel
// answers what still comes with RST), so wait for its end of the stream first.
void H2Transport::begin_linger() {
    phase_ = Phase::lingering;
    if (tls_ != nullptr) tls_->close_notify();
    send_output();
    deadline_ = Clock::now() + linger;
    plan_tick();
}

void H2Transport::shut_down_when_written() {
    if (phase_ != Phase::lingering || std::exchange(shut_down_, true)) return;
    ::shutdown(socket_.native_handle(), SHUT_WR);
}

void H2Transport::end(Result<void> result) {
    if (std::exchange(ended_, true)) return;
    result_ = std::move(result);
    timer_.cancel();
    io::close(socket_);
}

void H2Transport::abort() {
    if (ended_) return;
    end(fail(ErrorCode::cancelled, "the connection was aborted"));
    if (turns_ > 0) return;
    asio::post(socket_.get_executor(), [self = shared_from_this()] { self->tell_end(); });
}

void H2Transport::destroy() {
    end(fail(ErrorCode::cancelled, "the connection was destroyed"));
    tell_end();
}

void H2Transport::tell_end() {
    if (std::exchange(told_, true)) return;
    session_.close_all(H2Code::internal_error);
    ended_wait_.cancel();
}

// Sets the timer to the next thing to look at, unless it fires before that anyway.
void H2Transport::plan_tick() {
    Clock::time_point at = deadline_;
    if (options_.ping_interval && phase_ == Phase::running)
        at = std::min(at, pinging() ? ping_sent_ + options_.ping_timeout
                                    : last_received_ + *options_.ping_interval);
    if (options_.idle_timeout && phase_ == Phase::running && !session_.closing())
        at = std::min(at, idle_since_ + *options_.idle_timeout);
    if (ended_ || at >= tick_at_) return;
    tick_at_ = at;
    timer_.expires_at(at);
    timer_.async_wait([self = shared_from_this()](const std::error_code& error) {
        if (error || self->ended_) return;
        const Turn turn(*self);
        self->on_tick(std::exchange(self->tick_at_, Clock::time_point::max()));
        self->flush();
        self->check_progress();
        self->plan_tick();
    });
}

void H2Transport::on_tick(Clock::time_point planned) {
    const auto now = Clock::now();
    // We ourselves stood still (a paused VM, a stopped process): the answer may be waiting.
    if (pinging() && now - planned > options_.ping_timeout / 2) ping_sent_ = coarse_now();
    if (now >= deadline_) {
        deadline_ = Clock::time_point::max();
        if (phase_ == Phase::lingering) return end({});
        session_.finish_goaway();
    }
    if (options_.ping_interval && phase_ == Phase::running) keep_alive(now);
    if (options_.idle_timeout && phase_ == Phase::running) close_idle(now);
}

// Looks only now and then: a stream that came and went meanwhile shows in the count.
void H2Transport::close_idle(Clock::time_point now) {
    const bool used = session_.open_streams() > 0 || session_.streams_begun() != idle_streams_;
    if (!used && now - idle_since_ >= *options_.idle_timeout) return goaway();
    if (!used) return;
    idle_since_ = now;
    idle_streams_ = session_.streams_begun();
}

void H2Transport::keep_alive(Clock::time_point now) {
    if (write_pending_ && now - blocked_since_ > write_stall)
        return end(fail(ErrorCode::deadline_exceeded, "the peer has stopped reading"));
    if (pinging() && last_received_ >= ping_sent_) ping_sent_ = {};
    if (pinging() && now - ping_sent_ >= options_.ping_timeout)
        return end(fail(ErrorCode::deadline_exceeded, "the peer does not answer a PING"));
    if (!pinging() && now - last_received_ >= *options_.ping_interval) {
        session_.ping();
        ping_sent_ = coarse_now(); // as arrivals are stamped
    }
}

} // namespace hawser::http
