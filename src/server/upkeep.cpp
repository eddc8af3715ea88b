#include "server/upkeep.h"

#include <format>
#include <utility>

#include "log/log.h"
#include "model/codec.h"
#include "model/proto/cluster.pb.h"

namespace hawser::server {

namespace {

constexpr std::string_view leases_path = "/hawser.v1.Peer/Leases";
constexpr std::string_view ask_path = "/hawser.v1.Peer/Ask";

} // namespace

Upkeep::Upkeep(Parts parts) : parts_(std::move(parts)), tasks_(parts_.executor) {}

void Upkeep::add_method(rpc::Methods& methods, std::string_view path,
                        io::Task<Result<std::string>> (Upkeep::*method)(const rpc::Caller& caller,
                                                                        std::string request)) {
    methods.unary(
        std::string(path),
        [this, method](const rpc::Caller& caller, std::string request) {
            return (this->*method)(caller, std::move(request));
        },
        [this](const rpc::Caller& caller) { return parts_.cluster.admit(caller); });
}

void Upkeep::add_to(rpc::Methods& methods) {
    add_method(methods, leases_path, &Upkeep::take_leases);
    add_method(methods, ask_path, &Upkeep::answer);
}

void Upkeep::start() {
    review_serving(Clock::now());
    tasks_.spawn(report_leases());
    tasks_.spawn(keep_current());
    tasks_.spawn(keep_members());
    tasks_.spawn(keep_own_row());
}

Result<void> Upkeep::check_member() const {
    if (!parts_.cluster.removed()) return {};
    return fail(ErrorCode::failed_precondition,
                "this server was removed from the cluster; stop it, and move its data directory "
                "away");
}

// --- what others ask --------------------------------------------------------------------------

Result<void> Upkeep::check_leading(const rpc::Caller& caller, raft::ServerId from) const {
    Result<Member> member = parts_.cluster.identify(caller, from);
    if (!member) return fail(std::move(member.error()));
    if (parts_.raft.leads()) return {};
    return fail(ErrorCode::unavailable, "this server does not lead");
}

io::Task<Result<std::string>> Upkeep::take_leases(const rpc::Caller& caller, std::string bytes) {
    v1::LeaseReport report;
    if (!report.ParseFromString(bytes)) co_return fail(ErrorCode::invalid, "not a lease report");
    if (Result<void> leading = check_leading(caller, report.from()); !leading)
        co_return fail(std::move(leading.error()));
    const Clock::time_point now = Clock::now();
    std::vector<LeaseTable::Sighting> sightings;
    for (const v1::Lease& lease : report.leases()) {
        sightings.push_back({.node = lease.node(),
                             .at = now - std::chrono::milliseconds(lease.silent_ms()),
                             .enforced_index = lease.enforced_index(),
                             .registered = lease.registered(),
                             .left = lease.left()});
    }
    parts_.sessions.take(std::move(sightings));
    parts_.authority.take(report);
    v1::LeaseReceipt receipt;
    receipt.set_index(parts_.raft.registry().index());
    co_return receipt.SerializeAsString();
}

io::Task<Result<std::string>> Upkeep::answer(const rpc::Caller& caller, std::string bytes) {
    v1::PeerAskRequest request;
    if (!request.ParseFromString(bytes)) co_return fail(ErrorCode::invalid, "not a question");
    if (Result<void> leading = check_leading(caller, request.from()); !leading)
        co_return fail(std::move(leading.error()));
    const Result<model::Role> role = model::from_proto(request.role());
    if (!role) co_return fail(role.error());
    Result<std::string> response =
        co_await answer_(request.method(), request.request(),
                         {.name = request.actor(), .role = *role, .source = request.source()});
    if (!response) co_return fail(std::move(response.error()));
    v1::PeerAskResponse message;
    message.set_response(std::move(*response));
    co_return message.SerializeAsString();
}

io::Task<Result<std::string>> Upkeep::ask_leader(std::string method, std::string request,
                                                 Actor actor, std::chrono::milliseconds timeout) {
    const raft::ServerId leader = parts_.raft.status().leader;
    if (leader == raft::no_server) {
        co_return fail(ErrorCode::unavailable,
                       "no leader is known: is a majority of the servers running?");
    }
    v1::PeerAskRequest message;
    message.set_from(parts_.raft.id());
    message.set_method(std::move(method));
    message.set_request(std::move(request));
    message.set_actor(std::move(actor.name));
    message.set_role(model::to_proto(actor.role));
    message.set_source(std::move(actor.source));
    PeerTransport::Answer answer = co_await parts_.cluster.call(
        leader, std::string(ask_path), message.SerializeAsString(), timeout);
    if (!answer.bytes) co_return fail(std::move(answer.bytes.error()), "asking the leader");
    v1::PeerAskResponse response;
    if (!response.ParseFromString(*answer.bytes))
        co_return fail(ErrorCode::corrupt, "the leader's answer is not a valid message");
    co_return std::move(*response.mutable_response());
}

} // namespace hawser::server
