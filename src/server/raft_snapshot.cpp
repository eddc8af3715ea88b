// Snapshots of the registry, to servers that the log cannot help any more, and from the leader.
#include <format>
#include <utility>

#include "io/clock.h"
#include "log/log.h"
#include "registry/levels.h"
#include "server/raft_node.h"

namespace hawser::server {

// The rows are shared with the registry, so that beginning costs little; they are encoded on the
// rows' thread, piece by piece, as they are sent.
void RaftNode::read_snapshot(const raft::ReadSnapshot& read) {
    SnapshotSendings::SourcePtr source = sendings_.find(read, core_.first_index());
    if (source == nullptr && read.snapshot == 0) {
        const registry::Tables& tables = registry_.tables();
        source = std::make_shared<store::SnapshotSource>(
            store::SnapshotHeader{
                .trust_domain = tables.trust() == nullptr ? "" : tables.trust()->name,
                .base = applied_,
                .level = registry::feature_level(tables),
                .made_at = io::wall_now(),
                .made_by = options_.version,
                .meta = registry_.meta()},
            registry_.rows());
        sendings_.add(read.to, source);
        log::info("sending a snapshot",
                  {{"to", std::format("{:016x}", read.to)}, {"index", applied_.position.index}});
    }
    const auto answer = std::make_shared<raft::SnapshotRead>(raft::SnapshotRead{
        .to = read.to, .snapshot = read.snapshot, .offset = read.offset, .data = nullptr});
    if (source != nullptr) answer->snapshot = source->header().base.position.index;
    run_on(
        state_thread_,
        [source, read, answer]() -> Result<void> {
            if (source == nullptr) return fail(ErrorCode::not_found, "it is no longer kept");
            Result<store::SnapshotSource::Piece> piece = source->read(read.offset, read.bytes);
            if (!piece) return fail(std::move(piece.error()));
            answer->data = raft::make_payload(std::move(piece->bytes));
            answer->last = piece->last;
            return {};
        },
        [this, answer](Result<void> result) {
            if (!result) log::warn("could not read a snapshot", {{"error", result.error()}});
            step(std::move(*answer));
        });
}

void RaftNode::write_snapshot(raft::WriteSnapshot write) {
    installing_ = write.last;
    if (write.offset == 0) {
        log::info("receiving a snapshot", {{"index", write.base.position.index}});
    }
    const auto whole = std::make_shared<std::optional<registry::Registry>>();
    const auto piece = std::make_shared<raft::WriteSnapshot>(std::move(write));
    run_on(
        state_thread_,
        [this, whole, piece]() -> Result<void> {
            return receiver_->take(*piece, storage_.state).transform([&](auto registry) {
                *whole = std::move(registry);
            });
        },
        [this, whole, piece](Result<void> result) {
            snapshot_written(*piece, std::move(*whole), std::move(result));
        });
}

// A full disk or a damaged piece costs this attempt: the leader begins again. What the disk holds
// after another failure nobody knows.
void RaftNode::snapshot_written(const raft::WriteSnapshot& piece,
                                std::optional<registry::Registry> whole, Result<void> result) {
    installing_ = false;
    if (!result) {
        log::error("could not take a snapshot",
                   {{"index", piece.base.position.index}, {"error", result.error()}});
        if (result.error().code == ErrorCode::internal) {
            return end_writing(std::move(result.error()).context("installing a snapshot"));
        }
    }
    if (whole) {
        registry_ = std::move(*whole);
        applied_ = piece.base;
        stored_applied_ = applied_.position.index;
        unsaved_.clear();
        callers_.installed(applied_.position);
        log::info("the registry is now that of a snapshot", {{"index", applied_.position.index}});
        if (on_installed_) on_installed_();
    }
    step(raft::SnapshotWritten{
        .snapshot = piece.base.position, .offset = piece.offset, .failed = !result.has_value()});
    changed_.notify_all();
}

} // namespace hawser::server
