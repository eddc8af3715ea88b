// Tells the registry how far this server's audit log has come, so that all servers know it: who
// shortens or rewrites the log is found by comparison (hawser audit verify).
#pragma once

#include <chrono>
#include <string>

#include "io/loop.h"
#include "server/audit_trail.h"
#include "server/raft_node.h"

namespace hawser::server {

class AuditHeads {
  public:
    // All must outlive this.
    AuditHeads(RaftNode& raft, AuditTrail& trail, std::string server)
        : raft_(raft), trail_(trail), server_(std::move(server)) {}

    // Once a minute, and when a file of the log ends. Until cancelled.
    [[nodiscard]] io::Task<void> run();
    // Now, if there is anything new and somebody to tell.
    [[nodiscard]] io::Task<void> publish(std::chrono::milliseconds timeout);
    // Why the registry does not know the last head that it was to know; empty: it does.
    [[nodiscard]] const std::string& trouble() const { return trouble_; }

  private:
    [[nodiscard]] io::Task<Result<void>> try_to_publish(std::chrono::milliseconds timeout);

    RaftNode& raft_;
    AuditTrail& trail_;
    std::string server_;
    std::string trouble_;
};

} // namespace hawser::server
