// How an agent stops: first out of the others' sight, then no new connections, then what runs may
// end, then the kernel's rules go. Each step is bounded; together less than systemd's patience. In
// a hurry the first three are cut short.
#include <asio/post.hpp>
#include <thread>
#include <utility>

#include "agent/agent.h"
#include "base/limits.h"
#include "log/log.h"

namespace hawser::agent {
namespace {

constexpr std::chrono::milliseconds registration_deadline{2'000};
constexpr std::chrono::milliseconds propagation_deadline{500};
// From our hearing of it to the last worker of the last agent using it.
constexpr std::chrono::milliseconds propagation_margin{200};

} // namespace

io::Task<void> Agent::shut_down() {
    log::info("stopping", {});
    tasks_.cancel();
    co_await tasks_.join();
    if (files_) co_await files_->stop();
    if (views_ && leaving_.spawn(leave_rotation())) co_await leaving_.join();
    co_await metrics_->stop();
    // As long as there are connections, what the mesh changes about them counts.
    if (views_) co_await stop_workers();
    spreading_.cancel();
    co_await spreading_.join();
    co_await take_rules_along();
    if (session_) co_await session_->stop();
    if (certificates_) co_await certificates_->stop();
    co_await services_->stop();
    if (dns_) co_await dns_->stop();
    co_await admin_->stop();
    if (cache_ && mesh_->known()) cache_->save(cacheable());
    cache_.reset(); // writes it
    log::info("stopped", {});
}

void Agent::hurry() {
    leaving_.cancel();
    for (const auto& worker : workers_) worker->hurry();
}

io::Task<void> Agent::take_rules_along() {
    const bool ours = interception_ && interception_->touched();
    Result<void> left;
    if (interception_) left = co_await interception_->leave();
    if (!state_.claims_kernel()) co_return;
    // This run ended before its own rules took the place of what an earlier one left.
    if (left && !ours) left = co_await leave_kernel(control_.executor());
    if (left && config_.on_exit == config::OnExit::open) left = state_.disclaim_kernel();
    if (!left) log::error("the kernel rules were not removed", {{"error", left.error()}});
}

// Tells the servers that nothing here takes new connections, and waits until the others have
// heard: they are told when we are, and need a moment to use it.
io::Task<void> Agent::leave_rotation() {
    services_->drain("the agent is stopping");
    if (!session_->state().server || services_->instances().empty()) co_return;
    session_->registration_changed();
    co_await session_->settle_registration(registration_deadline);
    const auto deadline = std::chrono::steady_clock::now() + propagation_deadline;
    while (session_->state().server && mesh_->index() < session_->state().registered_index) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) co_return;
        (void)co_await news_while_leaving_.wait_for(left);
    }
    (void)co_await io::sleep(propagation_margin);
}

// Worker::stop() blocks until its connections have ended: each on a thread, this loop goes on.
io::Task<void> Agent::stop_workers() {
    for (const auto& worker : workers_) metrics_->collector().remove(worker->loop());
    io::Signal stopped(control_.executor());
    std::size_t running = workers_.size();
    std::vector<std::thread> threads;
    for (const auto& worker : workers_) {
        threads.emplace_back([this, &worker, &running, &stopped] {
            worker->stop(limits::drain_deadline);
            control_.post([&running, &stopped] {
                if (--running == 0) stopped.notify();
            });
        });
    }
    co_await stopped.wait();
    for (std::thread& thread : threads) thread.join();
}

} // namespace hawser::agent
