// The other servers, as this one talks to them: a link to each (peer_link.h), as the directory
// lists them, and calls over the links. What they say to this server comes in through PeerApi.
//
// One loop. All must be joined before it goes: cancel(), then join().
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/task_group.h"
#include "server/peer_directory.h"
#include "server/peer_link.h"
#include "server/peer_transport.h"

namespace hawser::server {

class Peers final : public PeerTransport {
  public:
    explicit Peers(PeerLinkParts parts);
    ~Peers() override;
    Peers(const Peers&) = delete;
    Peers& operator=(const Peers&) = delete;

    void send(raft::Message message) override;
    [[nodiscard]] io::Task<Answer> call(raft::ServerId to, std::string path, std::string request,
                                        std::chrono::milliseconds timeout) override;

    // The directory may list others now, or elsewhere.
    void refresh();
    // Somebody came who is not listed, though with a certificate: do others know better?
    void ask_who_is_member();

    struct Status {
        Member peer;
        PeerLinkStatus link;
    };
    [[nodiscard]] std::vector<Status> status() const;

    void cancel();
    [[nodiscard]] io::Task<void> join() { return tasks_.join(); }

  private:
    io::Task<void> run(std::shared_ptr<PeerLink> link);
    io::Task<void> ask_members();

    PeerLinkParts parts_;
    std::map<raft::ServerId, std::shared_ptr<PeerLink>> links_;
    bool asking_ = false;
    io::TaskGroup tasks_;
};

} // namespace hawser::server
