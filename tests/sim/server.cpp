// The core's side of a simulated server.
#include "server.h"

#include <algorithm>
#include <cmath>
#include <format>
#include <utility>

#include "raft/bootstrap.h"

namespace hawser::raft::sim {

Server::Server(World& world, Network& network, ServerId id)
    : world_(world), network_(network), id_(id), history_(world.profile.watch_capacity) {}

void Server::bootstrap(const std::vector<ServerId>& voters) {
    disk_.log.write(raft::bootstrap(voters));
}

void Server::start() {
    if (up() || lost_) return;
    if (!disk_.is_sound()) {
        if (world_.telling) world_.tell(std::format("{:x} finds its disk damaged", id_));
        ++world_.counts.flips;
        lost_ = true;
        return;
    }
    world_.oracle.restarts(id_, disk_.log);
    Options options = world_.profile.options;
    options.seed = world_.random.next();
    Result<Core> core = Core::restore({.id = id_,
                                       .hard_state = disk_.log.hard_state(),
                                       .base = disk_.log.base(),
                                       .entries = disk_.log.entries(),
                                       .applied = disk_.written.machine.applied,
                                       .snapshot = disk_.written.snapshot},
                                      options);
    if (!core) {
        world_.oracle.fail(
            std::format("server {:x} cannot be restored: {}", id_, core.error().message));
        return;
    }
    core_.emplace(std::move(*core));
    log_ = disk_.log;
    machine_ = disk_.written.machine;
    snapshot_ = disk_.written.snapshot;
    history_.begin(machine_.applied);
    if (world_.telling) {
        world_.tell(std::format("{:x} starts, term {}, log {} … {}, applied {}", id_, core_->term(),
                                core_->first_index(), core_->last_index(), machine_.applied));
    }
    schedule_tick();
}

// What the worker was doing is done or not, and of several writes perhaps the first few: one that
// was torn is as if it had never begun. A power cut also takes what was not synced.
void Server::crash(bool power_cut) {
    if (!up()) return;
    if (world_.telling)
        world_.tell(std::format("{:x} {}", id_, power_cut ? "loses power" : "ends"));
    auto* persist = working_ ? std::get_if<PersistJob>(&jobs_.front()) : nullptr;
    if (persist) persist->writes.resize(world_.random.below(persist->writes.size() + 1));
    if (working_ && (persist || world_.random.below(2) == 0)) take_effect(jobs_.front());
    if (power_cut) disk_.written = disk_.synced;
    ++life_;
    ++world_.counts.crashes;
    core_.reset();
    writes_.clear();
    jobs_.clear();
    working_ = false;
    staged_ = {};
    installing_ = false;
    open_snapshots_.clear();
    awaited_.clear();
    reads_.clear();
    last_read_ = 0;
    tick_at_.reset();
}

void Server::lose_disk() {
    crash(true);
    lost_ = true;
}

void Server::put_back(const Disk& copy) {
    disk_ = copy;
    disk_.written = disk_.synced;
    ++world_.counts.put_back;
    world_.oracle.forgets(id_, disk_.log);
}

void Server::mend() {
    paused_until_ = 0;
    disk_full_ = false;
    set_clock_rate(1);
}

void Server::set_clock_rate(double rate) {
    const Instant before = clock();
    clock_rate_ = rate;
    clock_offset_ += (before - clock()).count();
}

Instant Server::clock() const {
    const double now = static_cast<double>(world_.scheduler.now()) * clock_rate_;
    return Instant(static_cast<Time>(now) + clock_offset_);
}

// Not while it is paused, and never in another life.
void Server::soon(Time delay, std::move_only_function<void()> action) {
    world_.scheduler.after(delay, [this, life = life_, action = std::move(action)]() mutable {
        if (life != life_ || !up()) return;
        if (world_.scheduler.now() < paused_until_) {
            soon(paused_until_ - world_.scheduler.now(), std::move(action));
        } else {
            action();
        }
    });
}

void Server::receive(Message message) {
    if (!up()) return;
    soon(0, [this, message = std::move(message)]() mutable {
        step(Received{.message = std::move(message)});
    });
}

void Server::write(std::vector<Operation> operations) {
    Propose propose;
    for (const Operation& operation : operations) {
        propose.commands.push_back(make_command(operation.command));
    }
    Actions actions = core_->step({.now = clock(), .what = std::move(propose)});
    if (actions.accepted) {
        Index index = actions.accepted->first_index;
        for (Operation& operation : operations) {
            awaited_[index++] = {.term = actions.accepted->term, .operation = std::move(operation)};
        }
    }
    carry_out(std::move(actions));
}

void Server::read(Operation operation) {
    const ReadId read = ++last_read_;
    reads_[read] = std::move(operation);
    step(Read{.id = read});
}

void Server::step(decltype(Event::what) what) {
    carry_out(core_->step({.now = clock(), .what = std::move(what)}));
}

void Server::carry_out(Actions actions) {
    show(actions);
    if (actions.persist) {
        writes_.push_back(std::move(*actions.persist));
        if (!queued<PersistJob>()) enqueue(PersistJob{});
    }
    for (const Message& message : actions.messages) network_.send(message);
    for (const Entry& entry : actions.apply) apply(entry);
    for (const ReadId read : actions.reads) {
        const auto found = reads_.find(read);
        if (found == reads_.end()) continue;
        const Operation operation = std::move(found->second);
        reads_.erase(found);
        world_.oracle.read(machine_, operation.completed_before);
        operation.done();
    }
    for (const ReadId read : actions.reads_lost) reads_.erase(read);
    if (actions.compact) {
        ++world_.counts.compactions;
        if (!open_snapshots_.empty() || queued<PieceJob>()) ++world_.counts.compactions_amid;
        log_.compact(*actions.compact);
        enqueue(CutJob{.base = std::move(*actions.compact)});
    }
    if (actions.write_snapshot) {
        enqueue(
            PieceJob{.piece = std::move(*actions.write_snapshot),
                     .fails = world_.troubled && world_.happens(world_.profile.snapshot_failure)});
    }
    for (const ServerId to : actions.close_snapshots) open_snapshots_.erase(to);
    for (const ReadSnapshot& read : actions.read_snapshots) read_piece(read);
    if (!actions.apply.empty()) {
        maybe_store();
        maybe_cut();
    }
    schedule_tick();
}

// Before anything of it happens.
void Server::show(const Actions& actions) {
    // Only a disk that was put back lacks what was confirmed.
    if (actions.refused && actions.refused->code == ErrorCode::corrupt &&
        world_.counts.put_back == 0) {
        world_.oracle.fail(std::format("server {:x}: {}", id_, actions.refused->message));
    }
    if (!actions.apply.empty() && installing_) {
        world_.oracle.fail(
            std::format("server {:x} applies while a snapshot takes the place of its state", id_));
    }
    if (actions.write_snapshot) installing_ = actions.write_snapshot->last;
    if (actions.persist) {
        world_.oracle.persists(id_, *actions.persist);
        Term previous = 0;
        for (const Entry& entry : actions.persist->entries) {
            const Index before = entry.index - 1;
            const bool first = &entry == &actions.persist->entries.front();
            if (first && actions.persist->reset)
                previous = actions.persist->reset->position.term;
            else if (first)
                previous = log_.term_at(before).value_or(0);
            world_.oracle.entry_written(id_, entry, previous);
            previous = entry.term;
        }
        if (actions.persist->reset) ++world_.counts.resets;
        if (!actions.persist->entries.empty() &&
            actions.persist->entries.front().index <= log_.last()) {
            ++world_.counts.overwritten;
        }
        log_.write(*actions.persist);
    }
    if (actions.configuration) ++world_.counts.changes;
    for (const Message& message : actions.messages) {
        if (std::holds_alternative<TimeoutNow>(message.body)) ++world_.counts.transfers;
        world_.oracle.sends(message, log_, disk_.log);
    }
    if (!actions.role) return;
    if (actions.role->role == Role::leader) {
        ++world_.counts.elections;
        world_.oracle.leads(id_, actions.role->term, log_);
        if (world_.leader_found) world_.leader_found(id_);
    }
    if (world_.telling) {
        world_.tell(std::format("{:x} {} in term {}, leader {:x}", id_,
                                to_string(actions.role->role), actions.role->term,
                                actions.role->leader));
    }
}

void Server::apply(const Entry& entry) {
    if (entry.index != machine_.applied + 1) {
        world_.oracle.fail(std::format("server {:x} is to apply entry {} after entry {}", id_,
                                       entry.index, machine_.applied));
    }
    machine_.apply(entry);
    history_.add(entry);
    world_.oracle.applied(id_, entry, core_->term(), machine_.hash, disk_.log);
    resume(entry);
}

void Server::resume(const Entry& entry) {
    const auto found = awaited_.find(entry.index);
    if (found == awaited_.end()) return;
    const Awaited awaited = std::move(found->second);
    awaited_.erase(found);
    if (awaited.term != entry.term) return; // another's took its place
    world_.oracle.wrote(awaited.operation.command, entry.index, awaited.operation.completed_before);
    awaited.operation.done();
}

void Server::schedule_tick() {
    const std::optional<Instant> wake = core_->wake_at();
    if (!wake) return;
    const double local = static_cast<double>(wake->count() - clock_offset_);
    const Time at =
        std::max(world_.scheduler.now() + 1, static_cast<Time>(std::ceil(local / clock_rate_)));
    if (tick_at_ && *tick_at_ <= at) return;
    tick_at_ = at;
    soon(at - world_.scheduler.now(), [this, at] {
        if (tick_at_ != at) return;
        tick_at_.reset();
        if (core_->wake_at() && *core_->wake_at() <= clock()) {
            step(Tick{});
        } else {
            schedule_tick();
        }
    });
}

} // namespace hawser::raft::sim
