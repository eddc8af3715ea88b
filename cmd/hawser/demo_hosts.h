// The demo's hosts: a private folder, and network namespaces joined by a bridge in one more, with
// no way out of the machine. Whatever was made is unmade by the destructor, or by the next demo
// if this one is killed: all names carry our pid.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "demo_plan.h"
#include "demo_process.h"

namespace hawser::cmd::demo {

class Hosts {
  public:
    // An empty host set with a private folder.
    static Result<std::unique_ptr<Hosts>> make(bool keep);
    ~Hosts();
    Hosts(const Hosts&) = delete;
    Hosts& operator=(const Hosts&) = delete;

    // Namespaces, bridge, addresses and resolver configuration for the plan's three hosts. When
    // it fails nothing is left, and the reason is one to show to the user.
    Result<void> make_namespaces(const Plan& plan);
    [[nodiscard]] Plan namespace_plan() const;
    [[nodiscard]] Processes& processes() { return processes_; }
    [[nodiscard]] const std::string& directory() const { return directory_; }
    void keep(); // leaves everything up when this ends

  private:
    Hosts(std::string directory, std::string prefix, bool keep);
    Result<void> add_switch(const Plan& plan);
    Result<void> try_rules(const HostPlan& host);
    Result<void> add_host(const Plan& plan, const HostPlan& host);

    std::string directory_, prefix_;
    bool keep_ = false;
    Processes processes_;
};

// Removes what demos left behind whose process is gone: killed ones always, those left up by
// --keep only when asked. Returns how many.
int remove_leftovers(bool kept_too);

} // namespace hawser::cmd::demo
