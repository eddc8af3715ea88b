// A simulated server: the driver that server/raft_node is, over a disk that can lose power. It
// carries actions out in their order, has one worker for its disk, and shows everything it does to
// the oracle.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "disk.h"
#include "network.h"
#include "raft/core.h"
#include "watch.h"
#include "world.h"

namespace hawser::raft::sim {

// What a client asked; told when it is answered. Never told: nobody knows what became of it.
struct Operation {
    std::uint64_t command = 0; // 0: a read
    Index completed_before = 0;
    std::function<void()> done;
};

class Server {
  public:
    Server(World& world, Network& network, ServerId id);

    // A founder: to be done before it first starts.
    void bootstrap(const std::vector<ServerId>& voters);
    void start();
    void crash(bool power_cut);
    // It never comes back.
    void lose_disk();
    // Nor does it once it starts and notices.
    void flip_bit() { disk_.flip_bit(world_.random); }
    // While it is down: it has what it had when the copy was made.
    void put_back(const Disk& copy);
    [[nodiscard]] const Disk& disk() const { return disk_; }

    void receive(Message message);
    void write(std::vector<Operation> operations);
    void read(Operation operation);
    void change(ChangeMembership change) { step(change); }
    void transfer(ServerId to) { step(TransferLeadership{.to = to}); }

    void pause(Time time) { paused_until_ = world_.scheduler.now() + time; }
    void jump_clock(Time by) { clock_offset_ += by; }
    void set_clock_rate(double rate);
    void fill_disk(bool full) { disk_full_ = full; }
    void mend(); // whatever slows it down ends

    [[nodiscard]] ServerId id() const { return id_; }
    [[nodiscard]] bool up() const { return core_.has_value(); }
    [[nodiscard]] bool lost() const { return lost_; }
    [[nodiscard]] bool leads() const { return up() && core_->role() == Role::leader; }
    [[nodiscard]] const Core& core() const { return *core_; }
    [[nodiscard]] const Machine& machine() const { return machine_; }
    [[nodiscard]] const History& history() const { return history_; }
    [[nodiscard]] std::size_t jobs() const { return jobs_.size(); }
    [[nodiscard]] Instant clock() const;

  private:
    struct PersistJob {
        std::vector<Persist> writes{}; // filled when it begins
    };
    struct StoreJob {
        Machine machine{}; // as of its beginning
    };
    struct CutJob {
        Base base;
    };
    struct PieceJob {
        WriteSnapshot piece;
        bool fails = false;
    };
    using Job = std::variant<PersistJob, StoreJob, CutJob, PieceJob>;
    struct Awaited {
        Term term = 0;
        Operation operation;
    };
    struct Staged {
        std::string bytes{};
        bool flipped = false;
    };
    struct OpenSnapshot {
        Index index = 0;
        std::string bytes;
    };

    // server.cpp: the core
    void step(decltype(Event::what) what);
    void carry_out(Actions actions);
    void show(const Actions& actions);
    void apply(const Entry& entry);
    void resume(const Entry& entry);
    void schedule_tick();
    void soon(Time delay, std::move_only_function<void()> action);

    // server_disk.cpp: the worker
    [[nodiscard]] Time slowest_write() const;
    void enqueue(Job job);
    // Not counting the one that is being worked on.
    template <typename Kind>
    [[nodiscard]] bool queued() const {
        for (std::size_t at = working_ ? 1 : 0; at < jobs_.size(); ++at) {
            if (std::holds_alternative<Kind>(jobs_[at])) return true;
        }
        return false;
    }
    void begin_job();
    void finish_job();
    void take_effect(Job& job);
    void stage(PieceJob& job);
    void report(Job& job);
    void maybe_store();
    void maybe_cut();
    void read_piece(const ReadSnapshot& read);

    World& world_;
    Network& network_;
    ServerId id_;
    Disk disk_;
    bool lost_ = false;

    // Everything below is gone after a crash.
    std::uint64_t life_ = 0;
    std::optional<Core> core_;
    LogDisk log_; // the core's, as its actions tell it
    Machine machine_;
    std::optional<Base> snapshot_; // the machine was installed from
    std::deque<Persist> writes_;
    std::deque<Job> jobs_;
    bool working_ = false;
    Staged staged_;
    bool installing_ = false; // what is staged
    History history_;
    std::map<ServerId, OpenSnapshot> open_snapshots_;
    std::map<Index, Awaited> awaited_;
    std::map<ReadId, Operation> reads_;
    ReadId last_read_ = 0;
    std::optional<Time> tick_at_;

    Time paused_until_ = 0;
    bool disk_full_ = false;
    double clock_rate_ = 1;
    Time clock_offset_ = 0;
};

} // namespace hawser::raft::sim
