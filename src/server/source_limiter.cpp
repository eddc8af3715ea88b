#include "server/source_limiter.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace hawser::server {

namespace {

IpAddress source_of(const IpAddress& address) {
    if (address.is_v4()) return address;
    std::array<std::uint8_t, 16> bytes = address.bytes();
    std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
    return IpAddress::v6(bytes);
}

} // namespace

void SourceLimiter::refill(Bucket& bucket, Time now) const {
    const double seconds = std::chrono::duration<double>(now - bucket.filled_at).count();
    bucket.tries = std::min(options_.burst, bucket.tries + seconds * options_.per_second);
    bucket.filled_at = now;
}

bool SourceLimiter::take(const IpAddress& address, Time now) {
    const IpAddress source = source_of(address);
    if (!buckets_.contains(source)) make_room(now);
    Bucket& bucket = buckets_.try_emplace(source, Bucket{.tries = options_.burst, .filled_at = now})
                         .first->second;
    refill(bucket, now);
    if (bucket.tries < 1) return false;
    bucket.tries -= 1;
    return true;
}

std::chrono::milliseconds SourceLimiter::wait(const IpAddress& address, Time now) const {
    const auto found = buckets_.find(source_of(address));
    if (found == buckets_.end()) return {};
    Bucket bucket = found->second;
    refill(bucket, now);
    if (bucket.tries >= 1) return {};
    return std::chrono::milliseconds(
        static_cast<std::int64_t>(std::ceil((1 - bucket.tries) / options_.per_second * 1000)));
}

void SourceLimiter::give_back(const IpAddress& address) {
    if (const auto found = buckets_.find(source_of(address)); found != buckets_.end()) {
        found->second.tries = std::min(options_.burst, found->second.tries + 1);
    }
}

// Full buckets say nothing and go first; if all say something, the fullest goes.
void SourceLimiter::make_room(Time now) {
    if (buckets_.size() < options_.sources) return;
    for (auto& [source, bucket] : buckets_) refill(bucket, now);
    std::erase_if(buckets_,
                  [this](const auto& entry) { return entry.second.tries >= options_.burst; });
    if (buckets_.size() < options_.sources) return;
    buckets_.erase(std::ranges::max_element(buckets_, {},
                                            [](const auto& entry) { return entry.second.tries; }));
}

} // namespace hawser::server
