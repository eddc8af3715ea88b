#include "server/snapshot_keeper.h"

#include <algorithm>
#include <filesystem>
#include <format>
#include <utility>

#include "base/limits.h"
#include "io/clock.h"
#include "io/socket.h"
#include "log/log.h"
#include "registry/levels.h"
#include "server/broadcast.h"
#include "server/secret_files.h"
#include "store/snapshot_file.h"

namespace hawser::server {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view prefix = "mesh-";
constexpr std::string_view suffix = ".snapshot";
constexpr std::string_view partial_suffix = ".snapshot.partial"; // store/snapshot_file.h
constexpr Duration shortest_sleep{1'000};

// By name they are in the order of time: mesh-20261123T144500Z.snapshot
std::string name_of(WallTime made_at) {
    std::string time = format_time(made_at).substr(0, 19) + "Z"; // 2026-11-23T14:45:00
    std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
    return std::string(prefix) + time + std::string(suffix);
}

// In the order of time.
std::vector<std::string> files_ending(const std::string& folder, std::string_view ending) {
    std::vector<std::string> files;
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with(prefix) && name.ends_with(ending)) files.push_back(entry.path());
    }
    std::ranges::sort(files);
    return files;
}

Result<void> remove(const std::string& file) {
    std::error_code error;
    if (!fs::remove(file, error) && error) return fail_errno(error.value(), file);
    return {};
}

// Until the first one is due: what an earlier run made counts. One from the future, of a clock that
// was wrong, says nothing.
Duration first_wait(const std::string& folder, Duration interval) {
    const std::vector<std::string> kept = kept_snapshots(folder);
    if (kept.empty()) return Duration::zero();
    std::error_code error;
    const fs::file_time_type time = fs::last_write_time(kept.back(), error);
    if (error) return Duration::zero();
    const auto age = std::chrono::floor<Duration>(fs::file_time_type::clock::now() - time);
    return age < Duration::zero() ? Duration::zero() : std::max(interval - age, Duration::zero());
}

Result<void> write(store::SnapshotSource& source, const std::string& path) {
    Result<store::SnapshotFile> file = store::SnapshotFile::create(path);
    if (!file) return fail(std::move(file.error()));
    std::uint64_t offset = 0;
    for (bool last = false; !last;) {
        Result<store::SnapshotSource::Piece> piece =
            source.read(offset, limits::snapshot_chunk_bytes);
        if (!piece) return fail(std::move(piece.error()));
        if (Result<void> added = file->append(piece->bytes); !added) return added;
        offset += piece->bytes.size();
        last = piece->last;
    }
    return file->keep();
}

Result<void> write_and_tidy(store::SnapshotSource& source, const std::string& folder,
                            std::size_t keep) {
    if (Result<void> made = make_secret_directory(folder); !made) return made;
    // What a crash left unfinished. Only this thread writes here.
    for (const std::string& unfinished : files_ending(folder, partial_suffix))
        if (Result<void> removed = remove(unfinished); !removed) return removed;
    const std::string path = folder + "/" + name_of(source.header().made_at);
    if (Result<void> written = write(source, path); !written) return written;
    // What is there was made before it, also if its name is of a later time: the clock was ahead.
    std::vector<std::string> others = kept_snapshots(folder);
    std::erase(others, path);
    std::ranges::stable_partition(others, [&](const std::string& each) { return each > path; });
    for (std::size_t i = 0; i + keep <= others.size(); ++i)
        if (Result<void> removed = remove(others[i]); !removed) return removed;
    return {};
}

} // namespace

Result<store::SnapshotSource> take_snapshot(const RaftNode& raft, const std::string& version) {
    const registry::Registry& registry = raft.registry();
    const model::TrustDomain* domain = registry.tables().trust();
    if (domain == nullptr)
        return fail(ErrorCode::unavailable, "this server has not caught up with the others yet");
    const RaftStatus status = raft.status();
    store::SnapshotHeader header{
        .trust_domain = domain->name,
        .base = {.position = {.index = status.applied_index, .term = status.term}},
        .level = registry::feature_level(registry.tables()),
        .made_at = io::wall_now(),
        .made_by = version,
        .meta = registry.meta()};
    return store::SnapshotSource(std::move(header), registry.rows());
}

std::vector<std::string> kept_snapshots(const std::string& folder) {
    return files_ending(folder, suffix);
}

struct SnapshotKeeper::Work {
    Work(io::Executor on, store::SnapshotSource from) : source(std::move(from)), done(on) {}
    store::SnapshotSource source; // the thread's, until there is a result
    std::optional<Result<void>> result;
    Broadcast done;
};

SnapshotKeeper::SnapshotKeeper(io::Executor executor, const RaftNode& raft, Options options)
    : executor_(executor), raft_(raft), options_(std::move(options)), thread_("snapshots") {}

SnapshotKeeper::~SnapshotKeeper() = default;

io::Task<void> SnapshotKeeper::run() {
    if (options_.interval == Duration::zero() || options_.folder.empty()) co_return;
    thread_.start();
    // Not the wall clock: one that is put back would end the making of snapshots.
    Duration wait = first_wait(options_.folder, options_.interval);
    while (true) {
        if (!co_await io::sleep(std::max(wait, shortest_sleep))) co_return;
        wait = Duration::zero();
        if (raft_.registry().tables().trust() == nullptr) continue;
        wait = options_.interval;
        const Result<void> made = co_await make();
        trouble_ = made ? "" : made.error().message;
        if (made) {
            log::info("saved a snapshot of the registry", {{"folder", options_.folder}});
        } else {
            log::error("could not save a snapshot of the registry", {{"error", made.error()}});
        }
    }
}

io::Task<Result<void>> SnapshotKeeper::make() {
    Result<store::SnapshotSource> source = take_snapshot(raft_, options_.version);
    if (!source) co_return fail(std::move(source.error()));
    const auto work = std::make_shared<Work>(executor_, std::move(*source));
    thread_.post([work, executor = executor_, folder = options_.folder, keep = options_.keep] {
        Result<void> result = write_and_tidy(work->source, folder, keep);
        asio::post(executor, [work, result = std::move(result)] {
            work->result = result;
            work->done.notify_all();
        });
    });
    while (!work->result) {
        if (!co_await work->done.wait_until(Broadcast::Deadline::max())) break;
    }
    co_return work->result.value_or(fail(ErrorCode::cancelled, "the server is stopping"));
}

} // namespace hawser::server
