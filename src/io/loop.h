// One event loop on one thread, and the concrete Asio types every room above uses. Concrete
// executor types: no type erasure and no virtual call on the data path.
#pragma once

#include <asio/any_completion_handler.hpp>
#include <asio/awaitable.hpp>
#include <asio/basic_stream_socket.hpp>
#include <asio/basic_waitable_timer.hpp>
#include <asio/generic/stream_protocol.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <chrono>
#include <string>
#include <thread>

namespace hawser::io {

using Executor = asio::io_context::executor_type;
// A connected stream socket: TCP or Unix. Always non-blocking, close-on-exec.
using Socket = asio::basic_stream_socket<asio::generic::stream_protocol, Executor>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;
template <typename T>
using Task = asio::awaitable<T, Executor>;

// An io_context used by exactly one thread (its locks are compiled out by the hint of 1). Other
// threads may only call post() and stop().
class Loop {
  public:
    explicit Loop(std::string name); // the thread's name when run by start(); ≤ 15 characters
    ~Loop();                         // stops and joins
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    [[nodiscard]] asio::io_context& context() { return context_; }
    [[nodiscard]] Executor executor() { return context_.get_executor(); }

    void start(); // runs on a thread of its own
    void run();   // runs on this thread until stop()
    void stop();  // from any thread; handlers not yet run are dropped when the loop is destroyed
    void join();  // waits for the thread of start()

    // Runs `function` on the loop's thread, soon. From any thread.
    template <typename Function>
    void post(Function&& function) {
        asio::post(context_, std::forward<Function>(function));
    }

  private:
    std::string name_;
    asio::io_context context_;
    asio::executor_work_guard<Executor> work_;
    std::thread thread_;
};

} // namespace hawser::io
