#include "agent/view_publisher.h"

#include <algorithm>
#include <utility>

#include <asio/post.hpp>

namespace hawser::agent {

// Shared with the confirmations under way, which may arrive when the publisher is gone.
struct ViewPublisher::Confirmations {
    Confirmations(io::Executor loop, std::function<void(std::uint64_t)> told)
        : control(loop), on_enforced(std::move(told)) {}

    io::Executor control;
    std::function<void(std::uint64_t)> on_enforced; // empty: the publisher is gone
    std::vector<std::uint64_t> by_worker;
    std::uint64_t enforced = 0;

    void confirmed(std::size_t worker, std::uint64_t index) {
        by_worker[worker] = index;
        const std::uint64_t least = *std::ranges::min_element(by_worker);
        if (std::exchange(enforced, least) != least && on_enforced) on_enforced(least);
    }
};

ViewPublisher::ViewPublisher(io::Executor control,
                             std::function<void(std::uint64_t index)> on_enforced)
    : confirmations_(std::make_shared<Confirmations>(control, std::move(on_enforced))) {}

ViewPublisher::~ViewPublisher() {
    confirmations_->on_enforced = nullptr;
}

void ViewPublisher::start(std::vector<proxy::Worker*> workers, const proxy::ViewPtr& view) {
    workers_ = std::move(workers);
    confirmations_->by_worker.assign(workers_.size(), 0);
    for (proxy::Worker* worker : workers_) worker->start(view);
    publish(view);
}

void ViewPublisher::publish(const proxy::ViewPtr& view) {
    current_ = view;
    for (std::size_t number = 0; number < workers_.size(); ++number) {
        // Runs on the worker's loop: only carries the news to ours.
        workers_[number]->set_view(view, [shared = confirmations_, number](std::uint64_t index) {
            asio::post(shared->control,
                       [shared, number, index] { shared->confirmed(number, index); });
        });
    }
}

std::uint64_t ViewPublisher::enforced() const {
    return confirmations_->enforced;
}

} // namespace hawser::agent
