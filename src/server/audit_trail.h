// This server's audit log at work: what is about to happen is recorded before it does, and what
// cannot be recorded is refused. See audit/log.h for the log.
//
// One loop. The files belong to a thread of the trail's own; what comes while it writes shares the
// next write, and one fsync.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "audit/log.h"
#include "audit/reader.h"
#include "config/server_config.h"
#include "io/loop.h"
#include "server/broadcast.h"

namespace hawser::server {

[[nodiscard]] audit::LogOptions audit_options(const config::ServerConfig& config);

// For programs that change a stopped server's folder (`hawser init`, `server recover`, `snapshot
// restore`). What was recorded survives a power cut.
[[nodiscard]] Result<void> record_offline(const config::ServerConfig& config,
                                          std::optional<audit::Head> known, audit::Entry entry);

class AuditTrail {
  public:
    AuditTrail(io::Executor executor, audit::Log log, std::string server);
    ~AuditTrail(); // waits for the write under way
    AuditTrail(const AuditTrail&) = delete;
    AuditTrail& operator=(const AuditTrail&) = delete;

    // Whether a record has to survive a power cut, or only the end of this process.
    enum class Until : std::uint8_t { written, synced };
    // Returns the record's number when it is there; its time and server are set here.
    [[nodiscard]] io::Task<Result<std::uint64_t>> record(audit::Entry entry, Until until);
    // The same, synced, without giving up the loop: for what happens a few times a day.
    [[nodiscard]] Result<void> record_now(audit::Entry entry);
    // What nobody waits for, because it has happened. A failure is told by trouble().
    void note(audit::Entry entry);
    // Everything recorded, before it was called, survives a power cut; how far that is.
    [[nodiscard]] io::Task<Result<audit::Head>> sync();

    [[nodiscard]] io::Task<Result<audit::Report>> verify(std::optional<audit::Head> known);
    [[nodiscard]] io::Task<Result<audit::Listing>> list(audit::Query query);

    // Why nothing is recorded now, so that nothing is changed; empty: it is.
    [[nodiscard]] const std::string& trouble() const { return trouble_; }
    // Why the chain that is written had to begin anew; empty: it did not.
    [[nodiscard]] const std::string& damage() const { return damage_; }
    // Notified when another file begins.
    [[nodiscard]] Broadcast& new_file() { return new_file_; }

  private:
    template <typename T>
    struct Answer;
    struct Batch;
    using Reply = std::shared_ptr<Answer<std::uint64_t>>;

    template <typename T>
    [[nodiscard]] io::Task<Result<T>> ask(std::function<Result<T>(audit::Log&)> question);
    template <typename T>
    [[nodiscard]] io::Task<Result<T>> look(
        std::function<Result<T>(const std::vector<audit::OpenFile>&)> look);
    [[nodiscard]] io::Task<void> catch_up();
    [[nodiscard]] Result<void> queue(audit::Entry entry, Reply reply, Until until);
    void write();
    void written(const Batch& batch, const Result<std::uint64_t>& first, std::uint64_t new_files);
    void tell(const std::optional<Error>& error);

    io::Executor executor_;
    std::string server_;
    std::string damage_;
    std::string trouble_;
    std::shared_ptr<audit::Log> log_; // the thread's
    std::shared_ptr<Batch> next_;     // gathers while another is written
    std::shared_ptr<Batch> writing_;  // null: none is
    Broadcast written_;
    std::uint64_t new_files_ = 0;
    Broadcast new_file_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    io::Loop thread_, reader_; // last: they end first
};

} // namespace hawser::server
