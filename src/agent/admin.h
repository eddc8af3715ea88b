// agent.sock: what this agent does, for people on its host. It changes nothing but to renew a
// certificate before its time. Served to root, to the
// agent's own user and to the members of the socket file's group, by the kernel's word on who the
// peer is. Control loop only.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "agent/mesh_state.h"
#include "base/result.h"
#include "io/loop.h"
#include "io/socket.h"
#include "io/task_group.h"
#include "model/proto/control.pb.h"
#include "model/proto/trust.pb.h"

namespace hawser::agent {

// Where the answers come from.
struct AdminSources {
    std::function<io::Task<v1::AgentStatusResponse>()> status;
    std::function<io::Task<Result<v1::InterceptStatusResponse>>()> intercept;
    std::function<const MeshState*()> mesh; // null: not joined yet
    std::function<v1::CertificatesResponse()> certificates;
    std::function<io::Task<Result<v1::RenewCertificatesResponse>>(std::string identity)> renew;
};

class AdminSocket {
  public:
    // 0660 and of the group hawser; where there is no such group, 0600.
    static Result<std::unique_ptr<AdminSocket>> open(io::Executor executor, std::string path,
                                                     AdminSources sources);
    ~AdminSocket(); // after stop()
    AdminSocket(const AdminSocket&) = delete;
    AdminSocket& operator=(const AdminSocket&) = delete;

    void start();
    [[nodiscard]] io::Task<void> stop(); // and removes the file

  private:
    AdminSocket(io::Executor executor, std::string path, io::Acceptor acceptor,
                AdminSources sources, std::optional<gid_t> group);

    std::string path_;
    io::Acceptor acceptor_;
    AdminSources sources_;
    std::optional<gid_t> group_;
    io::TaskGroup tasks_;
};

// May this peer ask? Its supplementary groups are read from /proc.
[[nodiscard]] bool may_ask(const io::PeerCredentials& peer, std::optional<gid_t> group);

// What the agent was told last: rows of a kind, or the one of that name.
[[nodiscard]] Result<v1::GetResponse> get_rows(const MeshState* mesh,
                                               const v1::GetRequest& request);

} // namespace hawser::agent
