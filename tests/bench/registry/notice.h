// How soon those who follow the registry notice a change: many streams, one change at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "fleet.h"
#include "io/loop.h"
#include "system.h"

namespace hawser::bench {

// Makes changes, and streams that show them. A change is a number, written into one row.
class Mesh {
  public:
    class Stream {
      public:
        virtual ~Stream() = default;
        // The next message; 0: it was about something else.
        [[nodiscard]] virtual io::Task<Result<std::uint64_t>> next() = 0;
        // Says that we are still there, where that is expected.
        [[nodiscard]] virtual io::Task<Result<void>> keep_alive() = 0;
    };

    virtual ~Mesh() = default;
    [[nodiscard]] virtual io::Task<Result<void>> prepare() = 0;
    [[nodiscard]] virtual io::Task<Result<std::unique_ptr<Stream>>> follow(std::size_t number) = 0;
    [[nodiscard]] virtual io::Task<Result<void>> change(std::uint64_t change) = 0;
};

// Sessions of the fleet's nodes; the last one's agent reports a change of an instance.
[[nodiscard]] std::unique_ptr<Mesh> make_hawser_mesh(const System& operators, FleetOptions options,
                                                     std::vector<NodeIdentity> nodes);
// Watches of all keys; a Put of one.
[[nodiscard]] std::unique_ptr<Mesh> make_etcd_mesh(const System& system, FleetOptions options);
// The rows of such a fleet as keys of etcd; how many.
[[nodiscard]] io::Task<Result<std::size_t>> grow_etcd(const System& system, FleetOptions options);

struct NoticeOptions {
    std::size_t streams = 1'000;
    std::size_t changes = 20;
    std::chrono::milliseconds pause{100}; // between changes
};

struct NoticeResult {
    std::vector<std::uint32_t> latencies_us; // of each stream and change, sorted
};

// Fails when a stream ends, or does not get a change.
[[nodiscard]] io::Task<Result<NoticeResult>> measure_notice(Mesh& mesh, NoticeOptions options);

} // namespace hawser::bench
