// Watches the demo's wire on a thread of its own: with a packet socket inside a host's network
// namespace, or, where that may not be, as the cable itself: a relay between the two agents.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "base/result.h"
#include "demo_wire.h"

namespace hawser::cmd::demo {

class Capture {
  public:
    explicit Capture(std::string marker) : marker_(std::move(marker)), wire_(marker_) {}
    ~Capture() { stop(); }
    Capture(const Capture&) = delete;
    Capture& operator=(const Capture&) = delete;

    // Every frame of eth0 in the namespace.
    Result<void> watch_namespace(const std::string& network_namespace, std::uint16_t tunnel_port);
    // Everything that goes through 127.0.0.1:from on its way to 127.0.0.1:to.
    Result<void> watch_loopback(std::uint16_t from, std::uint16_t to);
    void stop();
    [[nodiscard]] WireFacts facts();
    [[nodiscard]] const std::string& marker() const { return marker_; }

  private:
    void run(std::function<void()> work);
    void read_frames(int descriptor, std::uint16_t tunnel_port);
    void relay(int listener, std::uint16_t to);

    const std::string marker_;
    std::mutex mutex_;
    Wire wire_;
    std::atomic<bool> stopping_ = false;
    std::thread thread_;
};

} // namespace hawser::cmd::demo
