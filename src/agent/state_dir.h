// The agent's folder on disk: who this host is, its keys, and what it last knew of the mesh.
//
//   lock               held while a process uses the folder; holds its pid
//   node.pem           the node's private key and certificate chain
//   roots.pem          the roots this host trusts
//   joined, join.key   see join_record.h
//   services/NAME.pem  key and chain of each local service's identity
//   snapshot.cache     see snapshot_cache.h
//   renew-after        how long after its issue the servers want a certificate renewed, in ms
//   machine            which machine all this belongs to; see machine.h
//   kernel-rules       empty; there while the kernel may hold rules of this agent
//
// Key and chain share a file, so that one rename replaces both. Everything is 0600 in a 0700
// folder. Blocking; control loop only.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "tls/credentials.h"

namespace hawser::agent {

class StateDir {
  public:
    // Makes the folder if needed and locks it; fails with already_exists while another process
    // holds it.
    static Result<StateDir> open(std::string path);
    // Asks the agent that holds the folder to look at it again (SIGHUP). False: none has said that
    // it heeds that.
    static bool wake_holder(const std::string& path);
    static bool is_agents(const std::string& path); // that one holds it
    void heed_reload() const;                       // this process handles SIGHUP from now on
    // Only to look: neither made nor locked.
    static StateDir peek(std::string path) { return StateDir(std::move(path), -1); }

    StateDir(StateDir&& other) noexcept;
    StateDir& operator=(StateDir&& other) noexcept;
    ~StateDir();

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string cache_file() const { return path_ + "/snapshot.cache"; }
    [[nodiscard]] bool has_cache() const;

    // Nothing when there is no file.
    [[nodiscard]] Result<std::optional<tls::KeyPair>> read_node() const;
    [[nodiscard]] Result<void> write_node(const tls::KeyPair& pair) const;
    [[nodiscard]] Result<std::optional<tls::KeyPair>> read_service(std::string_view name) const;
    [[nodiscard]] Result<void> write_service(std::string_view name, const tls::KeyPair& pair) const;
    [[nodiscard]] Result<std::vector<std::string>> read_roots() const; // DER; none: empty
    [[nodiscard]] Result<void> write_roots(const std::vector<std::string>& roots) const;
    // Zero: they did not say, or it can't be read; half of its life then.
    [[nodiscard]] Duration read_renew_after() const;
    [[nodiscard]] Result<void> write_renew_after(Duration renew_after) const;
    [[nodiscard]] Result<std::optional<std::string>> read_machine() const;
    [[nodiscard]] Result<void> write_machine(std::string_view mark) const;

    // Said before the first rule, taken back after the last: an agent that is killed in between
    // finds it, and only then looks for leftovers, which could be another agent's otherwise.
    [[nodiscard]] Result<void> claim_kernel() const;
    [[nodiscard]] Result<void> disclaim_kernel() const;
    [[nodiscard]] bool claims_kernel() const;

    // Before this host becomes somebody else: removes the services' identities, the cache and the
    // node's own, whose roots are about to be others.
    [[nodiscard]] Result<void> forget_mesh() const;
    // Before this host becomes somebody of whom nothing here tells: all of it, but for what the
    // kernel may hold.
    [[nodiscard]] Result<void> forget_everything() const;

  private:
    StateDir(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}
    [[nodiscard]] std::string service_file(std::string_view name) const;
    [[nodiscard]] std::string claim_file() const { return path_ + "/kernel-rules"; }

    std::string path_;
    int lock_ = -1;
};

} // namespace hawser::agent
