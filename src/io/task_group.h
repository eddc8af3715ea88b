// Structured concurrency: every coroutine is spawned into a group, and the group is joined before
// what its tasks refer to goes away. One loop; not thread-safe.
//
//   TaskGroup tasks(loop.executor());
//   tasks.spawn(serve(socket));
//   …
//   tasks.cancel();            // every task's next or current wait ends with operation_aborted
//   co_await tasks.join();
#pragma once

#include <cstddef>
#include <memory>

#include "io/loop.h"

namespace hawser::io {

class TaskGroup {
  public:
    explicit TaskGroup(Executor executor);
    ~TaskGroup(); // the group must be empty, or its loop stopped for good
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;

    // Starts a task on a later turn of the loop, never within this call. It must not throw; if it
    // does, that is a bug and the process aborts. Returns false, and does not start it, after
    // cancel().
    bool spawn(Task<void> task);
    void cancel();
    [[nodiscard]] bool cancelled() const;
    [[nodiscard]] std::size_t size() const;
    // Returns when the last task has ended.
    [[nodiscard]] Task<void> join();

  private:
    struct State;
    std::shared_ptr<State> state_;
};

// Starts a task that keeps all it uses and that something else ends (closing its connection):
// nobody joins it. Everything else belongs in a group.
void spawn_self_owned(Executor executor, Task<void> task);

} // namespace hawser::io
