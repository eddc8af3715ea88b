#include "rpc/server_call.h"

#include <asio/this_coro.hpp>
#include <utility>

#include "io/task_group.h"

namespace hawser::rpc {
namespace {

// A call without a grpc-timeout may take this long; a stream, as long as it likes.
constexpr std::chrono::milliseconds longest_call = std::chrono::minutes(10);
constexpr std::chrono::milliseconds longest_stream = std::chrono::years(1);
constexpr std::chrono::milliseconds request_timeout{15'000};
constexpr std::chrono::milliseconds answer_timeout{15'000};
constexpr std::string_view bearer_prefix = "Bearer ";

struct Handler {
    const UnaryHandler* unary = nullptr;
    const StreamingHandler* streaming = nullptr;
};

Result<Handler> find_handler(const Methods& methods, const http::Headers& headers) {
    if (http::find_header(headers, ":method") != "POST")
        return fail(ErrorCode::unimplemented, "calls are POST requests");
    if (!http::find_header(headers, "content-type").starts_with("application/grpc"))
        return fail(ErrorCode::unimplemented, "not a call of the control protocol");
    const std::string_view path = http::find_header(headers, ":path");
    const Handler handler{methods.find_unary(path), methods.find_streaming(path)};
    if (handler.unary == nullptr && handler.streaming == nullptr)
        return fail(ErrorCode::unimplemented,
                    "this version has no method " + std::string(path.substr(0, 100)));
    return handler;
}

Result<std::chrono::milliseconds> find_timeout(const http::Headers& headers) {
    const std::string_view text = http::find_header(headers, "grpc-timeout");
    if (text.empty()) return longest_call;
    const auto timeout = parse_timeout(text);
    if (!timeout) return fail(ErrorCode::invalid, "the call's grpc-timeout is malformed");
    return std::min(*timeout, longest_call);
}

Caller with_bearer(Caller caller, const http::Headers& headers) {
    const std::string_view authorization = http::find_header(headers, "authorization");
    if (authorization.starts_with(bearer_prefix))
        caller.bearer = authorization.substr(bearer_prefix.size());
    return caller;
}

io::Task<Result<void>> answer(ServerCall& call, const UnaryHandler& handler, const Caller& caller) {
    auto request = co_await call.read(request_timeout);
    if (!request) co_return fail(std::move(request.error()));
    if (!*request) co_return fail(ErrorCode::invalid, "the call has no message");
    auto response = co_await handler(caller, std::move(**request));
    if (!response) co_return fail(std::move(response.error()));
    co_return co_await call.write(std::move(*response), answer_timeout);
}

// What the handler's task and the call's share.
struct Work {
    Caller caller;
    Handler handler;
    Result<void> status = fail(ErrorCode::cancelled, "the call was cancelled");
};

io::Task<void> handle(Work& work, ServerCall& call) {
    work.status = work.handler.unary != nullptr
                      ? co_await answer(call, *work.handler.unary, work.caller)
                      : co_await (*work.handler.streaming)(work.caller, call);
    call.set_handled();
}

} // namespace

ServerCall::ServerCall(io::Executor executor) : Channel(executor), changed_(executor) {}

void ServerCall::before_write() {
    if (std::exchange(responded_, true)) return;
    connection_->respond(stream_, response_headers());
}

void ServerCall::end(const Result<void>& status) {
    if (connection_ == nullptr || std::exchange(ended_, true)) return;
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

io::Task<void> run_call(const Methods& methods, const Caller& connection_caller,
                        http::Headers headers, std::shared_ptr<ServerCall> call) {
    // The handler's task must be joined, whatever happens to this one.
    co_await asio::this_coro::throw_if_cancelled(false);
    auto handler = find_handler(methods, headers);
    auto timeout = find_timeout(headers);
    if (!handler || !timeout) {
        call->end(fail(!handler ? handler.error() : timeout.error()));
    } else {
        Work work{.caller = with_bearer(connection_caller, headers), .handler = *handler};
        io::TaskGroup tasks(co_await asio::this_coro::executor);
        tasks.spawn(handle(work, *call));
        const bool handled =
            co_await call->handled(handler->streaming != nullptr ? longest_stream : *timeout);
        const auto state = co_await asio::this_coro::cancellation_state;
        const bool cancelled = state.cancelled() != asio::cancellation_type::none;
        tasks.cancel();
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        co_await tasks.join();
        if (!handled && !cancelled)
            work.status = fail(ErrorCode::deadline_exceeded, "the call took too long");
        call->end(work.status);
    }
    // The status is on its way; the stream needs its handler until it is closed.
    co_await call->wait_closed(answer_timeout);
}

} // namespace hawser::rpc
