// Hands each new view to every worker, and knows from which index on all of them use it: that is
// what "enforced" means. Control loop only; the workers' confirmations are posted to it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "io/loop.h"
#include "proxy/view.h"
#include "proxy/worker.h"

namespace hawser::agent {

class ViewPublisher {
  public:
    // `on_enforced` is called when the index that all workers use has changed.
    ViewPublisher(io::Executor control, std::function<void(std::uint64_t index)> on_enforced);
    ~ViewPublisher(); // after the workers stopped

    // Starts the workers with the view; from then on publish() reaches them.
    void start(std::vector<proxy::Worker*> workers, const proxy::ViewPtr& view);
    void publish(const proxy::ViewPtr& view);

    [[nodiscard]] const proxy::ViewPtr& current() const { return current_; }
    [[nodiscard]] std::uint64_t enforced() const;

  private:
    struct Confirmations;
    std::vector<proxy::Worker*> workers_;
    proxy::ViewPtr current_;
    std::shared_ptr<Confirmations> confirmations_;
};

} // namespace hawser::agent
