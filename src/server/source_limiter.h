// Limits how often one source may try something that costs us work and proves nothing yet: a
// token bucket a source, for a bounded number of sources. A source is an IPv4 address or an IPv6
// /64, all of whose addresses one host may have.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>

#include "base/ip.h"

namespace hawser::server {

class SourceLimiter {
  public:
    using Time = std::chrono::steady_clock::time_point;
    struct Options {
        double per_second = 1;
        double burst = 20;
        std::size_t sources = 4096;
    };
    explicit SourceLimiter(Options options) : options_(options) {}

    // Takes one try of `source`, if it has one left.
    [[nodiscard]] bool take(const IpAddress& address, Time now);
    // How long until it has a try; zero: it has one. Takes none.
    [[nodiscard]] std::chrono::milliseconds wait(const IpAddress& address, Time now) const;
    // The try was honest: it does not count.
    void give_back(const IpAddress& address);

  private:
    struct Bucket {
        double tries = 0;
        Time filled_at;
    };
    void refill(Bucket& bucket, Time now) const;
    void make_room(Time now);

    Options options_;
    std::map<IpAddress, Bucket> buckets_;
};

} // namespace hawser::server
