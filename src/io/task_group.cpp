#include "io/task_group.h"

#include <asio/as_tuple.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/use_awaitable.hpp>
#include <list>
#include <system_error>

#include "base/check.h"
#include "log/log.h"

namespace hawser::io {

// Shared with the completion of each task, which may run after the group is gone when a loop is
// torn down with tasks left.
struct TaskGroup::State {
    explicit State(Executor loop) : executor(loop), emptied(loop, Timer::time_point::max()) {}

    Executor executor;
    bool cancelled = false;
    std::list<asio::cancellation_signal> running; // one a task; addresses must stay put
    Timer emptied;                                // cancelled to wake join()
};

namespace {

// How a task ended: nothing, or the exception that left it. Being cancelled is how most end: Asio
// throws operation_aborted from the first wait after it. Anything else is a bug.
void check_end(const std::exception_ptr& error) {
    if (!error) return;
    try {
        std::rethrow_exception(error);
    } catch (const std::system_error& aborted) {
        if (aborted.code() == asio::error::operation_aborted) return;
        log::error("a task threw", {{"error", std::string(aborted.what())}});
    } catch (const std::exception& other) {
        log::error("a task threw", {{"error", std::string(other.what())}});
    }
    HAWSER_CHECK(!"tasks report failures as values; an exception left one");
}

Task<void> on_a_later_turn(Executor executor, Task<void> task) {
    co_await asio::post(executor, asio::use_awaitable_t<Executor>{});
    co_await std::move(task);
}

} // namespace

TaskGroup::TaskGroup(Executor executor) : state_(std::make_shared<State>(executor)) {}

TaskGroup::~TaskGroup() {
    HAWSER_CHECK(state_->running.empty() || state_->executor.context().stopped());
}

bool TaskGroup::spawn(Task<void> task) {
    if (state_->cancelled) return false;
    auto entry = state_->running.emplace(state_->running.end());
    asio::co_spawn(state_->executor, on_a_later_turn(state_->executor, std::move(task)),
                   asio::bind_cancellation_slot(
                       entry->slot(), [state = state_, entry](const std::exception_ptr& error) {
                           check_end(error);
                           state->running.erase(entry);
                           if (state->running.empty()) state->emptied.cancel();
                       }));
    return true;
}

void TaskGroup::cancel() {
    state_->cancelled = true;
    // A task may end within emit() and erase its own entry: hold on to the next before it.
    for (auto entry = state_->running.begin(); entry != state_->running.end();) {
        auto current = entry++;
        current->emit(asio::cancellation_type::terminal);
    }
}

bool TaskGroup::cancelled() const {
    return state_->cancelled;
}

std::size_t TaskGroup::size() const {
    return state_->running.size();
}

Task<void> TaskGroup::join() {
    auto state = state_;
    while (!state->running.empty()) {
        (void)co_await state->emptied.async_wait(asio::as_tuple(asio::use_awaitable_t<Executor>{}));
    }
}

void spawn_self_owned(Executor executor, Task<void> task) {
    asio::co_spawn(executor, on_a_later_turn(executor, std::move(task)), check_end);
}

} // namespace hawser::io
