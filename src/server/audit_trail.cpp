#include "server/audit_trail.h"

#include <chrono>
#include <format>
#include <future>
#include <utility>

#include "base/limits.h"
#include "io/clock.h"
#include "log/log.h"

namespace hawser::server {

namespace {

// A disk that takes longer hangs.
constexpr std::chrono::seconds longest_wait{5};

// The number of the first.
Result<std::uint64_t> write_batch(audit::Log& log, const std::vector<audit::Entry>& entries,
                                  bool sync) {
    Result<void> done = log.append(entries);
    if (done && sync) done = log.sync();
    if (!done) return fail(std::move(done.error()));
    return log.head().sequence - entries.size() + 1; // another file may have begun with one more
}

std::unexpected<Error> refused(Error why) {
    return fail(std::move(why), "refused, because it cannot be recorded in the audit log");
}

} // namespace

template <typename T>
struct AuditTrail::Answer {
    explicit Answer(io::Executor executor) : done(executor) {}
    std::optional<Result<T>> result;
    Broadcast done;
};

struct AuditTrail::Batch {
    std::vector<audit::Entry> entries;
    std::vector<Reply> replies; // one an entry; null: nobody waits
    bool sync = false;
    bool ended = false;
};

audit::LogOptions audit_options(const config::ServerConfig& config) {
    return {.folder = config.data_dir + "/audit",
            .server = config.node,
            .file_bytes = config.audit.file_bytes,
            .keep_files = config.audit.keep,
            .keep_for = config.audit.max_age};
}

Result<void> record_offline(const config::ServerConfig& config, std::optional<audit::Head> known,
                            audit::Entry entry) {
    entry.time = io::wall_now();
    entry.server = config.node;
    Result<audit::Log> log = audit::Log::open(audit_options(config), std::move(known), entry.time);
    if (!log) return refused(std::move(log.error()));
    Result<void> written = log->append({&entry, 1});
    if (written) written = log->sync();
    if (!written) return refused(std::move(written.error()));
    return {};
}

AuditTrail::AuditTrail(io::Executor executor, audit::Log log, std::string server)
    : executor_(executor),
      server_(std::move(server)),
      damage_(log.damage()),
      log_(std::make_shared<audit::Log>(std::move(log))),
      next_(std::make_shared<Batch>()),
      written_(executor),
      new_files_(log_->new_files()),
      new_file_(executor),
      thread_("audit"),
      reader_("audit-reader") {
    if (!log_->repaired().empty())
        log::warn("the audit log was repaired", {{"repair", log_->repaired()}});
    if (!damage_.empty())
        log::error("the audit log is damaged; see hawser audit verify", {{"reason", damage_}});
    thread_.start();
    reader_.start();
}

AuditTrail::~AuditTrail() = default;

// --- recording --------------------------------------------------------------------------------

io::Task<Result<std::uint64_t>> AuditTrail::record(audit::Entry entry, Until until) {
    const auto reply = std::make_shared<Answer<std::uint64_t>>(executor_);
    if (Result<void> queued = queue(std::move(entry), reply, until); !queued)
        co_return refused(std::move(queued.error()));
    while (!reply->result) {
        if (!co_await reply->done.wait_until(Broadcast::Deadline::max())) break;
    }
    if (!reply->result) co_return fail(ErrorCode::cancelled, "the server is stopping");
    if (!*reply->result) co_return refused(reply->result->error());
    co_return **reply->result;
}

void AuditTrail::note(audit::Entry entry) {
    if (Result<void> queued = queue(std::move(entry), nullptr, Until::written); !queued)
        tell(queued.error());
}

Result<void> AuditTrail::queue(audit::Entry entry, Reply reply, Until until) {
    if (next_->entries.size() >= limits::audit_queue)
        return fail(ErrorCode::resource_exhausted, "too many records wait for the disk");
    entry.time = io::wall_now();
    entry.server = server_;
    next_->entries.push_back(std::move(entry));
    next_->replies.push_back(std::move(reply));
    next_->sync = next_->sync || until == Until::synced;
    write();
    return {};
}

// From the loop's next turn on: what comes in this one goes together.
void AuditTrail::write() {
    if (writing_ || next_->entries.empty()) return;
    writing_ = next_;
    asio::post(executor_, [this, alive = std::weak_ptr(alive_)] {
        if (alive.expired()) return;
        const auto batch = std::exchange(next_, std::make_shared<Batch>());
        thread_.post([this, alive, log = log_, executor = executor_, batch] {
            const Result<std::uint64_t> first = write_batch(*log, batch->entries, batch->sync);
            asio::post(executor, [this, alive, batch, first, files = log->new_files()] {
                if (!alive.expired()) written(*batch, first, files);
            });
        });
    });
}

void AuditTrail::written(const Batch& batch, const Result<std::uint64_t>& first,
                         std::uint64_t new_files) {
    writing_->ended = true;
    writing_.reset();
    written_.notify_all();
    tell(first ? std::nullopt : std::optional(first.error()));
    for (std::size_t i = 0; i < batch.replies.size(); ++i) {
        if (!batch.replies[i]) continue;
        batch.replies[i]->result = first ? Result<std::uint64_t>(*first + i) : fail(first.error());
        batch.replies[i]->done.notify_all();
    }
    if (std::exchange(new_files_, new_files) != new_files) new_file_.notify_all();
    write();
}

Result<void> AuditTrail::record_now(audit::Entry entry) {
    entry.time = io::wall_now();
    entry.server = server_;
    const auto done = std::make_shared<std::promise<Result<std::uint64_t>>>();
    std::future<Result<std::uint64_t>> result = done->get_future();
    thread_.post([log = log_, done, entries = std::vector{std::move(entry)}] {
        done->set_value(write_batch(*log, entries, true));
    });
    if (result.wait_for(longest_wait) != std::future_status::ready)
        return refused({ErrorCode::deadline_exceeded, "the disk does not answer"});
    Result<std::uint64_t> written = result.get();
    tell(written ? std::nullopt : std::optional(written.error()));
    if (!written) return refused(std::move(written.error()));
    return {};
}

void AuditTrail::tell(const std::optional<Error>& error) {
    const std::string text = error ? error->message : std::string();
    const std::string before = std::exchange(trouble_, text);
    if (!text.empty() && before.empty())
        log::error("the audit log cannot be written: changes are refused", {{"error", *error}});
    if (text.empty() && !before.empty())
        log::info("the audit log is written again: changes are taken", {{"after", before}});
}

// --- looking ----------------------------------------------------------------------------------

template <typename T>
io::Task<Result<T>> AuditTrail::ask(std::function<Result<T>(audit::Log&)> question) {
    const auto answer = std::make_shared<Answer<T>>(executor_);
    thread_.post([log = log_, executor = executor_, answer, question = std::move(question)] {
        auto result = std::make_shared<Result<T>>(question(*log));
        asio::post(executor, [answer, result] {
            answer->result.emplace(std::move(*result));
            answer->done.notify_all();
        });
    });
    while (!answer->result) {
        if (!co_await answer->done.wait_until(Broadcast::Deadline::max())) break;
    }
    if (!answer->result) co_return fail(ErrorCode::cancelled, "the server is stopping");
    co_return std::move(*answer->result);
}

// What was recorded before is with the thread by then, or written.
io::Task<void> AuditTrail::catch_up() {
    const std::shared_ptr<Batch> last = next_->entries.empty() ? writing_ : next_;
    while (last && !last->ended) {
        if (!co_await written_.wait_until(Broadcast::Deadline::max())) break;
    }
}

io::Task<Result<audit::Head>> AuditTrail::sync() {
    co_await catch_up();
    co_return co_await ask<audit::Head>([](audit::Log& log) -> Result<audit::Head> {
        if (Result<void> synced = log.sync(); !synced) return fail(std::move(synced.error()));
        return log.synced();
    });
}

// The files are opened between two writes, so that they end with a whole record, and read while
// others are written: what they hold then stays.
template <typename T>
io::Task<Result<T>> AuditTrail::look(
    std::function<Result<T>(const std::vector<audit::OpenFile>&)> look) {
    co_await catch_up();
    using Files = std::shared_ptr<std::vector<audit::OpenFile>>;
    Result<Files> files = co_await ask<Files>([](audit::Log& log) -> Result<Files> {
        Result<std::vector<audit::OpenFile>> opened = audit::open_files(log.folder());
        if (!opened) return fail(std::move(opened.error()));
        return std::make_shared<std::vector<audit::OpenFile>>(std::move(*opened));
    });
    if (!files) co_return fail(std::move(files.error()));
    const auto answer = std::make_shared<Answer<T>>(executor_);
    reader_.post([files = *files, executor = executor_, answer, look = std::move(look)] {
        auto result = std::make_shared<Result<T>>(look(*files));
        asio::post(executor, [answer, result] {
            answer->result.emplace(std::move(*result));
            answer->done.notify_all();
        });
    });
    while (!answer->result) {
        if (!co_await answer->done.wait_until(Broadcast::Deadline::max())) break;
    }
    if (!answer->result) co_return fail(ErrorCode::cancelled, "the server is stopping");
    co_return std::move(*answer->result);
}

io::Task<Result<audit::Report>> AuditTrail::verify(std::optional<audit::Head> known) {
    return look<audit::Report>([known = std::move(known)](const auto& files) {
        return audit::verify(files, audit::Verifier(known));
    });
}

io::Task<Result<audit::Listing>> AuditTrail::list(audit::Query query) {
    return look<audit::Listing>(
        [query = std::move(query)](const auto& files) { return audit::list(files, query); });
}

} // namespace hawser::server
