#include "rpc/server_call.h"

#include <asio/this_coro.hpp>
#include <utility>

#include "io/task_group.h"

namespace hawser::rpc {
namespace {

// A call without a grpc-timeout may take this long; a stream, as long as it likes.
constexpr std::chrono::milliseconds longest_call = std::chrono::minutes(10);
constexpr std::chrono::milliseconds longest_stream = std::chrono::years(1);
constexpr std::string_view bearer_prefix = "Bearer ";
constexpr std::size_t longest_bearer = 1024;

Result<const Method*> find_method(const Methods& methods, const http::Headers& headers) {
    if (http::find_header(headers, ":method") != "POST")
        return fail(ErrorCode::unimplemented, "calls are POST requests");
    if (!http::find_header(headers, "content-type").starts_with("application/grpc"))
        return fail(ErrorCode::unimplemented, "not a call of the control protocol");
    const std::string_view path = http::find_header(headers, ":path");
    const Method* method = methods.find(path);
    if (method == nullptr)
        return fail(ErrorCode::unimplemented,
                    "this version has no method " + std::string(path.substr(0, 100)));
    return method;
}

Result<std::chrono::milliseconds> find_timeout(const http::Headers& headers) {
    const std::string_view text = http::find_header(headers, "grpc-timeout");
    if (text.empty()) return longest_call;
    const auto timeout = parse_timeout(text);
    if (!timeout) return fail(ErrorCode::invalid, "the call's grpc-timeout is malformed");
    return std::min(*timeout, longest_call);
}

Result<std::string> find_bearer(const http::Headers& headers) {
    const std::string_view authorization = http::find_header(headers, "authorization");
    if (!authorization.starts_with(bearer_prefix)) return std::string();
    if (authorization.size() > longest_bearer)
        return fail(ErrorCode::unauthenticated, "the call's token is too long to be one");
    return std::string(authorization.substr(bearer_prefix.size()));
}

io::Task<Result<void>> answer(ServerCall& call, const UnaryHandler& handler, const Caller& caller) {
    auto request = co_await call.read(call.patience());
    if (!request) co_return fail(std::move(request.error()));
    if (!*request) co_return fail(ErrorCode::invalid, "the call has no message");
    auto response = co_await handler(caller, std::move(**request));
    if (!response) co_return fail(std::move(response.error()));
    Result<void> written = co_await call.write(std::move(*response), call.patience());
    if (written) call.end(written); // now, not a turn later: it goes in the same packet
    co_return written;
}

// What the handler's task and the call's share.
struct Work {
    Asked asked;
    Result<void> status = fail(ErrorCode::cancelled, "the call was cancelled");
};

io::Task<void> handle(Work& work, ServerCall& call) {
    const Method& method = *work.asked.method;
    work.status = method.unary ? co_await answer(call, method.unary, work.asked.caller)
                               : co_await method.streaming(work.asked.caller, call);
    call.set_handled();
}

} // namespace

Result<Asked> read_request(const Methods& methods, const Caller& caller,
                           const http::Headers& headers) {
    const auto method = find_method(methods, headers);
    if (!method) return fail(method.error());
    const auto timeout = find_timeout(headers);
    if (!timeout) return fail(timeout.error());
    auto bearer = find_bearer(headers);
    if (!bearer) return fail(std::move(bearer.error()));
    Asked asked{.method = *method, .timeout = *timeout, .caller = caller};
    asked.caller.bearer = std::move(*bearer);
    if (!asked.method->guard) return asked;
    if (Result<void> admitted = asked.method->guard(asked.caller); !admitted)
        return fail(std::move(admitted.error()));
    asked.admitted = true;
    return asked;
}

ServerCall::ServerCall(io::Executor executor, const Allowance& allowance, MessageMemory& memory)
    : Channel(executor, allowance.message_bytes, &memory),
      patience_(allowance.patience),
      changed_(executor) {}

void ServerCall::before_write() {
    if (std::exchange(responded_, true)) return;
    connection_->respond(stream_, response_headers());
}

void ServerCall::end(const Result<void>& status) {
    if (connection_ == nullptr || std::exchange(ended_, true)) return;
    stop_listening();
    if (responded_) {
        connection_->finish(stream_, status_trailers(status));
        return;
    }
    responded_ = true;
    http::Headers headers = response_headers();
    for (auto& trailer : status_trailers(status)) headers.push_back(std::move(trailer));
    connection_->respond(stream_, headers, true);
}

io::Task<bool> ServerCall::handled(std::chrono::milliseconds timeout) {
    if (!handled_ && !closed()) (void)co_await changed_.wait_for(timeout);
    co_return handled_;
}

void ServerCall::set_handled() {
    handled_ = true;
    changed_.notify();
}

io::Task<void> ServerCall::wait_closed(std::chrono::milliseconds timeout) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    while (!closed() && std::chrono::steady_clock::now() < deadline)
        (void)co_await changed_.wait_for(timeout);
}

io::Task<void> run_call(Asked asked, std::shared_ptr<ServerCall> call) {
    // The handler's task must be joined, whatever happens to this one.
    co_await asio::this_coro::throw_if_cancelled(false);
    const auto longest = asked.method->unary ? asked.timeout : longest_stream;
    Work work{.asked = std::move(asked)};
    io::TaskGroup tasks(co_await asio::this_coro::executor);
    tasks.spawn(handle(work, *call));
    const bool handled = co_await call->handled(longest);
    const auto state = co_await asio::this_coro::cancellation_state;
    const bool cancelled = state.cancelled() != asio::cancellation_type::none;
    tasks.cancel();
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await tasks.join();
    if (!handled && !cancelled)
        work.status = fail(ErrorCode::deadline_exceeded, "the call took too long");
    call->end(work.status);
    co_await see_off(std::move(call));
}

// The status is on its way; the stream needs its handler until it is closed.
io::Task<void> see_off(std::shared_ptr<ServerCall> call) {
    co_await call->wait_closed(call->patience());
}

} // namespace hawser::rpc
