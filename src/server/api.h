// The control protocol's methods (proto/control.proto), and who may call them:
//
//   Mesh/Join             anybody with a join token; limited per source address
//   Mesh/Sign, /Session   agents: a certificate of a node that still exists
//   Api/…, Trust/…       operators; which role each needs stands in api_methods.h
//   Peer/Join             anybody with a server's join token; limited like Mesh/Join
//
// An operator is who has an operator token, or on the admin socket root, this server's own user
// and the group hawser (as admin). Wrong tokens are limited per source address. Every refusal is
// logged with the peer, and counted; all but those of Join, and those that depend on what is asked
// for, come before any of the request is read.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "config/server_config.h"
#include "io/loop.h"
#include "model/command.h"
#include "model/proto/access.pb.h"
#include "model/proto/audit.pb.h"
#include "model/proto/authority.pb.h"
#include "model/proto/cluster.pb.h"
#include "model/proto/control.pb.h"
#include "model/proto/quarantine.pb.h"
#include "model/proto/trust.pb.h"
#include "rpc/server.h"
#include "server/access.h"
#include "server/api_methods.h"
#include "server/audit_heads.h"
#include "server/audit_trail.h"
#include "server/authority_keeper.h"
#include "server/authority_upkeep.h"
#include "server/cluster.h"
#include "server/raft_node.h"
#include "server/refusals.h"
#include "server/sessions.h"
#include "server/snapshot_keeper.h"
#include "server/source_limiter.h"
#include "server/upkeep.h"
#include "server/watch_hub.h"

namespace hawser::server {

class Api {
  public:
    // All must outlive the API.
    struct Parts {
        io::Executor executor;
        const config::ServerConfig& config;
        RaftNode& raft;
        Sessions& sessions;
        WatchHub& hub;
        AuthorityKeeper& authority;
        AuthorityUpkeep& authority_upkeep;
        AuditTrail& audit;
        const AuditHeads& audit_heads;
        Cluster& cluster;
        Upkeep& upkeep;
        SnapshotKeeper& snapshots;
        Refusals& refusals;
        Endpoint listen; // as bound
        std::string version;
    };
    explicit Api(Parts parts);

    // The returned methods refer to this.
    [[nodiscard]] rpc::Methods network_methods(); // for the TLS port
    [[nodiscard]] rpc::Methods local_methods();   // for the admin socket

  private:
    template <typename Response>
    using Answer = io::Task<Result<Response>>;

    // What a method looks at: this server's registry as it is, or with all that is committed.
    enum class View : std::uint8_t { local, current };
    struct Access {
        ApiMethod method;
        View view = View::local;
    };

    void add_api(rpc::Methods& methods);
    // One that only the leader can answer; the others ask it.
    template <typename Request, typename Response>
    void add_led(rpc::Methods& methods, ApiMethod method_of,
                 Answer<Response> (Api::*method)(Actor, Request));
    template <typename Request, typename Response>
    Answer<std::string> answer_typed(ApiMethod of, Answer<Response> (Api::*method)(Actor, Request),
                                     std::string bytes, Actor actor);
    template <typename Request, typename Response>
    void add(rpc::Methods& methods, ApiMethod method_of,
             Answer<Response> (Api::*method)(Actor, Request), View view = View::local);
    template <typename Request, typename Response>
    Answer<Response> guarded(Access access, Answer<Response> (Api::*method)(Actor, Request),
                             const rpc::Caller& caller, Request request);
    [[nodiscard]] io::Task<Result<void>> become_current();
    [[nodiscard]] Result<Actor> admit(ApiMethod method, const rpc::Caller& caller);
    [[nodiscard]] Result<Actor> identify(const rpc::Caller& caller);
    [[nodiscard]] Result<void> refusing(ApiMethod method, const Actor& actor, Result<void> allowed);
    [[nodiscard]] rpc::Guard nodes_only(Refused what, std::string path);
    [[nodiscard]] rpc::Guard admitted(ApiMethod method);
    [[nodiscard]] io::Task<Result<void>> record_act(ApiMethod method, Actor actor,
                                                    std::vector<std::string> what);
    [[nodiscard]] io::Task<Result<registry::Outcome>> propose(model::Command command, Actor actor);

    // mesh_api.cpp
    Answer<v1::JoinResponse> join(const rpc::Caller& caller, v1::JoinRequest request);
    Answer<v1::JoinResponse> join_admitted(v1::JoinRequest request, std::string source);
    [[nodiscard]] Result<void> may_try_to_join(const rpc::Caller& caller);
    void give_back_try(const rpc::Caller& caller);
    [[nodiscard]] io::Task<Result<void>> check_secret(std::string token_id, std::string secret);
    [[nodiscard]] Result<void> check_known_secret(const std::string& token_id,
                                                  const std::string& secret) const;
    [[nodiscard]] WallTime join_time();
    struct Signing {
        std::string node;
        std::uint64_t generation = 0;
        model::Identity identity;
        std::string csr;
        std::string source; // who gets it
    };
    Answer<std::string> sign_for(Signing signing);
    Answer<v1::SignResponse> sign(const rpc::Caller& caller, v1::SignRequest request);
    [[nodiscard]] Result<Signing> may_sign(const rpc::Caller& caller,
                                           const v1::SignRequest& request);
    io::Task<Result<void>> session(const rpc::Caller& caller, rpc::MessageStream& stream);

