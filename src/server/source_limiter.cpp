#include "server/source_limiter.h"

#include <algorithm>

namespace hawser::server {

void SourceLimiter::refill(Bucket& bucket, Time now) const {
    const double seconds = std::chrono::duration<double>(now - bucket.filled_at).count();
    bucket.tries = std::min(options_.burst, bucket.tries + seconds * options_.per_second);
    bucket.filled_at = now;
}

bool SourceLimiter::take(const IpAddress& source, Time now) {
    if (!buckets_.contains(source)) make_room(now);
    Bucket& bucket = buckets_.try_emplace(source, Bucket{.tries = options_.burst, .filled_at = now})
                         .first->second;
    refill(bucket, now);
    if (bucket.tries < 1) return false;
    bucket.tries -= 1;
    return true;
}

void SourceLimiter::give_back(const IpAddress& source) {
    if (const auto found = buckets_.find(source); found != buckets_.end()) {
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
