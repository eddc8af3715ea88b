// Which method is whose, and the door they all go through; see api.h.
#include "server/api.h"

#include <chrono>
#include <format>
#include <utility>

#include "io/clock.h"

namespace hawser::server {

namespace {

// What an act is about, as the request says it.
template <typename Request>
std::vector<std::string> subject_of(const Request& request) {
    std::vector<std::string> what;
    if constexpr (requires { request.to(); }) {
        if (!request.to().empty()) what.push_back("server " + request.to());
    } else if constexpr (requires { request.identity(); }) {
        if (!request.identity().empty()) what.push_back(request.identity());
    }
    return what;
}

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
    add(methods, api_method("/hawser.v1.Api/Apply"), &Api::apply);
    add(methods, api_method("/hawser.v1.Api/Delete"), &Api::delete_resource);
    add(methods, api_method("/hawser.v1.Api/Plan"), &Api::plan, View::current);
    add(methods, api_method("/hawser.v1.Api/Rollback"), &Api::rollback, View::current);
    add(methods, api_method("/hawser.v1.Api/History"), &Api::history, View::current);
    add(methods, api_method("/hawser.v1.Api/Get"), &Api::get, View::current);
    add_led(methods, api_method("/hawser.v1.Api/WaitEnforced"), &Api::wait_enforced);
    add_led(methods, api_method("/hawser.v1.Api/Members"), &Api::members);
    add_led(methods, api_method("/hawser.v1.Api/TransferLeadership"), &Api::transfer_leadership);
    add_led(methods, api_method("/hawser.v1.Api/RemoveServer"), &Api::remove_server);
    add_led(methods, api_method("/hawser.v1.Api/AuthorityStatus"), &Api::authority_status);
    add_led(methods, api_method("/hawser.v1.Api/RotateAuthority"), &Api::rotate_authority);
    add(methods, api_method("/hawser.v1.Api/CreateToken"), &Api::create_token);
    add(methods, api_method("/hawser.v1.Api/ListTokens"), &Api::list_tokens, View::current);
    add(methods, api_method("/hawser.v1.Api/RevokeToken"), &Api::revoke_token);
    add(methods, api_method("/hawser.v1.Api/CreateOperatorToken"), &Api::create_operator_token);
    add(methods, api_method("/hawser.v1.Api/ListOperatorTokens"), &Api::list_operator_tokens,
        View::current);
    add(methods, api_method("/hawser.v1.Api/RotateOperatorToken"), &Api::rotate_operator_token,
        View::current);
    add(methods, api_method("/hawser.v1.Api/RevokeOperatorToken"), &Api::revoke_operator_token);
    add(methods, api_method("/hawser.v1.Audit/List"), &Api::list_audit);
    add(methods, api_method("/hawser.v1.Audit/Verify"), &Api::verify_audit);
    add(methods, api_method("/hawser.v1.Audit/Heads"), &Api::audit_heads);
    add(methods, api_method("/hawser.v1.Api/Quarantine"), &Api::quarantine);
    add(methods, api_method("/hawser.v1.Api/ServerStatus"), &Api::status);
    add(methods, api_method("/hawser.v1.Trust/Certificates"), &Api::certificates);
    add(methods, api_method("/hawser.v1.Trust/RenewCertificates"), &Api::renew_certificates);
    methods.streaming(
        "/hawser.v1.Api/Watch",
        [this](const rpc::Caller& caller, rpc::MessageStream& stream) {
            return watch(caller, stream);
        },
        admitted(api_method("/hawser.v1.Api/Watch")));
    methods.streaming(
        "/hawser.v1.Api/SaveSnapshot",
        [this](const rpc::Caller& caller, rpc::MessageStream& stream) {
            return save_snapshot(caller, stream);
        },
        admitted(api_method("/hawser.v1.Api/SaveSnapshot")));
}

template <typename Request, typename Response>
void Api::add(rpc::Methods& methods, ApiMethod method_of,
              Answer<Response> (Api::*method)(Actor, Request), View view) {
    methods.unary<Request, Response>(
        std::string(method_of.path),
        [this, access = Access{method_of, view}, method](const rpc::Caller& caller,
                                                         Request request) {
            return guarded(access, method, caller, std::move(request));
        },
        admitted(method_of));
}

template <typename Request, typename Response>
void Api::add_led(rpc::Methods& methods, ApiMethod method_of,
                  Answer<Response> (Api::*method)(Actor, Request)) {
    led_[std::string(method_of.path)] = [this, method_of, method](std::string request,
                                                                  Actor actor) {
        return answer_typed(method_of, method, std::move(request), std::move(actor));
    };
    methods.unary(
        std::string(method_of.path),
        [this, method_of](const rpc::Caller& caller, std::string request) {
            return led(method_of, caller, std::move(request));
        },
        admitted(method_of));
}

template <typename Request, typename Response>
Api::Answer<std::string> Api::answer_typed(ApiMethod of,
                                           Answer<Response> (Api::*method)(Actor, Request),
                                           std::string bytes, Actor actor) {
    if (Result<void> allowed = require_role(actor, of.least); !allowed)
        co_return fail(std::move(allowed.error()));
    Request request;
    if (!request.ParseFromString(bytes))
        co_return fail(ErrorCode::invalid, "the request is not a valid message");
    if (Result<void> reached = co_await become_current(); !reached)
        co_return fail(std::move(reached.error()));
    if (Result<void> kept = co_await record_act(of, actor, subject_of(request)); !kept)
        co_return fail(std::move(kept.error()));
    Result<Response> response = co_await (this->*method)(std::move(actor), std::move(request));
    if (!response) co_return fail(std::move(response.error()));
    co_return response->SerializeAsString();
}

rpc::Guard Api::admitted(ApiMethod method) {
    return [this, method](const rpc::Caller& caller) -> Result<void> {
        Result<Actor> actor = admit(method, caller);
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
    Result<Actor> actor = admit(access.method, caller);
    if (!actor) co_return fail(std::move(actor.error()));
    Result<void> recorded = co_await record_act(access.method, *actor, subject_of(request));
    if (!recorded) co_return fail(std::move(recorded.error()));
    co_return co_await (this->*method)(std::move(*actor), std::move(request));
}

// Commands are recorded where they are proposed.
io::Task<Result<void>> Api::record_act(ApiMethod method, Actor actor,
                                       std::vector<std::string> what) {
    if (method.effect != Effect::act) co_return Result<void>();
    const Result<std::uint64_t> recorded =
        co_await parts_.audit.record({.kind = "act",
                                      .who = std::move(actor.name),
                                      .from = std::move(actor.source),
                                      .method = std::string(method.path),
                                      .what = std::move(what)},
                                     AuditTrail::Until::synced);
    if (!recorded) co_return fail(recorded.error());
    co_return Result<void>();
}

// One that was removed has nobody to wait for; it may learn of that only meanwhile.
io::Task<Result<void>> Api::become_current() {
    Result<void> member = parts_.upkeep.check_member();
    if (!member) co_return member;
    Result<void> reached = co_await parts_.raft.read_barrier(longest_read);
    if (!reached) member = parts_.upkeep.check_member();
    co_return member ? reached : member;
}

Result<Actor> Api::admit(ApiMethod method, const rpc::Caller& caller) {
    Result<Actor> actor = identify(caller);
    Result<void> allowed = actor ? require_role(*actor, method.least) : fail(actor.error());
    if (allowed) return actor;
    parts_.refusals.record(Refused::call, method.path, caller, allowed.error());
    return fail(std::move(allowed.error()));
}

// Who showed too many wrong tokens is not even asked for one for a while: guessing costs us
// nothing.
Result<Actor> Api::identify(const rpc::Caller& caller) {
    // The group's members may change at any time; the files are small and calls are few.
    if (caller.local)
        return identify_operator(caller, tables(), read_local_admins(), io::wall_now());
    const IpAddress source = address_of(caller);
    const auto now = std::chrono::steady_clock::now();
    if (const auto wait = token_limiter_.wait(source, now); wait.count() > 0) {
        return fail(ErrorCode::resource_exhausted,
                    std::format("too many operator tokens that are not valid came from this "
                                "address; try again in {}",
                                format_duration(wait)));
    }
    Result<Actor> actor = identify_operator(caller, tables(), {}, io::wall_now());
    // It has a try: the wait is zero.
    if (!actor) static_cast<void>(token_limiter_.take(source, now));
    return actor;
}

// For what depends on the request: what the guard does for the rest.
Result<void> Api::refusing(ApiMethod method, const Actor& actor, Result<void> allowed) {
    if (allowed) return allowed;
    rpc::Caller caller;
    caller.remote = actor.source;
    parts_.refusals.record(Refused::call, method.path, caller, allowed.error());
    return allowed;
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