    // resource_api.cpp
    Answer<v1::ApplyResponse> apply(Actor actor, v1::ApplyRequest request);
    Answer<v1::DeleteResponse> delete_resource(Actor actor, v1::DeleteRequest request);
    Answer<v1::GetResponse> get(Actor actor, v1::GetRequest request);
    Answer<v1::WaitEnforcedResponse> wait_enforced(Actor actor, v1::WaitEnforcedRequest request);

    // history_api.cpp
    Answer<v1::HistoryResponse> history(Actor actor, v1::HistoryRequest request);
    Answer<v1::PlanResponse> plan(Actor actor, v1::PlanRequest request);
    Answer<v1::RollbackResponse> rollback(Actor actor, v1::RollbackRequest request);

    // watch_api.cpp
    io::Task<Result<void>> watch(const rpc::Caller& caller, rpc::MessageStream& stream);

    // token_api.cpp
    Answer<v1::CreateTokenResponse> create_token(Actor actor, v1::CreateTokenRequest request);
    Answer<v1::ListTokensResponse> list_tokens(Actor actor, v1::ListTokensRequest request);
    Answer<v1::RevokeTokenResponse> revoke_token(Actor actor, v1::RevokeTokenRequest request);

    // operator_token_api.cpp
    Answer<v1::CreateOperatorTokenResponse> create_operator_token(
        Actor actor, v1::CreateOperatorTokenRequest request);
    Answer<v1::ListOperatorTokensResponse> list_operator_tokens(
        Actor actor, v1::ListOperatorTokensRequest request);
    Answer<v1::RotateOperatorTokenResponse> rotate_operator_token(
        Actor actor, v1::RotateOperatorTokenRequest request);
    Answer<v1::RevokeOperatorTokenResponse> revoke_operator_token(
        Actor actor, v1::RevokeOperatorTokenRequest request);

    // quarantine_api.cpp
    Answer<v1::QuarantineResponse> quarantine(Actor actor, v1::QuarantineRequest request);
    [[nodiscard]] Result<void> check_quarantine(const model::Identity& identity) const;

    // snapshot_api.cpp
    io::Task<Result<void>> save_snapshot(const rpc::Caller& caller, rpc::MessageStream& stream);

    // server_join_api.cpp
    Answer<v1::ServerJoinResponse> join_server(const rpc::Caller& caller,
                                               v1::ServerJoinRequest request);
    Answer<v1::ServerJoinResponse> join_server_admitted(v1::ServerJoinRequest request,
                                                        std::string source);
    [[nodiscard]] Result<void> check_sealing_key(const v1::ServerJoinRequest& request) const;
    [[nodiscard]] Result<void> add_keys(const v1::ServerJoinRequest& request,
                                        v1::ServerJoinResponse& response) const;
    [[nodiscard]] Result<v1::ServerJoinResponse> welcome(
        const v1::ServerJoinRequest& request) const;

    // authority_api.cpp
    Answer<v1::AuthorityStatusResponse> authority_status(Actor actor,
                                                         v1::AuthorityStatusRequest request);
    Answer<v1::RotateAuthorityResponse> rotate_authority(Actor actor,
                                                         v1::RotateAuthorityRequest request);

    // members_api.cpp
    Answer<std::string> led(ApiMethod method, const rpc::Caller& caller, std::string request);
    Answer<std::string> answer_for(std::string method, std::string request, Actor actor);
    Answer<v1::MembersResponse> members(Actor actor, v1::MembersRequest request);
    Answer<v1::TransferLeadershipResponse> transfer_leadership(
        Actor actor, v1::TransferLeadershipRequest request);
    Answer<v1::RemoveServerResponse> remove_server(Actor actor, v1::RemoveServerRequest request);
    [[nodiscard]] Result<const model::Server*> find_server(const std::string& name) const;
    [[nodiscard]] io::Task<Result<void>> check_removable(model::Server server);
    io::Task<void> add_members(v1::ServerStatusResponse& status);
    void add_member_warnings(v1::ServerStatusResponse& status) const;

    // audit_api.cpp
    Answer<v1::ListAuditResponse> list_audit(Actor actor, v1::ListAuditRequest request);
    Answer<v1::VerifyAuditResponse> verify_audit(Actor actor, v1::VerifyAuditRequest request);
    Answer<v1::AuditHeadsResponse> audit_heads(Actor actor, v1::AuditHeadsRequest request);

    // trust_api.cpp
    Answer<v1::CertificatesResponse> certificates(Actor actor, v1::CertificatesRequest request);
    Answer<v1::RenewCertificatesResponse> renew_certificates(Actor actor,
                                                             v1::RenewCertificatesRequest request);

    // status_api.cpp
    Answer<v1::ServerStatusResponse> status(Actor actor, v1::ServerStatusRequest request);
    void add_warnings(v1::ServerStatusResponse& status, WallTime now) const;

    [[nodiscard]] const registry::Tables& tables() const { return parts_.raft.registry().tables(); }

    Parts parts_;
    // Methods of add_led, by path.
    std::map<std::string, std::function<Answer<std::string>(std::string, Actor)>> led_;
    SourceLimiter join_limiter_{{}};
    SourceLimiter token_limiter_{{.per_second = 1, .burst = 60}}; // wrong operator tokens
    WallTime last_join_ = 0;
    WallTime started_at_;
    std::uint64_t issued_ = 0; // certificates, since then
    std::size_t watchers_ = 0;
};

} // namespace hawser::server
