// What other servers call here: hawser.v1.Peer on 7443. Only members may, each only as itself; who
// is refused is counted and logged with the reason.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "raft/event.h"
#include "raft/message.h"
#include "rpc/server.h"
#include "server/peer_directory.h"
#include "server/refusals.h"

namespace hawser::server {

class PeerApi {
  public:
    struct Parts {
        PeerDirectory& directory; // outlives the API, as do
        Refusals& refusals;       // these
        std::string trust_domain;
        std::string version;
        // Raft's: a message, and commands for the leader.
        std::function<void(raft::Message)> receive;
        std::function<Result<raft::Accepted>(std::vector<raft::Payload>)> accept;
        // Somebody told his address; and somebody was refused who may only be unknown here.
        std::function<void()> learned;
        std::function<void()> unknown;
    };
    explicit PeerApi(Parts parts);

    // The methods refer to this.
    void add_to(rpc::Methods& methods);

    // The directory may list fewer now: who is no member is heard no longer.
    void refresh();
    // This server stops: nobody is heard any more.
    void end_all();

  private:
    class Stream;

    io::Task<Result<void>> messages(const rpc::Caller& caller, rpc::MessageStream& stream);
    io::Task<Result<void>> take_messages(raft::ServerId from, rpc::MessageStream& stream);
    [[nodiscard]] Result<PeerGreeting> check_greeting(const rpc::Caller& caller,
                                                      std::string_view bytes);
    [[nodiscard]] rpc::Guard members_only(std::string_view path);
    io::Task<Result<std::string>> propose(const rpc::Caller& caller, std::string request);
    io::Task<Result<std::string>> members(const rpc::Caller& caller, std::string request);
    [[nodiscard]] Result<void> admit(std::string_view path, const rpc::Caller& caller);
    [[nodiscard]] Result<Member> identify(std::string_view path, const rpc::Caller& caller,
                                          raft::ServerId claimed);

    Parts parts_;
    std::map<raft::ServerId, rpc::MessageStream*> streams_; // of each server the newest
    bool ended_ = false;
};

} // namespace hawser::server
