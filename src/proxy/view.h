// What a worker decides with: the mesh as last heard, this host's services, and the identities it
// may use. One immutable value, made on the control loop and handed to every worker whole.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ip.h"
#include "model/mesh_snapshot.h"
#include "tls/credentials.h"

namespace hawser::proxy {

// One [[service]] of this host.
struct LocalService {
    std::string name;
    std::uint16_t port = 0;     // as registered; 0: only a caller
    Endpoint dial;              // where its process listens
    std::optional<uid_t> owner; // the user that may speak as it
};

class LocalServices {
  public:
    LocalServices() = default;
    explicit LocalServices(std::vector<LocalService> services);

    [[nodiscard]] const LocalService* find(std::string_view name, std::uint16_t port) const;
    [[nodiscard]] bool has(std::string_view name) const; // at whatever port
    // The service that processes of this user speak as; "" if none, or if several do (then nobody
    // can tell which, and refusing is the safe answer).
    [[nodiscard]] std::string_view owned_by(uid_t user) const;
    // May processes of this user use listeners that belong to the service? Yes unless it names
    // another owner.
    [[nodiscard]] bool may_speak_as(uid_t user, std::string_view name) const;
    [[nodiscard]] const std::vector<LocalService>& all() const { return services_; }

  private:
    std::vector<LocalService> services_;
    std::unordered_map<uid_t, std::string> by_owner_;
};

struct View {
    std::string node; // this host
    std::string trust_domain;
    model::SnapshotPtr mesh;                    // never null
    std::shared_ptr<const LocalServices> local; // never null
    tls::CredentialsPtr node_credentials;       // inbound tunnels; null until this host has joined
    std::map<std::string, tls::CredentialsPtr, std::less<>>
        service_credentials; // outbound, by service
};
using ViewPtr = std::shared_ptr<const View>;

} // namespace hawser::proxy
