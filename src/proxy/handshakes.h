// Tunnels whose peer has not yet said who it is. Strangers have few places, apart from the host's
// connections; when all are taken, the one who has most of them loses its oldest: somebody who
// opens connections and says nothing keeps nobody else out. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "base/ip.h"

namespace hawser::proxy {

class Handshakes {
  public:
    static constexpr std::size_t most = 256; // of one worker

    // A handshake's place for as long as it lasts.
    class Place {
      public:
        // `cut` ends the handshake, not before this call has returned.
        Place(Handshakes& handshakes, const IpAddress& peer, std::function<void()> cut);
        ~Place() { handshakes_.places_.erase(number_); }
        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;

      private:
        Handshakes& handshakes_;
        std::uint64_t number_;
    };

    [[nodiscard]] std::size_t size() const { return places_.size(); }

  private:
    struct Taken {
        IpAddress source; // of an IPv6 peer its /64: one host may have all of those addresses
        std::function<void()> cut;
    };
    void make_room();

    std::map<std::uint64_t, Taken> places_; // by arrival
    std::uint64_t arrivals_ = 0;
};

} // namespace hawser::proxy
