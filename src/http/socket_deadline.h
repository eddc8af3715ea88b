// Ends what waits on a socket when the time is up: a bound for a whole exchange of many reads and
// writes. One thread.
#pragma once

#include <chrono>
#include <memory>

#include "io/loop.h"
#include "io/socket.h"

namespace hawser::http {

class SocketDeadline {
  public:
    // The socket must outlive this.
    SocketDeadline(io::Socket& socket, std::chrono::milliseconds timeout)
        : timer_(socket.get_executor()), state_(std::make_shared<State>(&socket)) {
        restart(timeout);
    }
    ~SocketDeadline() { state_->socket = nullptr; }
    SocketDeadline(const SocketDeadline&) = delete;
    SocketDeadline& operator=(const SocketDeadline&) = delete;

    void restart(std::chrono::milliseconds timeout) {
        timer_.expires_after(timeout);
        timer_.async_wait([state = state_](const std::error_code& error) {
            if (error || state->socket == nullptr) return;
            state->passed = true;
            io::close(*state->socket);
        });
    }
    [[nodiscard]] bool passed() const { return state_->passed; }

  private:
    // Shared with the timer's handler, which may run after this is gone.
    struct State {
        explicit State(io::Socket* the_socket) : socket(the_socket) {}
        io::Socket* socket;
        bool passed = false;
    };
    io::Timer timer_;
    std::shared_ptr<State> state_;
};

} // namespace hawser::http
