// Ends the waits of a socket when a time is over. One loop.
//
//   Deadline deadline(socket, 2s);
//   co_await asio::async_read(socket, …);   // ends with operation_aborted after two seconds
//   if (deadline.expired()) …
//
// A wait begun after the end is not ended: ask expired() between two.
#pragma once

#include <chrono>
#include <memory>
#include <system_error>

#include "io/loop.h"

namespace hawser::host {

template <typename Socket>
class Deadline {
  public:
    Deadline(Socket& socket, std::chrono::milliseconds time)
        : state_(std::make_shared<State>(socket)) {
        state_->timer.expires_after(time);
        state_->timer.async_wait([state = state_](const std::error_code& error) {
            // The handler may run after the deadline has gone, and the socket with it.
            if (error || state->socket == nullptr) return;
            state->expired = true;
            std::error_code ignored;
            state->socket->cancel(ignored);
        });
    }
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;
    ~Deadline() {
        state_->socket = nullptr;
        state_->timer.cancel();
    }
    [[nodiscard]] bool expired() const { return state_->expired; }

  private:
    struct State {
        explicit State(Socket& watched) : socket(&watched), timer(watched.get_executor()) {}
        Socket* socket;
        io::Timer timer;
        bool expired = false;
    };
    std::shared_ptr<State> state_;
};

} // namespace hawser::host
