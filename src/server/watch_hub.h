// The registry's recent history, for those who follow it. The hub keeps the last changes that
// agents may see; a follower keeps nothing but the index it has, and asks for what came after.
// A slow follower gets many changes of one row as one, and one too slow for the ring starts over
// from a snapshot: nobody's slowness costs the server memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <vector>

#include "io/signal.h"
#include "model/row.h"

namespace hawser::server {

class WatchHub {
  public:
    static constexpr std::size_t default_capacity = 65'536; // changes
    static constexpr std::size_t most_bytes = 64 << 20;     // of them, roughly

    // `index`: the registry's, at the beginning. What came before it is not held.
    explicit WatchHub(std::uint64_t index, std::size_t capacity = default_capacity)
        : index_(index), held_from_(index), capacity_(capacity) {}

    // The registry is at `index` now. Indexes rise; changes that agents may not see are left out,
    // the index moves all the same.
    void publish(std::uint64_t index, const std::vector<model::Change>& changes);

    // The registry is another one, at `index`: nobody can go on from what he has, and all begin
    // with a snapshot.
    void reset(std::uint64_t index);

    // Followers are notified a last time.
    void close();
    [[nodiscard]] bool closed() const { return closed_; }

    [[nodiscard]] std::uint64_t index() const { return index_; }
    [[nodiscard]] std::size_t bytes() const { return bytes_; } // held, roughly

    // The last value of every row that changed after `have`, in the order of those changes. Empty
    // optional: no longer held, or `have` is not of this history; begin with a snapshot.
    [[nodiscard]] std::optional<std::vector<model::Change>> since(std::uint64_t have) const;

    // Every change after `have`, each by itself, in order: those of whole indexes until there are
    // `most` or nothing is left. `index`: nothing up to there is missing. Empty optional: as above.
    struct Changes {
        std::uint64_t index = 0;
        std::vector<model::Change> changes;
    };
    [[nodiscard]] std::optional<Changes> each_since(std::uint64_t have, std::size_t most) const;

    // A follower's signal is notified after every publish, for as long as the subscription lives.
    class Subscription {
      public:
        Subscription(WatchHub& hub, io::Signal& signal)
            : hub_(hub), place_(hub.followers_.insert(hub.followers_.end(), &signal)) {}
        Subscription(const Subscription&) = delete;
        Subscription& operator=(const Subscription&) = delete;
        ~Subscription() { hub_.followers_.erase(place_); }

      private:
        WatchHub& hub_;
        std::list<io::Signal*>::iterator place_;
    };

  private:
    void forget_oldest();

    std::uint64_t index_;
    std::uint64_t held_from_; // all visible changes after this index are in recent_
    std::size_t capacity_;
    std::size_t bytes_ = 0;
    bool closed_ = false;
    std::deque<model::Change> recent_; // by index
    std::list<io::Signal*> followers_;
};

} // namespace hawser::server
