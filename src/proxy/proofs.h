// Until when others have proven who they are. A TLS session proves it once, until its certificate
// expires; a stream may live longer than that. It does as long as the same two parties make new
// sessions with certificates that were renewed: each moves the proof that the streams on older
// sessions live by. Whoever is refused a renewal has no proof left one day, and its streams are
// cut.
//
// An inbound session arrives at whichever worker the kernel gives it to, so those proofs are the
// host's: atomics behind a list with a lock, which is asked once for each session.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/units.h"

namespace hawser::proxy {

class Proof {
  public:
    // Never earlier than before. Any thread.
    void extend(WallTime until);
    [[nodiscard]] WallTime until() const { return until_; }

  private:
    std::atomic<WallTime> until_ = 0;
};
using ProofPtr = std::shared_ptr<Proof>;

// Those of agents that call this host. Any thread.
class CallerProofs {
  public:
    // `generation`: of the certificate, which tells the node.
    [[nodiscard]] ProofPtr of(const std::string& identity, std::uint64_t generation);

  private:
    std::mutex mutex_;
    std::map<std::pair<std::string, std::uint64_t>, std::weak_ptr<Proof>> proofs_; // of sessions
};

} // namespace hawser::proxy
