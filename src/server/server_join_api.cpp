// A further server asks to become a member: hawser.v1.Peer/Join. The join token is its credential,
// and with it comes everything that makes a server: the authority's keys and who the others are.
#include <filesystem>
#include <format>

#include "base/bytes.h"
#include "ca/tokens.h"
#include "io/clock.h"
#include "log/log.h"
#include "model/codec.h"
#include "registry/levels.h"
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
    co_return welcome();
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
