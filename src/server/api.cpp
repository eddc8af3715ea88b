// Which method is whose, and the door they all go through; see api.h.
#include "server/api.h"

#include <utility>

#include "io/clock.h"

namespace hawser::server {

namespace {

// Of a read for the leader's word; an election fits into it.
constexpr std::chrono::milliseconds longest_read{5'000};

} // namespace

Api::Api(Parts parts) : parts_(std::move(parts)), started_at_(io::wall_now()) {
    parts_.upkeep.on_ask([this](std::string method, std::string request, Actor actor) {
        return answer_for(std::move(method), std::move(request), std::move(actor));
    });
}

rpc::Methods Api::network_methods() {
    rpc::Methods methods;
    methods.unary<v1::JoinRequest, v1::JoinResponse>(
        "/hawser.v1.Mesh/Join", [this](const rpc::Caller& caller, v1::JoinRequest request) {
            return join(caller, std::move(request));
        });
    methods.unary<v1::ServerJoinRequest, v1::ServerJoinResponse>(
        "/hawser.v1.Peer/Join", [this](const rpc::Caller& caller, v1::ServerJoinRequest request) {
            return join_server(caller, std::move(request));
        });
    methods.unary<v1::SignRequest, v1::SignResponse>(
        "/hawser.v1.Mesh/Sign",
        [this](const rpc::Caller& caller, v1::SignRequest request) {
            return sign(caller, std::move(request));
        },
        nodes_only(Refused::certificate, "/hawser.v1.Mesh/Sign"));
    methods.streaming(
        "/hawser.v1.Mesh/Session",
        [this](const rpc::Caller& caller, rpc::MessageStream& stream) {
            return session(caller, stream);
        },
        nodes_only(Refused::session, "/hawser.v1.Mesh/Session"));
    add_api(methods);
    return methods;
}

rpc::Methods Api::local_methods() {
    rpc::Methods methods;
    add_api(methods);
    return methods;
}

void Api::add_api(rpc::Methods& methods) {
    using model::Role;
    add(methods, "/hawser.v1.Api/Apply", Role::operator_, &Api::apply);
    add(methods, "/hawser.v1.Api/Delete", Role::operator_, &Api::delete_resource);
    add(methods, "/hawser.v1.Api/Plan", Role::reader, &Api::plan, View::current);
    add(methods, "/hawser.v1.Api/Rollback", Role::operator_, &Api::rollback, View::current);
    add(methods, "/hawser.v1.Api/History", Role::reader, &Api::history, View::current);
    add(methods, "/hawser.v1.Api/Get", Role::reader, &Api::get, View::current);
    add_led(methods, "/hawser.v1.Api/WaitEnforced", Role::reader, &Api::wait_enforced);
    add_led(methods, "/hawser.v1.Api/Members", Role::reader, &Api::members);
    add_led(methods, "/hawser.v1.Api/TransferLeadership", Role::admin, &Api::transfer_leadership);
    add_led(methods, "/hawser.v1.Api/RemoveServer", Role::admin, &Api::remove_server);
    add_led(methods, "/hawser.v1.Api/AuthorityStatus", Role::reader, &Api::authority_status);
    add_led(methods, "/hawser.v1.Api/RotateAuthority", Role::admin, &Api::rotate_authority);
    add(methods, "/hawser.v1.Api/CreateToken", Role::operator_, &Api::create_token);
    add(methods, "/hawser.v1.Api/ListTokens", Role::operator_, &Api::list_tokens, View::current);
    add(methods, "/hawser.v1.Api/RevokeToken", Role::operator_, &Api::revoke_token);
    add(methods, "/hawser.v1.Api/Quarantine", Role::operator_, &Api::quarantine);
    add(methods, "/hawser.v1.Api/ServerStatus", Role::reader, &Api::status);
    add(methods, "/hawser.v1.Trust/Certificates", Role::reader, &Api::certificates);
    add(methods, "/hawser.v1.Trust/RenewCertificates", Role::admin, &Api::renew_certificates);
    methods.streaming(
        "/hawser.v1.Api/Watch",
        [this](const rpc::Caller& caller, rpc::MessageStream& stream) {
            return watch(caller, stream);
        },
        admitted("/hawser.v1.Api/Watch", Role::reader));
    methods.streaming(
        "/hawser.v1.Api/SaveSnapshot",
        [this](const rpc::Caller& caller, rpc::MessageStream& stream) {
            return save_snapshot(caller, stream);
        },
        admitted("/hawser.v1.Api/SaveSnapshot", Role::admin));
}

template <typename Request, typename Response>
void Api::add(rpc::Methods& methods, std::string path, model::Role least,
              Answer<Response> (Api::*method)(Actor, Request), View view) {
    methods.unary<Request, Response>(
        path,
        [this, access = Access{path, least, view}, method](const rpc::Caller& caller,
                                                           Request request) {
            return guarded(access, method, caller, std::move(request));
        },
        admitted(path, least));
}

template <typename Request, typename Response>
void Api::add_led(rpc::Methods& methods, std::string path, model::Role least,
                  Answer<Response> (Api::*method)(Actor, Request)) {
    led_[path] = [this, least, method](std::string request, Actor actor) {
        return answer_typed(least, method, std::move(request), std::move(actor));
    };
    methods.unary(
        path,
        [this, path, least](const rpc::Caller& caller, std::string request) {
            return led(path, least, caller, std::move(request));
        },
        admitted(path, least));
}

template <typename Request, typename Response>
Api::Answer<std::string> Api::answer_typed(model::Role least,
                                           Answer<Response> (Api::*method)(Actor, Request),
                                           std::string bytes, Actor actor) {
    if (Result<void> allowed = require_role(actor, least); !allowed)
        co_return fail(std::move(allowed.error()));
    Request request;
    if (!request.ParseFromString(bytes))
        co_return fail(ErrorCode::invalid, "the request is not a valid message");
    if (Result<void> reached = co_await become_current(); !reached)
        co_return fail(std::move(reached.error()));
    Result<Response> response = co_await (this->*method)(std::move(actor), std::move(request));
    if (!response) co_return fail(std::move(response.error()));
    co_return response->SerializeAsString();
}

rpc::Guard Api::admitted(std::string path, model::Role least) {
    return [this, path = std::move(path), least](const rpc::Caller& caller) -> Result<void> {
        Result<Actor> actor = admit(path, least, caller);
        if (!actor) return fail(std::move(actor.error()));
        return {};
    };
}

rpc::Guard Api::nodes_only(Refused what, std::string path) {
    return [this, what, path = std::move(path)](const rpc::Caller& caller) -> Result<void> {
        Result<const model::Node*> node = identify_node(caller, tables());
        if (node) return {};
        // What another server let in a moment ago may not be known here yet; the leader knows.
        if (!parts_.raft.leads() && node.error().code == ErrorCode::permission_denied) {
            node = fail(ErrorCode::unavailable, node.error().message +
                                                    " (as far as this server knows, which does not "
                                                    "lead; another may know better)");
        }
        parts_.refusals.record(what, path, caller, node.error());
        return fail(std::move(node.error()));
    };
}

// Asked again: what the guard saw may have changed while the request came.
template <typename Request, typename Response>
Api::Answer<Response> Api::guarded(Access access, Answer<Response> (Api::*method)(Actor, Request),
                                   const rpc::Caller& caller, Request request) {
    bool current = access.view == View::current;
    if constexpr (requires { request.stale(); }) current = current && !request.stale();
    if (current) {
        if (Result<void> reached = co_await become_current(); !reached)
            co_return fail(std::move(reached.error()));
    }
    Result<Actor> actor = admit(access.path, access.least, caller);
    if (!actor) co_return fail(std::move(actor.error()));
    co_return co_await (this->*method)(std::move(*actor), std::move(request));
}

// One that was removed has nobody to wait for; it may learn of that only meanwhile.
io::Task<Result<void>> Api::become_current() {
    Result<void> member = parts_.upkeep.check_member();
    if (!member) co_return member;
    Result<void> reached = co_await parts_.raft.read_barrier(longest_read);
    if (!reached) member = parts_.upkeep.check_member();
    co_return member ? reached : member;
}

Result<Actor> Api::admit(std::string_view path, model::Role least, const rpc::Caller& caller) {
    // The group's members may change at any time; the files are small and calls are few.
    Result<Actor> actor =
        identify_operator(caller, tables(), caller.local ? read_local_admins() : LocalAdmins{});
    Result<void> allowed = actor ? require_role(*actor, least) : fail(actor.error());
    if (allowed) return actor;
    parts_.refusals.record(Refused::call, path, caller, allowed.error());
    return fail(std::move(allowed.error()));
}

io::Task<Result<registry::Outcome>> Api::propose(model::Command command, Actor actor) {
    if (Result<void> member = parts_.upkeep.check_member(); !member)
        co_return fail(std::move(member.error()));
    co_return co_await parts_.raft.propose({.command = std::move(command),
                                            .actor = std::move(actor.name),
                                            .proposed_at = io::wall_now(),
                                            .source = std::move(actor.source)});
}

} // namespace hawser::server
