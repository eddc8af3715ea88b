// What an agent knows of the mesh at one index: immutable, shared by its workers, built anew for
// each batch of changes. Lookups on the data path are one hash probe and allocate nothing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ip.h"
#include "model/resources.h"
#include "model/row.h"

namespace hawser::model {

// An instance that may be dialled, with what dialling it needs.
struct EndpointView {
    Instance instance;
    std::string node; // whose certificate its tunnel presents
    Endpoint tunnel;
    std::string zone;
    bool node_alive = false;
    bool quarantined = false; // its node
    // Passing or warning when last heard, with a weight, and somewhere to dial it.
    [[nodiscard]] bool fit() const {
        return !quarantined && tunnel.port != 0 && instance.health != Health::critical &&
               instance.weight > 0;
    }
    // … and its agent is there.
    [[nodiscard]] bool usable() const { return node_alive && fit(); }
};

struct ServiceView {
    Service service;
    std::vector<EndpointView> endpoints; // all, in key order
    // Indices into endpoints: those that get new connections. If none is usable(), those that are
    // fit but on silent nodes: agents that a server does not hear may well serve (it may be the
    // server that is cut off), and trying them cannot be worse than refusing.
    std::vector<std::uint32_t> usable;
    bool only_silent = false;     // that happened
    std::vector<Policy> policies; // those of this service, in name order
};

struct NodeView {
    Node node;
};

class MeshSnapshot {
  public:
    [[nodiscard]] std::uint64_t index() const { return index_; }
    [[nodiscard]] const TrustDomain& trust() const { return trust_; }
    [[nodiscard]] const ServiceView* service(std::string_view name) const;
    [[nodiscard]] const ServiceView* service_by_vip(const IpAddress& address) const;
    [[nodiscard]] const Node* node(std::string_view name) const;
    // Cut off: nothing from it and nothing to it. Null: it is not.
    [[nodiscard]] const Quarantine* quarantine(IdentityKind kind, std::string_view name) const;
    [[nodiscard]] std::span<const ServiceView> services() const { return services_; }
    [[nodiscard]] std::span<const Node> nodes() const { return nodes_; }
    // Positions in nodes(): those of a certificate with this generation. Almost always one.
    [[nodiscard]] std::span<const std::uint32_t> joined_at(WallTime time) const;
    // Of every node ever heard of: who joined later may be missing because we have not heard of it,
    // who joined before is missing because it was deleted.
    [[nodiscard]] WallTime newest_join() const { return newest_join_; }
    [[nodiscard]] std::span<const Quarantine> quarantines() const { return quarantines_; }

  private:
    friend class SnapshotBuilder;
    struct TextHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };
    using NameIndex = std::unordered_map<std::string, std::uint32_t, TextHash, std::equal_to<>>;

    std::uint64_t index_ = 0;
    TrustDomain trust_;
    std::vector<ServiceView> services_; // in name order
    std::vector<Node> nodes_;
    NameIndex service_index_, node_index_;
    std::vector<std::uint32_t> by_join_; // positions in nodes_, by joined_at
    WallTime newest_join_ = 0;
    std::unordered_map<IpAddress, std::uint32_t> vip_index_;
    std::vector<Quarantine> quarantines_;
    NameIndex quarantined_services_, quarantined_nodes_;
};
using SnapshotPtr = std::shared_ptr<const MeshSnapshot>;

// Accumulates changes (one thread) and makes snapshots of them.
class SnapshotBuilder {
  public:
    void reset();                     // forget everything but newest_join
    void apply(const Change& change); // kinds agents do not see are ignored
    void set_index(std::uint64_t index) { index_ = index; }
    // A node that joined then was heard of, though its row may be gone.
    void heard_of_join(WallTime time) { newest_join_ = std::max(newest_join_, time); }
    [[nodiscard]] WallTime newest_join() const { return newest_join_; }
    [[nodiscard]] std::uint64_t index() const { return index_; }
    [[nodiscard]] SnapshotPtr build() const;
    // Every row held, as changes: for the cache on disk.
    [[nodiscard]] std::vector<Change> rows() const;
    // Those of one kind, in key order.
    [[nodiscard]] std::vector<Change> rows(Kind kind) const;

  private:
    void add_nodes(MeshSnapshot& snapshot) const;
    void add_services(MeshSnapshot& snapshot) const;
    void add_instances(MeshSnapshot& snapshot) const;
    void add_quarantines(MeshSnapshot& snapshot) const;
    static void choose_usable(ServiceView& view);

    std::uint64_t index_ = 0;
    WallTime newest_join_ = 0;
    std::map<std::pair<Kind, std::string>, Change> rows_;
};

} // namespace hawser::model
