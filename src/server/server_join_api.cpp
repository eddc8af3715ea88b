// A further server asks to become a member: hawser.v1.Peer/Join. The join token is its credential,
// and with it comes everything that makes a server: the authority's keys and who the others are.
#include <filesystem>
#include <format>

#include "base/bytes.h"
#include "io/clock.h"
#include "log/log.h"
#include "model/codec.h"
#include "server/api.h"
#include "server/secret_files.h"

namespace hawser::server {

namespace {

constexpr std::string_view path = "/hawser.v1.Peer/Join";

// What is missing here the new server lives without, too: the root's key may be kept elsewhere.
Result<std::string> read_key(const std::string& file, bool required) {
    std::error_code error;
    if (!required && !std::filesystem::exists(file, error)) return std::string();
    return read_secret_file(file);
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

Api::Answer<v1::ServerJoinResponse> Api::join_server_admitted(v1::ServerJoinRequest request,
                                                              std::string source) {
    Result<void> known = co_await check_secret(request.token_id(), request.token_secret());
    if (!known) co_return fail(std::move(known.error()));
    Result<model::Server> server = model::from_proto(request.server());
    if (!server) co_return fail(std::move(server.error()));
    const WallTime now = io::wall_now();
    server->joined_at = now;
    if (!answered_before(request.token_id(), *server, now)) {
        Result<registry::Outcome> joined = co_await propose(
            model::JoinServer{.token_id = request.token_id(), .server = *server, .now = now},
            {.name = "server:" + server->name, .source = std::move(source)});
        if (!joined) co_return fail(std::move(joined.error()));
    }
    co_return welcome();
}

// The answer was lost on its way: the same server, shown by its id, may have it again as long as
// the token lives.
bool Api::answered_before(const std::string& token_id, const model::Server& server,
                          WallTime now) const {
    const auto* token = tables().get<model::JoinToken>(token_id);
    const model::Server* row = tables().server(server.id);
    return token != nullptr && token->used_at != 0 && now < token->expires_at && row != nullptr &&
           row->name == server.name && token->server == server.name;
}

Result<v1::ServerJoinResponse> Api::welcome() const {
    const std::string folder = parts_.config.data_dir + "/ca/";
    Result<std::string> intermediate = read_key(folder + "intermediate.key", true);
    if (!intermediate) return fail(std::move(intermediate.error()));
    Result<std::string> root = read_key(folder + "root.key", false);
    if (!root) return fail(std::move(root.error()));
    v1::ServerJoinResponse response;
    *response.mutable_intermediate_key() = std::move(*intermediate);
    *response.mutable_root_key() = std::move(*root);
    v1::ClusterWelcome& welcome = *response.mutable_welcome();
    *welcome.mutable_domain() = model::to_proto(*tables().trust());
    for (const model::Server* server : tables().servers())
        *welcome.add_servers() = model::to_proto(*server);
    welcome.set_index(parts_.raft.registry().index());
    return response;
}

} // namespace hawser::server
