#include "server/raft_snapshots.h"

#include <algorithm>
#include <format>
#include <utility>

#include "model/command.h"

namespace hawser::server {

// --- sending ---------------------------------------------------------------------------------

SnapshotSendings::SourcePtr SnapshotSendings::find(const raft::ReadSnapshot& read,
                                                   raft::Index first_index) {
    if (read.snapshot == 0) {
        if (sendings_.empty()) return nullptr;
        Sending& newest = sendings_.back();
        if (newest.source->header().base.position.index + 1 < first_index) return nullptr;
        newest.to.insert(read.to);
        return newest.source;
    }
    const auto found = std::ranges::find_if(sendings_, [&](const Sending& sending) {
        return sending.source->header().base.position.index == read.snapshot &&
               sending.to.contains(read.to);
    });
    return found == sendings_.end() ? nullptr : found->source;
}

void SnapshotSendings::add(raft::ServerId to, SourcePtr source) {
    sendings_.push_back({.source = std::move(source), .to = {to}});
}

void SnapshotSendings::close(raft::ServerId to) {
    for (Sending& sending : sendings_) sending.to.erase(to);
    std::erase_if(sendings_, [](const Sending& sending) { return sending.to.empty(); });
}

// --- receiving -------------------------------------------------------------------------------

struct SnapshotReceiver::Arriving {
    std::vector<model::Change> rows;
    store::SnapshotParser parser{[this](model::Change row) -> Result<void> {
        rows.push_back(std::move(row));
        return {};
    }};
    bool header_checked = false;
};

namespace {

// What this program cannot go on from is refused before the rest of it comes.
Result<void> check_header(const store::SnapshotHeader& header, const raft::Base& expected) {
    if (header.base != expected) {
        return fail(ErrorCode::invalid,
                    std::format("it was announced as of entry {}, and is of entry {}",
                                expected.position.index, header.base.position.index));
    }
    if (header.level <= model::newest_level) return {};
    return fail(ErrorCode::unimplemented,
                std::format("its commands have level {}, this version knows up to {}: upgrade "
                            "this server",
                            header.level, model::newest_level));
}

} // namespace

Result<std::optional<registry::Registry>> SnapshotReceiver::take(const raft::WriteSnapshot& piece,
                                                                 store::StateStore& store) {
    if (piece.offset == 0) arriving_ = std::make_shared<Arriving>();
    if (arriving_ == nullptr) {
        return fail(ErrorCode::failed_precondition, "the beginning of the snapshot is not kept");
    }
    Result<std::optional<registry::Registry>> taken = take_piece(piece, store);
    if (!taken || piece.last) arriving_ = nullptr;
    return taken;
}

Result<std::optional<registry::Registry>> SnapshotReceiver::take_piece(
    const raft::WriteSnapshot& piece, store::StateStore& store) {
    if (Result<void> added = arriving_->parser.add(*piece.data); !added)
        return fail(std::move(added.error()));
    if (const auto& header = arriving_->parser.header(); header && !arriving_->header_checked) {
        if (Result<void> checked = check_header(*header, piece.base); !checked)
            return fail(std::move(checked.error()));
        arriving_->header_checked = true;
    }
    if (!piece.last) return std::optional<registry::Registry>();
    return install(piece.base, store).transform([](registry::Registry registry) {
        return std::optional(std::move(registry));
    });
}

// Whether the rows make a registry is known before they are stored.
Result<registry::Registry> SnapshotReceiver::install(const raft::Base& base,
                                                     store::StateStore& store) {
    if (Result<void> whole = arriving_->parser.finish(); !whole)
        return fail(std::move(whole.error()));
    const std::string& meta = arriving_->parser.header()->meta;
    Result<registry::Registry> registry = registry::Registry::restore(arriving_->rows, meta);
    if (!registry) return registry;
    if (registry->index() > base.position.index)
        return fail(ErrorCode::corrupt, "its registry is newer than its place in the log");
    Result<void> stored = store.replace({.applied = base.position.index,
                                         .meta = meta,
                                         .rows = std::move(arriving_->rows),
                                         .installed = base});
    if (!stored) return fail(std::move(stored.error()));
    return registry;
}

} // namespace hawser::server
