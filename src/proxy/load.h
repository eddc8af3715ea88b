// What is open of each service, and of each of its instances: the input to limits and to the
// balancer. A connection counts from the moment it is chosen where it goes, not only once it is
// taken: of a burst, each call sees those before it.
//
// Instances are counted by each worker for itself, which is enough to balance. A limit is the
// host's: its count is the one thing all workers change, because the kernel does not spread
// connections so evenly that each could be given a part of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/mesh_snapshot.h"
#include "traffic/balancer.h"

namespace hawser::proxy {

// Open connections of each service, over all workers. Any thread; the lock is for the list only,
// which a worker asks once for each service.
class HostCounts {
  public:
    using Count = std::atomic<std::uint32_t>;
    [[nodiscard]] std::shared_ptr<Count> of(const std::string& service);

  private:
    std::mutex mutex_;
    std::map<std::string, std::weak_ptr<Count>> counts_; // those some worker has
};

// One worker's view of one service.
struct ServiceLoad {
    std::shared_ptr<HostCounts::Count> on_host;
    std::uint32_t open_connections = 0; // of this worker
    std::uint32_t turn = 0;             // round_robin
    std::unordered_map<std::string, std::uint32_t>
        by_instance; // open connections, by Instance::key()
};

// One thread.
class ServiceLoads {
  public:
    explicit ServiceLoads(std::shared_ptr<HostCounts> host) : host_(std::move(host)) {}

    // Stays where it is while connections of it are open.
    [[nodiscard]] ServiceLoad& of(const std::string& service);
    // Drops services that are gone from the mesh, once nothing of them is open.
    void forget_gone(const model::MeshSnapshot& mesh);
    [[nodiscard]] std::size_t size() const { return services_.size(); }

  private:
    std::shared_ptr<HostCounts> host_;
    std::unordered_map<std::string, ServiceLoad> services_;
};

// Counts one connection, of a service and of the instance it goes to, for as long as it lives.
class LoadShare {
  public:
    LoadShare(ServiceLoads& loads, const std::string& service);
    ~LoadShare();
    LoadShare(const LoadShare&) = delete;
    LoadShare& operator=(const LoadShare&) = delete;

    // How many connections of the service the host had with this one, when it came.
    [[nodiscard]] std::uint32_t number() const { return number_; }
    // This instance, and no longer the one before.
    void choose(std::string instance);
    [[nodiscard]] ServiceLoad& service() const { return load_; }

  private:
    void leave_instance();

    ServiceLoad& load_;
    std::uint32_t number_;
    std::string instance_; // empty: none yet
};

// Parallel to service.endpoints.
[[nodiscard]] std::vector<traffic::EndpointLoad> loads_of(const ServiceLoad& load,
                                                          const model::ServiceView& service);

} // namespace hawser::proxy
