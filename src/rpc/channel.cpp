#include "rpc/channel.h"

#include <utility>

namespace hawser::rpc {
namespace {

using SteadyClock = std::chrono::steady_clock;

std::chrono::milliseconds left_until(SteadyClock::time_point deadline) {
    return std::chrono::ceil<std::chrono::milliseconds>(deadline - SteadyClock::now());
}

// Why a stream is over; nothing: both sides ended it.
std::optional<Error> what_happened(http::H2Code code) {
    switch (code) {
        case http::H2Code::no_error: return std::nullopt;
        case http::H2Code::internal_error:
            return Error{ErrorCode::unavailable, "the connection broke"};
        case http::H2Code::refused_stream:
            return Error{ErrorCode::unavailable, "the peer takes no more calls"};
        case http::H2Code::enhance_your_calm:
            return Error{ErrorCode::resource_exhausted, "the peer is overloaded"};
        default: return Error{ErrorCode::cancelled, "the peer ended the call"};
    }
}

} // namespace

Channel::Channel(io::Executor executor, std::size_t longest, MessageMemory* memory)
    : parser_(longest), readable_(executor), writable_(executor), memory_(memory) {}

Channel::~Channel() {
    cut(http::H2Code::cancel);
    if (memory_ != nullptr) (void)memory_->change(accounted_, 0);
}

// false: too much is held.
bool Channel::account() {
    if (memory_ == nullptr) return true;
    const std::size_t before = std::exchange(accounted_, call_bytes + parser_.held());
    return memory_->change(before, accounted_);
}

bool Channel::attach(http::H2Connection& connection, http::StreamId stream) {
    if (!account()) return false;
    connection_ = &connection;
    stream_ = stream;
    return true;
}

void Channel::stop_listening() {
    deaf_ = true;
    parser_ = MessageParser();
    (void)account();
}

void Channel::cut(http::H2Code code) {
    if (connection_ == nullptr) return;
    std::exchange(connection_, nullptr)->detach(stream_, code);
    // At the peer's end the outcome was known already.
    if (!failure_ && !peer_ended_) failure_ = Error{ErrorCode::cancelled, "the call was ended"};
    readable_.notify();
    writable_.notify();
}

void Channel::fail_with(Error error) {
    const bool too_much = error.code == ErrorCode::resource_exhausted;
    if (!failure_) failure_ = std::move(error);
    cut(too_much ? http::H2Code::enhance_your_calm : http::H2Code::cancel);
    stop_listening();
}

io::Task<Result<std::optional<std::string>>> Channel::read(std::chrono::milliseconds timeout) {
    const auto deadline = SteadyClock::now() + timeout;
    while (true) {
        if (!parser_.empty()) co_return take_message();
        if (failure_) co_return fail(*failure_);
        if (peer_ended_) co_return at_end();
        const auto left = left_until(deadline);
        if (left.count() <= 0)
            co_return fail(ErrorCode::deadline_exceeded, "waiting for a message: timed out");
        (void)co_await readable_.wait_for(left);
    }
}

std::string Channel::take_message() {
    std::string message = parser_.take();
    (void)account();
    if (parser_.empty() && unconsumed_ > 0 && connection_ != nullptr)
        connection_->consume(stream_, std::exchange(unconsumed_, 0));
    return message;
}

class Channel::WholeOrNothing {
  public:
    WholeOrNothing(Channel& channel, const ByteView& rest) : channel_(channel), rest_(rest) {}
    ~WholeOrNothing() {
        if (!rest_.empty()) channel_.cut(http::H2Code::cancel);
    }
    WholeOrNothing(const WholeOrNothing&) = delete;
    WholeOrNothing& operator=(const WholeOrNothing&) = delete;

  private:
    Channel& channel_;
    const ByteView& rest_;
};

io::Task<Result<void>> Channel::write(std::string message, std::chrono::milliseconds timeout) {
    if (message.size() > limits::rpc_message_bytes)
        co_return fail(ErrorCode::resource_exhausted, "the message is over the limit");
    const auto deadline = SteadyClock::now() + timeout;
    const std::string bytes = frame(message);
    ByteView rest = as_bytes(bytes);
    if (connection_ != nullptr) before_write();
    // Half a message would garble what follows: leaving early, also by being cancelled, ends it.
    const WholeOrNothing guard(*this, rest);
    while (!rest.empty()) {
        if (failure_) co_return fail(*failure_);
        if (connection_ == nullptr || refused())
            co_return fail(ErrorCode::unavailable, "the stream is closed");
        rest = rest.subspan(connection_->write(stream_, rest));
        if (rest.empty()) break;
        const auto left = left_until(deadline);
        if (left.count() <= 0)
            co_return fail(ErrorCode::deadline_exceeded, "the peer reads too slowly");
        (void)co_await writable_.wait_for(left);
    }
    co_return Result<void>();
}

void Channel::on_data(ByteView data) {
    if (deaf_) return; // without credit for more
    if (auto fed = parser_.feed(data); !fed) {
        fail_with(std::move(fed.error()));
        return;
    }
    if (!account())
        return fail_with({ErrorCode::resource_exhausted, "too many requests wait already"});
    if (parser_.empty()) {
        if (connection_ != nullptr) connection_->consume(stream_, data.size());
        return;
    }
    unconsumed_ += data.size();
    readable_.notify();
}

void Channel::on_end() {
    peer_ended_ = true;
    if (parser_.within_message() && !failure_)
        failure_ = Error{ErrorCode::corrupt, "the peer's last message is cut short"};
    readable_.notify();
    writable_.notify();
}

void Channel::on_closed(http::H2Code code) {
    connection_ = nullptr;
    if (!failure_ && !peer_ended_) failure_ = what_happened(code);
    readable_.notify();
    writable_.notify();
    closed_early();
}

} // namespace hawser::rpc
