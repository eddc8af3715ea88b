// The [[service]] tables of this host's configuration, alive: who may speak as each, where it is
// dialled, and how healthy it is. What the data plane decides with (proxy::LocalServices), what
// the registry is told (model::Instance), and what `status` shows.
//
// An instance without checks is passing, for the reason "unchecked". Control loop only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/agent_config.h"
#include "host/health_checks.h"
#include "io/loop.h"
#include "model/resources.h"
#include "proxy/view.h"
#include "proxy/worker.h"

namespace hawser::agent {

// For `status`.
struct LocalServiceReport {
    std::string name;
    std::uint16_t port = 0;
    host::InstanceHealth health; // passing when it offers nothing
    std::string owner;           // "uid 1000 (api)"; empty: anyone may speak as it
};

class LocalServiceSet {
  public:
    // Resolves the users; an unknown one is an error that names the place. `on_health`: an
    // instance's health changed.
    static Result<std::unique_ptr<LocalServiceSet>> open(
        io::Executor executor, std::string node, const std::vector<config::ServiceConfig>& services,
        std::function<void()> on_health, std::uint64_t seed);
    ~LocalServiceSet();

    // Others from now on. Those that stay as they are keep their health, those whose checks change
    // until the new ones know better. On failure nothing changes.
    [[nodiscard]] Result<void> update(const std::vector<config::ServiceConfig>& services);
    void start(); // the checks
    [[nodiscard]] io::Task<void> stop();
    // From now on every instance is critical, for this reason.
    void drain(std::string reason);

    [[nodiscard]] const std::shared_ptr<const proxy::LocalServices>& view() const { return view_; }
    [[nodiscard]] const std::vector<proxy::Upstream>& upstreams() const { return upstreams_; }
    [[nodiscard]] std::vector<std::string> names() const; // each once
    [[nodiscard]] std::vector<std::uint16_t> ports() const;
    [[nodiscard]] std::vector<model::Instance> instances() const; // as of now
    [[nodiscard]] std::vector<LocalServiceReport> report() const;

  private:
    struct Entry {
        config::ServiceConfig config;
        model::Instance instance; // port 0: offers nothing
        std::optional<uid_t> uid;
        std::string owner; // the same for people
    };
    [[nodiscard]] static Result<Entry> make_entry(const std::string& node,
                                                  const config::ServiceConfig& service);
    LocalServiceSet(io::Executor executor, std::string node, std::function<void()> on_health,
                    std::uint64_t seed);
    void start_checks();
    [[nodiscard]] host::InstanceHealth health_of(const Entry& entry) const;

    std::string node_;
    std::function<void()> on_health_;
    bool started_ = false;
    std::vector<Entry> entries_;
    std::vector<proxy::Upstream> upstreams_;
    std::shared_ptr<const proxy::LocalServices> view_;
    std::optional<std::string> draining_;
    host::HealthChecks checks_;
};

} // namespace hawser::agent
