// A further server asks to become a member: hawser.v1.Peer/Join. The join token is its credential,
// and with it comes everything that makes a server: the authority's keys and who the others are.
#include <format>

#include "base/bytes.h"
#include "ca/tokens.h"
#include "io/clock.h"
#include "log/log.h"
#include "model/codec.h"
#include "registry/levels.h"
#include "server/api.h"

namespace hawser::server {

namespace {

constexpr std::string_view path = "/hawser.v1.Peer/Join";

// What the cluster keeps of a joiner's own secret; nothing of one that has none.
std::string key_of(const std::string& own_secret) {
    return own_secret.empty() ? std::string() : ca::hash_secret(own_secret);
}

} // namespace

Api::Answer<v1::ServerJoinResponse> Api::join_server(const rpc::Caller& caller,
                                                     v1::ServerJoinRequest request) {
    const std::string name = printable(request.server().name(), 64);
    Result<void> may = may_try_to_join(caller);
    Result<v1::ServerJoinResponse> response = fail(may ? Error() : std::move(may.error()));
    if (may) response = co_await join_server_admitted(std::move(request), caller.remote);
    if (response) {
        give_back_try(caller);
        log::info("a server joined", {{"server", name}, {"peer", caller.remote}});
    } else {
        parts_.refusals.record(Refused::join, path, caller, response.error());
    }
    co_return response;
}

// A joiner whose answer was lost asks again, with the same secret; what to make of that is the
// registry's to decide, where the first use is surely known.
Api::Answer<v1::ServerJoinResponse> Api::join_server_admitted(v1::ServerJoinRequest request,
                                                              std::string source) {
    Result<void> known = co_await check_secret(request.token_id(), request.token_secret());
    if (!known) co_return fail(std::move(known.error()));
    if (Result<void> sealed = check_sealing_key(request); !sealed)
        co_return fail(std::move(sealed.error()));
    Result<model::Server> server = model::from_proto(request.server());
    if (!server) co_return fail(std::move(server.error()));
    const WallTime now = io::wall_now();
    server->joined_at = now;
    const Actor actor{.name = "server:" + server->name, .source = std::move(source)};
    model::JoinServer command{.token_id = request.token_id(),
                              .server = std::move(*server),
                              .now = now,
                              .key = key_of(request.own_secret())};
    // Servers that do not know such keys yet could not remember this one.
    if (!registry::check_level(model::level_of(command), tables())) command.key.clear();
    Result<registry::Outcome> joined = co_await propose(std::move(command), actor);
    if (!joined) co_return fail(std::move(joined.error()));
    co_return welcome(request);
}

// Whether the new server could open the authority's keys, before its token is used up.
Result<void> Api::check_sealing_key(const v1::ServerJoinRequest& request) const {
    const model::Authority* authority = tables().authority();
    if (authority == nullptr) return {};
    const std::string& own = request.sealing_key_id();
    if (own == authority->sealing_key_id) return {};
    if (!own.empty())
        return fail(ErrorCode::failed_precondition,
                    std::format("the authority's keys are sealed under the key {}, the new server "
                                "has {}",
                                authority->sealing_key_id, printable(own, 32)));
    if (!parts_.authority.options().sealing_key.from_operator()) return {};
    return fail(ErrorCode::failed_precondition,
                std::format("this cluster's sealing key is its operator's to bring: put the key {} "
                            "on the new server and name it there ([ca] sealing_key_file)",
                            authority->sealing_key_id));
}

Result<void> Api::add_keys(const v1::ServerJoinRequest& request,
                           v1::ServerJoinResponse& response) const {
    const SealingKeyPlace& place = parts_.authority.options().sealing_key;
    if (const model::Authority* authority = tables().authority()) {
        *response.mutable_welcome()->mutable_authority() = model::to_proto(*authority);
        response.mutable_welcome()->set_authority_index(tables().authority_index());
        if (!request.sealing_key_id().empty()) return {};
        const Result<ca::SealingKey> key = read_sealing_key(place);
        if (!key) return fail(key.error());
        response.set_sealing_key(key->to_text());
        return {};
    }
    const Result<ca::OpenSigner> signer =
        read_authority_files(parts_.config.data_dir, *tables().trust());
    if (!signer) return fail(signer.error());
    response.set_intermediate_key(signer->key.text());
    response.set_root_key(signer->root_key.text()); // empty: kept elsewhere
    return {};
}

Result<v1::ServerJoinResponse> Api::welcome(const v1::ServerJoinRequest& request) const {
    v1::ServerJoinResponse response;
    v1::ClusterWelcome& welcome = *response.mutable_welcome();
    *welcome.mutable_domain() = model::to_proto(*tables().trust());
    for (const model::Server* server : tables().servers())
        *welcome.add_servers() = model::to_proto(*server);
    welcome.set_index(parts_.raft.registry().index());
    if (Result<void> added = add_keys(request, response); !added)
        return fail(std::move(added.error()));
    return response;
}

} // namespace hawser::server
