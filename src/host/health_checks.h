// Runs the checks of this host's instances and tells when an instance's health changes.
//
// An instance without checks is passing; one with checks is critical until its first outcomes are
// in, which are asked for at once. After that each check has a random phase within its interval,
// so that a restart does not line all of them up. Control loop only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/random.h"
#include "host/check_state.h"
#include "io/loop.h"
#include "io/task_group.h"

namespace hawser::host {

enum class CheckKind : std::uint8_t { http, tcp, exec };

struct Check {
    CheckKind kind = CheckKind::tcp;
    Endpoint target;                  // http, tcp
    std::string http_path = "/";      // 2xx passing, 429 warning, else critical
    std::string http_host;            // Host header; empty: the target
    std::vector<std::string> command; // exec: argv, no shell; exit 0 passing, 1 warning
    std::chrono::milliseconds interval{10'000};
    std::chrono::milliseconds timeout{2'000};
    CheckThresholds thresholds;

    bool operator==(const Check&) const = default;
};

struct InstanceHealth {
    model::Health health = model::Health::critical;
    std::string reason; // "http GET /healthz: status 503": the worst check; empty when passing
    bool operator==(const InstanceHealth&) const = default;
};

class HealthChecks {
  public:
    // Called from the loop, never from within set() or remove().
    using OnChange = std::function<void(const std::string& instance, const InstanceHealth& health)>;

    HealthChecks(io::Executor executor, OnChange on_change, std::uint64_t seed);
    ~HealthChecks(); // after stop() has ended

    // The checks an instance has from now on; the same list again changes nothing. A changed
    // list starts over, keeping the known health until the first outcomes.
    void set(const std::string& instance, std::vector<Check> checks);
    void remove(const std::string& instance);
    [[nodiscard]] InstanceHealth health(const std::string& instance) const;

    struct CheckReport {
        std::string instance;
        std::string check; // "http GET /healthz"
        model::Health health;
        std::string output;
    };
    [[nodiscard]] std::vector<CheckReport> report() const;

    [[nodiscard]] io::Task<void> stop();

  private:
    struct Entry;
    [[nodiscard]] io::Task<void> run(std::shared_ptr<Entry> entry, std::size_t position);
    void observed(Entry& entry, std::size_t position, CheckOutcome outcome);
    void tell(const std::weak_ptr<Entry>& waiting);
    [[nodiscard]] static io::Task<void> retire(std::shared_ptr<Entry> entry);

    io::Executor executor_;
    OnChange on_change_;
    Random random_;
    std::map<std::string, std::shared_ptr<Entry>> entries_;
    io::TaskGroup tasks_;
};

// One run of a check; never fails, never takes much longer than its timeout.
[[nodiscard]] io::Task<CheckOutcome> run_check(io::Executor executor, Check check);
// "http GET /healthz", "tcp 127.0.0.1:8080", "exec /usr/lib/check".
[[nodiscard]] std::string describe(const Check& check);

} // namespace hawser::host
