// What the leader knows of the agents, whichever server each talks to: when it was last heard, and
// what it enforces. Only the leader judges who is dead, and only by this. Pure.
//
// A new leader knows nothing yet: everybody gets a whole session timeout to be heard of.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"
#include "model/resources.h"

namespace hawser::server {

class LeaseTable {
  public:
    using Time = std::chrono::steady_clock::time_point;

    // As a server saw it, this one or another that reports it.
    struct Sighting {
        std::string node;
        Time at{};
        std::uint64_t enforced_index = 0;
        bool registered = false; // its registration of the stream it has now is in the registry
        bool left = false;       // it said that it stops
    };
    struct Verdict {
        std::string node;
        bool alive = false;
    };

    explicit LeaseTable(Duration timeout) : timeout_(timeout) {}

    // This server leads from now on.
    void begin(Time now);
    // Nobody could be heard for so long, through no fault of theirs.
    void forgive(Duration pause);
    // The newest word counts, whoever brings it and whenever.
    void sighted(Sighting sighting);
    // The same, by another server. Who left that one and is connected here has come back: the
    // report was slow, and its time is only known to be before now.
    void reported(Sighting sighting, bool connected_here);

    // Whose row should say something else. Nodes that are not there any more are forgotten. A word
    // from before the row said that the node is out does not bring it back.
    [[nodiscard]] std::vector<Verdict> judge(const std::vector<const model::Node*>& nodes,
                                             Time now);
    [[nodiscard]] bool has_left(const std::string& node) const;
    // Nothing: it was not heard of since begin().
    [[nodiscard]] std::optional<std::uint64_t> enforced_by(const std::string& node) const;

  private:
    [[nodiscard]] bool silent(const std::string& node, Time now) const;
    [[nodiscard]] bool back(const std::string& node) const;
    void remember(const std::vector<const model::Node*>& nodes, Time now);

    Duration timeout_;
    Time begun_{};
    std::map<std::string, Sighting> sightings_;
    std::map<std::string, Time> out_since_; // of nodes that are out: when that was first seen
};

} // namespace hawser::server
