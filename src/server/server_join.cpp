#include "server/server_join.h"

#include <algorithm>
#include <filesystem>
#include <format>
#include <utility>

#include "base/bytes.h"
#include "base/unique_id.h"
#include "ca/authority.h"
#include "config/config_file.h"
#include "host/files.h"
#include "io/clock.h"
#include "io/socket.h"
#include "log/log.h"
#include "model/codec.h"
#include "model/command.h"
#include "model/proto/cluster.pb.h"
#include "rpc/client.h"
#include "server/authority_keeper.h"
#include "server/removed.h"
#include "server/secret_files.h"
#include "server/storage.h"
#include "server/welcome.h"
#include "tls/x509.h"

namespace hawser::server {

namespace {

bool has_pinned_root(const model::TrustDomain& domain, const std::string& pin) {
    return std::ranges::any_of(
        domain.roots, [&](const std::string& root) { return tls::sha256(as_bytes(root)) == pin; });
}

Result<ca::JoinTokenText> server_token(const ServerJoinOptions& options) {
    constexpr std::string_view space = " \t\r\n";
    const auto begin = options.token.find_first_not_of(space);
    if (begin == std::string::npos) return fail(ErrorCode::invalid, "the token is empty");
    const auto end = options.token.find_last_not_of(space);
    Result<ca::JoinTokenText> token =
        ca::JoinTokenText::parse(std::string_view(options.token).substr(begin, end - begin + 1));
    if (!token) return token;
    if (token->server.empty()) {
        return fail(
            ErrorCode::invalid,
            std::format("the token is for the host '{}'; there: hawser join TOKEN", token->node));
    }
    if (token->server != options.config.node) {
        return fail(ErrorCode::failed_precondition,
                    std::format("the token is for the server '{}', this one is '{}' (node in "
                                "server.toml)",
                                token->server, options.config.node));
    }
    return token;
}

// What is here already, if that makes the token unnecessary or forbids using it.
io::Task<Result<std::optional<ServerJoinResult>>> look_before(const ServerJoinOptions& options,
                                                              const ca::JoinTokenText& token) {
    const std::string& data_dir = options.config.data_dir;
    Result<std::optional<Welcome>> welcome = load_welcome(data_dir);
    if (!welcome) co_return fail(std::move(welcome.error()));
    if (!*welcome) co_return std::optional<ServerJoinResult>();
    const model::TrustDomain& domain = (*welcome)->domain;
    if (!has_pinned_root(domain, token.root_pin)) {
        co_return fail(ErrorCode::failed_precondition,
                       std::format("{} is of the mesh '{}' already, the token is of another",
                                   data_dir, domain.name));
    }
    if (co_await was_removed(options.config, **welcome,
                             options.servers.empty() ? token.servers : options.servers)) {
        co_return fail(ErrorCode::failed_precondition,
                       std::format("server '{}' was removed from the cluster: stop it, move {} "
                                   "away, then join again",
                                   token.server, data_dir));
    }
    ServerJoinResult result{
        .server = token.server, .trust_domain = domain.name, .already = true, .others = {}};
    for (const model::Server& server : (*welcome)->servers) {
        if (server.name != token.server) result.others.push_back(server.name);
    }
    co_return std::optional(std::move(result));
}

Result<bool> is_empty(Storage& storage) {
    const Result<raft::Restored> restored = storage.log.load();
    if (!restored) return fail(restored.error());
    return restored->base.position.index == 0 && restored->entries.empty();
}

// The id of an attempt that broke off is used again: the cluster may know it.
Result<raft::ServerId> own_id(Storage& storage) {
    const Result<bool> empty = is_empty(storage);
    if (!empty) return fail(empty.error());
    if (!*empty) {
        return fail(ErrorCode::failed_precondition,
                    std::format("{} holds a registry already; to join another cluster, move it "
                                "away first",
                                storage.directory.path()));
    }
    if (storage.log.id() != raft::no_server) return storage.log.id();
    const raft::ServerId id = new_unique_id();
    if (Result<void> made = storage.log.bootstrap(id, {}); !made)
        return fail(std::move(made.error()), "making the raft log");
    return id;
}

std::string own_secret_file(const std::string& data_dir) {
    return data_dir + "/join-secret";
}

// The id is public. This is what shows the cluster that the one who asks again is the one whom it
// let in; kept until there is nothing left to ask for.
Result<std::string> own_secret(const std::string& data_dir) {
    const std::string file = own_secret_file(data_dir);
    std::error_code error;
    if (std::filesystem::exists(file, error)) return read_secret_file(file);
    std::string secret = ca::new_token_secret();
    if (Result<void> kept = write_secret_file(file, secret); !kept)
        return fail(std::move(kept.error()));
    return secret;
}

struct Attempt {
    ca::JoinTokenText token;
    raft::ServerId id = raft::no_server;
    std::string own_secret;
    std::optional<ca::SealingKey> sealing_key; // that the operator brought
    tls::CredentialsPtr credentials;
};

Result<std::optional<ca::SealingKey>> brought_sealing_key(const config::ServerConfig& config) {
    const SealingKeyPlace place = sealing_key_place(config);
    if (!place.from_operator()) return std::optional<ca::SealingKey>();
    Result<ca::SealingKey> key = read_sealing_key(place);
    if (!key) return fail(std::move(key.error()));
    return std::optional(std::move(*key));
}

v1::ServerJoinRequest make_request(const Attempt& attempt, const ServerJoinOptions& options,
                                   const Endpoint& asked) {
    v1::ServerJoinRequest request;
    request.set_token_id(attempt.token.id);
    request.set_token_secret(attempt.token.secret);
    request.set_own_secret(attempt.own_secret);
    if (attempt.sealing_key) request.set_sealing_key_id(attempt.sealing_key->id());
    *request.mutable_server() = model::to_proto(
        model::Server{.id = attempt.id,
                      .name = attempt.token.server,
                      .addresses = reachable_at(options.config, options.config.listen, asked),
                      .version = options.version,
                      .level = model::newest_level});
    return request;
}

io::Task<Result<v1::ServerJoinResponse>> ask(Endpoint server, const Attempt& attempt,
                                             const ServerJoinOptions& options) {
    auto client = co_await rpc::Client::connect_tls(server, attempt.credentials);
    if (!client) co_return fail(std::move(client.error()));
    const auto& peer = (*client)->peer();
    if (!peer || peer->identity.kind != model::IdentityKind::server)
        co_return fail(ErrorCode::permission_denied, "it is not a hawser server");
    co_return co_await (*client)->call<v1::ServerJoinResponse>(
        "/hawser.v1.Peer/Join", make_request(attempt, options, server));
}

// Each in turn until one answers; what each said, if none does.
io::Task<Result<v1::ServerJoinResponse>> ask_in_turn(const Attempt& attempt,
                                                     const ServerJoinOptions& options) {
    const std::vector<Endpoint>& servers =
        options.servers.empty() ? attempt.token.servers : options.servers;
    if (servers.empty())
        co_return fail(ErrorCode::invalid, "the token names no server: say which to ask");
    std::string reasons;
    ErrorCode code = ErrorCode::unavailable;
    for (const Endpoint& server : servers) {
        auto response = co_await ask(server, attempt, options);
        if (response) co_return response;
        const ErrorCode said = response.error().code;
        if (said != ErrorCode::unavailable && said != ErrorCode::deadline_exceeded) code = said;
        reasons += std::format("{}{}: {}", reasons.empty() ? "" : "; ", server.to_string(),
                               response.error().message);
    }
    co_return fail(code, std::move(reasons));
}

// The signing key and its certificates, whichever way they came.
Result<ca::OpenSigner> received_signer(const v1::ServerJoinResponse& response,
                                       const Welcome& welcome, const Attempt& attempt) {
    if (!welcome.authority) {
        return ca::OpenSigner{.root = welcome.domain.roots.front(),
                              .chain = {welcome.domain.intermediates.front()},
                              .root_key = {},
                              .key = {response.intermediate_key()}};
    }
    if (attempt.sealing_key) return ca::open(welcome.authority->active, *attempt.sealing_key);
    const Result<ca::SealingKey> key = ca::SealingKey::parse(response.sealing_key());
    if (!key) return fail(key.error());
    return ca::open(welcome.authority->active, *key);
}

// Believed only if the keys are those of the authority that the token pins.
Result<Welcome> accept(const v1::ServerJoinResponse& response, const Attempt& attempt) {
    Result<Welcome> welcome = read_welcome(response.welcome());
    if (!welcome) return welcome;
    const model::TrustDomain& domain = welcome->domain;
    if (domain.intermediates.empty() || !has_pinned_root(domain, attempt.token.root_pin))
        return fail(ErrorCode::corrupt, "its root is not the one the token names");
    Result<ca::OpenSigner> signer = received_signer(response, *welcome, attempt);
    if (!signer) return fail(std::move(signer.error()), "the authority it gave");
    const Result<ca::Authority> authority = ca::Authority::load(
        domain.name, std::move(signer->root), std::move(signer->chain), signer->key.text());
    if (!authority) return fail(authority.error(), "the authority it gave");
    return welcome;
}

Result<void> keep_keys(const config::ServerConfig& config, const v1::ServerJoinResponse& response,
                       const Welcome& welcome) {
    if (!welcome.authority) {
        return store_authority(config.data_dir,
                               {.root_der = welcome.domain.roots.front(),
                                .root_key_pem = response.root_key(),
                                .intermediate_der = welcome.domain.intermediates.front(),
                                .intermediate_key_pem = response.intermediate_key()});
    }
    if (response.sealing_key().empty()) return {};
    const Result<ca::SealingKey> key = ca::SealingKey::parse(response.sealing_key());
    if (!key) return fail(key.error());
    return store_sealing_key(sealing_key_place(config), *key);
}

Result<void> keep(const config::ServerConfig& config, const v1::ServerJoinResponse& response,
                  const Welcome& welcome) {
    const std::string& data_dir = config.data_dir;
    if (Result<void> stored = keep_keys(config, response, welcome); !stored) return stored;
    if (Result<void> joined = store_welcome(data_dir, response.welcome()); !joined) return joined;
    return host::remove_file(own_secret_file(data_dir));
}

} // namespace

io::Task<Result<ServerJoinResult>> join_cluster(ServerJoinOptions options) {
    Result<ca::JoinTokenText> token = server_token(options);
    if (!token) co_return fail(std::move(token.error()));
    const std::string& data_dir = options.config.data_dir;
    Result<std::optional<ServerJoinResult>> before = co_await look_before(options, *token);
    if (!before) co_return fail(std::move(before.error()));
    if (*before) co_return std::move(**before);
    if (token->expires_at <= io::wall_now()) {
        co_return fail(ErrorCode::failed_precondition,
                       "the token expired at " + format_time(token->expires_at));
    }
    Result<std::optional<ca::SealingKey>> sealing_key = brought_sealing_key(options.config);
    if (!sealing_key) co_return fail(std::move(sealing_key.error()));
    Result<Storage> storage = open_storage(data_dir);
    if (!storage) co_return fail(std::move(storage.error()));
    const Result<raft::ServerId> id = own_id(*storage);
    if (!id) co_return fail(id.error());
    Result<std::string> secret = own_secret(data_dir);
    if (!secret) co_return fail(std::move(secret.error()));
    auto credentials = tls::make_credentials({.alpn = {"h2"}, .root_pin = token->root_pin});
    if (!credentials) co_return fail(std::move(credentials.error()));

    const Attempt attempt{.token = std::move(*token),
                          .id = *id,
                          .own_secret = std::move(*secret),
                          .sealing_key = std::move(*sealing_key),
                          .credentials = std::move(*credentials)};
    const Result<v1::ServerJoinResponse> response = co_await ask_in_turn(attempt, options);
    if (!response) co_return fail(response.error());
    const Result<Welcome> welcome = accept(*response, attempt);
    if (!welcome) co_return fail(welcome.error());
    if (Result<void> kept = keep(options.config, *response, *welcome); !kept)
        co_return fail(std::move(kept.error()), "storing what a member needs");
    ServerJoinResult result{.server = attempt.token.server,
                            .trust_domain = welcome->domain.name,
                            .already = false,
                            .others = {}};
    for (const model::Server& server : welcome->servers) {
        if (server.id != *id) result.others.push_back(server.name);
    }
    co_return result;
}

namespace {

// Of a cluster: made by init or a restore, or joined before.
Result<bool> is_member(const std::string& data_dir) {
    const Result<std::optional<Welcome>> welcome = load_welcome(data_dir);
    if (!welcome) return fail(welcome.error());
    if (*welcome) return true;
    Result<Storage> storage = open_storage(data_dir);
    if (!storage) return fail(std::move(storage.error()));
    const Result<bool> empty = is_empty(*storage);
    if (!empty) return fail(empty.error());
    return !*empty;
}

constexpr std::chrono::milliseconds pause_between_attempts{1'000};

} // namespace

io::Task<Result<void>> join_before_start(config::ServerConfig config, std::string version,
                                         std::function<bool()> stopping) {
    const Result<bool> member = is_member(config.data_dir);
    if (!member) co_return fail(member.error());
    if (*member || !config.join_token_file) co_return Result<void>();
    Result<std::string> token = config::read_config_file(*config.join_token_file);
    if (!token) co_return fail(std::move(token.error()));
    std::string told;
    while (!stopping()) {
        const Result<ServerJoinResult> joined = co_await join_cluster(
            {.config = config, .token = *token, .servers = {}, .version = version});
        if (joined) {
            log::info("joined the cluster", {{"trust_domain", joined->trust_domain}});
            co_return Result<void>();
        }
        const ErrorCode code = joined.error().code;
        if (code != ErrorCode::unavailable && code != ErrorCode::deadline_exceeded)
            co_return fail(joined.error(), "joining the cluster");
        if (joined.error().message != told)
            log::warn("could not join the cluster yet", {{"error", joined.error()}});
        told = joined.error().message;
        if (!co_await io::sleep(pause_between_attempts)) break;
    }
    co_return fail(ErrorCode::cancelled, "stopped before it had joined");
}

} // namespace hawser::server
