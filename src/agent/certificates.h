// This host's identities: the node's own certificate and one per local service. Keys are made
// here; servers sign; what comes back is proven before it is used. Each is renewed at half its
// life, or when the servers asked for it, on whichever server answers, and kept on disk so that a
// restart with no server in reach has them all.
//
// A node whose own certificate expired can renew nothing: it is kept, with what it says about
// itself, until a join with a new token brings another.
//
// One task does it in turn. Control loop only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/backoff.h"
#include "agent/identity.h"
#include "agent/server_list.h"
#include "agent/state_dir.h"
#include "base/random.h"
#include "base/result.h"
#include "base/units.h"
#include "io/loop.h"
#include "io/signal.h"
#include "io/task_group.h"
#include "model/resources.h"
#include "rpc/client.h"

namespace hawser::agent {

// For `status`.
struct CertificateReport {
    model::Identity id;
    WallTime issued = 0;
    WallTime not_after = 0; // 0: none yet
    WallTime renews_at = 0; // or tries again
    std::string last_error;
};
struct RenewalCounts {
    std::uint64_t ok = 0, failed = 0; // failed: each try counts
};

class Certificates {
  public:
    // `on_change`: credentials are new, the node's own among them or not. `state` and `servers`
    // outlive stop().
    Certificates(io::Executor executor, const StateDir& state, ServerList& servers,
                 NodeIdentity node, std::function<void(bool node)> on_change, std::uint64_t seed);
    ~Certificates();

    // The services that need one from now on; what is stored is used at once.
    void set_services(const std::vector<std::string>& names);
    void start();
    [[nodiscard]] io::Task<void> stop();

    // The node joined once more: this is its identity from now on, and what servers refused to
    // certify is asked for again.
    void rejoined(NodeIdentity node);
    // Now, whenever it was to be. Fails with the first one's reason.
    [[nodiscard]] io::Task<Result<void>> renew_now(std::vector<model::Identity> which);
    // The mesh's roots, as a server told: stored, and used from the next credentials on.
    void set_trust(const model::TrustDomain& domain);

    [[nodiscard]] tls::CredentialsPtr node() const; // null: expired
    [[nodiscard]] std::map<std::string, tls::CredentialsPtr, std::less<>> services() const;
    [[nodiscard]] std::vector<CertificateReport> report() const; // the node's first
    [[nodiscard]] const tls::TrustBundle& trust() const { return trust_; }
    [[nodiscard]] const RenewalCounts& counts() const { return counts_; }

  private:
    struct Entry;
    void adopt(Entry& entry, tls::KeyPair pair);
    void use(Entry& entry, tls::KeyPair pair, tls::CredentialsPtr credentials);
    [[nodiscard]] io::Task<void> run();
    // Shared: a service may go while its certificate is asked for.
    using EntryPtr = std::shared_ptr<Entry>;
    [[nodiscard]] EntryPtr add_service(const std::string& name);
    [[nodiscard]] std::vector<EntryPtr> due(WallTime now);
    [[nodiscard]] std::chrono::milliseconds until_next(WallTime now) const;
    [[nodiscard]] io::Task<void> renew(std::vector<EntryPtr> entries);
    [[nodiscard]] io::Task<Result<std::unique_ptr<rpc::Client>>> connect(Endpoint server);
    [[nodiscard]] io::Task<Result<void>> renew_one(rpc::Client& client, EntryPtr entry);
    [[nodiscard]] io::Task<Result<tls::KeyPair>> sign(rpc::Client& client, model::Identity id);
    [[nodiscard]] Result<void> accept(Entry& entry, tls::KeyPair pair);
    void heed(Duration renew_after);
    void failed(Entry& entry, const Error& why);

    io::Executor executor_;
    const StateDir& state_;
    ServerList& servers_;
    std::function<void(bool node)> on_change_;
    Random random_;
    tls::TrustBundle trust_;
    Duration renew_after_; // what the servers asked for last
    RenewalCounts counts_;
    std::vector<EntryPtr> entries_; // [0] is the node's
    io::Signal wake_;
    io::TaskGroup tasks_;
};

} // namespace hawser::agent
