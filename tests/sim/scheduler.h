// Virtual time: what is to happen, in order. Nothing here waits; a run of seconds takes
// milliseconds.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

namespace hawser::raft::sim {

using Time = std::int64_t; // milliseconds since the run began

class Scheduler {
  public:
    using Action = std::move_only_function<void()>;

    [[nodiscard]] Time now() const { return now_; }
    // How much has happened, or is going to.
    [[nodiscard]] std::uint64_t tasks() const { return next_; }
    // Things of one moment happen in the order in which they were asked for.
    void at(Time when, Action action) {
        tasks_.push_back(
            {.when = std::max(when, now_), .order = next_++, .action = std::move(action)});
        std::ranges::push_heap(tasks_, Later());
    }
    void after(Time delay, Action action) { at(now_ + delay, std::move(action)); }

    // Does the next thing, if there is one before `end`; otherwise it is `end` now.
    bool run_one(Time end) {
        if (tasks_.empty() || tasks_.front().when > end) {
            now_ = end;
            return false;
        }
        std::ranges::pop_heap(tasks_, Later());
        Task task = std::move(tasks_.back());
        tasks_.pop_back();
        now_ = task.when;
        task.action();
        return true;
    }

  private:
    struct Task {
        Time when = 0;
        std::uint64_t order = 0;
        Action action;
    };
    struct Later {
        bool operator()(const Task& a, const Task& b) const {
            return a.when != b.when ? a.when > b.when : a.order > b.order;
        }
    };

    Time now_ = 0;
    std::uint64_t next_ = 0;
    std::vector<Task> tasks_; // a heap
};

} // namespace hawser::raft::sim
