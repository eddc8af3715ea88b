// The disk's side of a simulated server: one job after the other.
#include <format>
#include <utility>

#include "server.h"

namespace hawser::raft::sim {

Time Server::slowest_write() const {
    return world_.troubled ? world_.profile.write_most : 2;
}

void Server::enqueue(Job job) {
    jobs_.push_back(std::move(job));
    begin_job();
}

void Server::begin_job() {
    if (working_ || jobs_.empty()) return;
    working_ = true;
    Job& job = jobs_.front();
    if (auto* persist = std::get_if<PersistJob>(&job)) {
        persist->writes.assign(std::make_move_iterator(writes_.begin()),
                               std::make_move_iterator(writes_.end()));
        writes_.clear();
    } else if (auto* store = std::get_if<StoreJob>(&job)) {
        store->machine = machine_;
    }
    Time duration = world_.between(0, slowest_write());
    const auto* piece = std::get_if<PieceJob>(&job);
    const bool installs = piece && piece->piece.last;
    const Chance hang = installs ? world_.profile.slow_install : world_.profile.hang;
    if (world_.troubled && world_.happens(hang)) {
        duration += world_.between(0, 600);
        if (installs) world_.scheduler.after(1, [this] { world_.install_is_slow(); });
    }
    soon(duration, [this] { finish_job(); });
}

void Server::finish_job() {
    if (disk_full_) { // tried again until there is room
        soon(20, [this] { finish_job(); });
        return;
    }
    if (world_.troubled && world_.happens(world_.profile.crash_at_write)) {
        crash(world_.random.below(2) == 0);
        return;
    }
    Job job = std::move(jobs_.front());
    take_effect(job);
    jobs_.pop_front();
    working_ = false;
    report(job);
    if (up()) begin_job();
}

// On the disk. A crash may come before anybody hears of it.
void Server::take_effect(Job& job) {
    if (auto* persist = std::get_if<PersistJob>(&job)) {
        for (const Persist& write : persist->writes) disk_.log.write(write);
    } else if (auto* store = std::get_if<StoreJob>(&job)) {
        disk_.written = {.machine = store->machine,
                         .checksum = store->machine.checksum(),
                         .snapshot = snapshot_};
    } else if (auto* cut = std::get_if<CutJob>(&job)) {
        disk_.synced = disk_.written;
        disk_.log.compact(cut->base);
    } else if (auto* piece = std::get_if<PieceJob>(&job)) {
        stage(*piece);
    }
}

// A snapshot grows beside the machine's storage; its checksum is looked at before it takes the
// storage's place.
void Server::stage(PieceJob& job) {
    const WriteSnapshot& piece = job.piece;
    if (piece.offset == 0) staged_ = {};
    if (job.fails) return;
    staged_.bytes += *piece.data;
    if (world_.troubled && world_.happens(world_.profile.snapshot_flip)) {
        staged_.bytes[world_.random.below(staged_.bytes.size())] ^= 1;
        staged_.flipped = true;
        ++world_.counts.flips;
    }
    if (!piece.last) return;
    const std::optional<Machine> machine = Machine::from_bytes(staged_.bytes);
    if (!machine && staged_.flipped) {
        job.fails = true;
        return;
    }
    if (!machine || machine->applied != piece.base.position.index) {
        world_.oracle.fail(
            std::format("server {:x} received a snapshot in pieces that do not fit", id_));
        return;
    }
    world_.oracle.installed(id_, *machine);
    disk_.written = {.machine = *machine, .checksum = machine->checksum(), .snapshot = piece.base};
    disk_.synced = disk_.written;
}

void Server::report(Job& job) {
    if (auto* persist = std::get_if<PersistJob>(&job)) {
        step(Persisted{.sequence = persist->writes.back().sequence});
    } else if (auto* piece = std::get_if<PieceJob>(&job)) {
        installing_ = false;
        if (piece->piece.last && !piece->fails) {
            machine_ = disk_.written.machine;
            snapshot_ = disk_.written.snapshot;
            history_.begin(machine_.applied);
            ++world_.counts.snapshots;
            if (world_.telling) {
                world_.tell(std::format("{:x} installs a snapshot of {}", id_, machine_.applied));
            }
        }
        step(SnapshotWritten{.snapshot = piece->piece.base.position,
                             .offset = piece->piece.offset,
                             .failed = piece->fails});
    } else if (std::holds_alternative<StoreJob>(job)) {
        maybe_cut();
    }
}

void Server::maybe_store() {
    if (!queued<StoreJob>() && world_.happens(world_.profile.store)) enqueue(StoreJob{});
}

void Server::maybe_cut() {
    const Index trailing = world_.profile.options.trailing_entries;
    const Index stored = disk_.written.machine.applied;
    if (stored < log_.base().position.index + 2 * trailing + 5 || queued<CutJob>()) return;
    if (stored > machine_.applied) return;
    step(Compact{.index = stored});
}

// A snapshot is of the moment when it is begun.
void Server::read_piece(const ReadSnapshot& read) {
    if (read.offset == 0 && read.snapshot == 0) {
        open_snapshots_[read.to] = {.index = machine_.applied, .bytes = machine_.to_bytes()};
    }
    SnapshotRead answer{.to = read.to, .snapshot = read.snapshot, .offset = read.offset};
    const auto found = open_snapshots_.find(read.to);
    const bool fails = world_.troubled && world_.happens(world_.profile.snapshot_failure);
    if (found != open_snapshots_.end() && found->second.bytes.size() >= read.offset && !fails) {
        const OpenSnapshot& open = found->second;
        const std::string piece = open.bytes.substr(read.offset, read.bytes);
        answer.snapshot = open.index;
        answer.last = read.offset + piece.size() == open.bytes.size();
        answer.data = make_payload(piece);
    }
    soon(world_.between(0, slowest_write()), [this, answer] { step(answer); });
}

} // namespace hawser::raft::sim
