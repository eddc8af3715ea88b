// The servers this agent may speak to: those of its configuration, and those the mesh told it of.
// Whoever needs one takes the next in turn, beginning with the one that worked last.
//
// Each agent has an order of its own, made of its name and the servers' addresses: all agents
// together burden all servers alike, those of a server that goes spread over all others, and
// nothing of it changes when an agent restarts. Control loop only.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/result.h"

namespace hawser::agent {

class ServerList {
  public:
    ServerList(std::vector<Endpoint> configured, std::string node);

    // From MeshChanges.servers; what is no endpoint is left out. Configured ones stay, after those.
    void learn(const std::vector<std::string>& endpoints);
    [[nodiscard]] const std::vector<Endpoint>& all() const { return all_; }

    // Another server may do better: it wasn't this one's answer, but its absence.
    [[nodiscard]] static bool worth_another(ErrorCode code);
    // What went wrong with a server, as a text that names it once.
    [[nodiscard]] static std::string explain(const Endpoint& server, const Error& why);

    // All of them, in the order to try.
    [[nodiscard]] std::vector<Endpoint> in_turn() const;
    void worked(const Endpoint& server);
    void failed(const Endpoint& server); // the next one first, from now on

    // Where this agent belongs when all servers are well. There must be a server.
    [[nodiscard]] const Endpoint& home() const { return all_.front(); }

  private:
    void sort(std::vector<Endpoint>& servers) const;

    std::string node_;
    std::vector<Endpoint> all_, configured_;
    std::size_t first_ = 0;
};

} // namespace hawser::agent
