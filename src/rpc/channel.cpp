#include "rpc/channel.h"

#include <utility>

namespace hawser::rpc {
namespace {

using SteadyClock = std::chrono::steady_clock;

std::chrono::milliseconds left_until(SteadyClock::time_point deadline) {
    return std::chrono::ceil<std::chrono::milliseconds>(deadline - SteadyClock::now());
}

} // namespace

Channel::Channel(io::Executor executor) : readable_(executor), writable_(executor) {}

Channel::~Channel() {
    cut(http::H2Code::cancel);
}

void Channel::attach(http::H2Connection& connection, http::StreamId stream) {
    connection_ = &connection;
    stream_ = stream;
}

void Channel::cut(http::H2Code code) {
    if (connection_ == nullptr) return;
    std::exchange(connection_, nullptr)->detach(stream_, code);
    if (!failure_) failure_ = Error{ErrorCode::cancelled, "the call was ended"};
    readable_.notify();
    writable_.notify();
}

void Channel::fail_with(Error error) {
    if (!failure_) failure_ = std::move(error);
    cut(http::H2Code::cancel);
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
    if (parser_.empty() && unconsumed_ > 0 && connection_ != nullptr)
        connection_->consume(stream_, std::exchange(unconsumed_, 0));
    return message;
}

io::Task<Result<void>> Channel::write(std::string message, std::chrono::milliseconds timeout) {
    if (message.size() > limits::rpc_message_bytes)
        co_return fail(ErrorCode::resource_exhausted, "the message is over the limit");
    const auto deadline = SteadyClock::now() + timeout;
    const std::string bytes = frame(message);
    ByteView rest = as_bytes(bytes);
    if (connection_ != nullptr) before_write();
    while (!rest.empty()) {
        if (failure_) co_return fail(*failure_);
        if (connection_ == nullptr) co_return fail(ErrorCode::unavailable, "the stream is closed");
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
    if (auto fed = parser_.feed(data); !fed) {
        fail_with(std::move(fed.error()));
        return;
    }
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
}

void Channel::on_closed(http::H2Code code) {
    connection_ = nullptr;
    if (code != http::H2Code::no_error && !failure_) {
        failure_ = code == http::H2Code::internal_error
                       ? Error{ErrorCode::unavailable, "the connection broke"}
                       : Error{ErrorCode::cancelled, "the peer ended the call"};
    }
    readable_.notify();
    writable_.notify();
    closed_early();
}

} // namespace hawser::rpc
