#include "agent/join.h"

#include <algorithm>
#include <format>
#include <memory>
#include <utility>

#include "agent/join_record.h"
#include "agent/machine.h"
#include "agent/membership.h"
#include "agent/server_list.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "ca/tokens.h"
#include "io/clock.h"
#include "log/log.h"
#include "model/proto/control.pb.h"
#include "rpc/client.h"
#include "tls/x509.h"

namespace hawser::agent {
namespace {

struct Answer {
    v1::JoinResponse response;
    model::Identity server;
};

bool has_pinned_root(const std::vector<std::string>& roots, const std::string& pin) {
    return std::ranges::any_of(
        roots, [&](const std::string& root) { return tls::sha256(as_bytes(root)) == pin; });
}

Result<ca::JoinTokenText> token_for(const JoinOptions& options) {
    auto token = read_token(options.token);
    if (!token) return token;
    if (!options.node.empty() && options.node != token->node) {
        return fail(ErrorCode::failed_precondition,
                    std::format("the token is for node {}, this host is {}", quote(token->node),
                                quote(options.node)));
    }
    return token;
}

// What this host already is in the token's mesh, if anything; an error if it is somebody else.
Result<std::optional<NodeIdentity>> look_before(const StateDir& state,
                                                const ca::JoinTokenText& token) {
    auto loaded = load_identity(state);
    if (!loaded) {
        log::warn("joining anew: what is stored can't be used", {{"error", loaded.error()}});
        return std::nullopt;
    }
    if (!*loaded) return std::nullopt;
    NodeIdentity& identity = **loaded;
    if (identity.not_after <= io::wall_now()) return std::nullopt;
    if (identity.id.name != token.node || !has_pinned_root(identity.roots, token.root_pin)) {
        return fail(
            ErrorCode::failed_precondition,
            std::format("this host already is {} until {}, and the token is for node {}{}; "
                        "to give it up, stop the agent and remove {}",
                        identity.id.to_uri(), format_time(identity.not_after), quote(token.node),
                        identity.id.name == token.node ? " of another mesh" : "", state.path()));
    }
    const tls::TrustBundle trust{.roots = identity.roots, .intermediates = {}};
    if (auto proven = proven_credentials(identity.id, identity.pair, trust); !proven) {
        log::warn("joining anew: the stored identity is of no use", {{"error", proven.error()}});
        return std::nullopt;
    }
    return std::optional(std::move(identity));
}

// An agent may be running with it, also with a certificate that expired.
bool was_of_this_node(const StateDir& state, const ca::JoinTokenText& token) {
    const auto stored = load_identity(state);
    return stored && *stored && (*stored)->id.name == token.node;
}

bool is_spent(const StateDir& state, const ca::JoinTokenText& token) {
    return read_joined(state).token_id == token.id && !awaits_answer(state, token.id);
}

void note_use(const StateDir& state, const ca::JoinTokenText& token) {
    JoinRecord record = read_joined(state);
    record.token_id = token.id;
    if (auto stored = write_joined(state, record); !stored)
        log::warn("the token's use was not noted", {{"error", stored.error()}});
}

JoinResult already(const NodeIdentity& identity, bool confirmed) {
    return {.node = identity.id,
            .already = true,
            .confirmed = confirmed,
            .expires_at = identity.not_after,
            .services = {},
            .server = ""};
}

// The server's certificate is what names the trust domain: the request is made after the handshake.
Result<v1::JoinRequest> make_request(const ca::JoinTokenText& token, std::string_view key_pem,
                                     const std::string& trust_domain) {
    const model::Identity self{
        .trust_domain = trust_domain, .kind = model::IdentityKind::node, .name = token.node};
    auto csr = tls::make_csr(key_pem, self);
    if (!csr) return fail(std::move(csr.error()));
    v1::JoinRequest request;
    request.set_token_id(token.id);
    request.set_token_secret(token.secret);
    request.set_node(token.node);
    request.set_node_csr(std::move(*csr));
    return request;
}

struct Attempt {
    ca::JoinTokenText token;
    tls::SecretText key_pem;
    tls::CredentialsPtr credentials; // none of our own: only the pin
};

io::Task<Result<Answer>> ask(Endpoint server, const Attempt& attempt) {
    auto client = co_await rpc::Client::connect_tls(server, attempt.credentials);
    if (!client) co_return fail(std::move(client.error()));
    const auto& peer = (*client)->peer();
    if (!peer || peer->identity.kind != model::IdentityKind::server)
        co_return fail(ErrorCode::permission_denied, "it is not a hawser server");
    Answer answer{.response = {}, .server = peer->identity};
    auto request = make_request(attempt.token, attempt.key_pem, peer->identity.trust_domain);
    if (!request) co_return fail(std::move(request.error()));
    auto response =
        co_await (*client)->call<v1::JoinResponse>("/hawser.v1.Mesh/Join", std::move(*request));
    if (!response) co_return fail(std::move(response.error()));
    answer.response = std::move(*response);
    co_return answer;
}

// Believes nothing: the chain must be our key's, for our node, under the pinned root.
Result<NodeIdentity> accept_answer(const Answer& answer, const ca::JoinTokenText& token,
                                   tls::SecretText key_pem) {
    const v1::JoinResponse& response = answer.response;
    NodeIdentity identity;
    identity.id = {.trust_domain = response.trust_domain(),
                   .kind = model::IdentityKind::node,
                   .name = token.node};
    if (response.trust_domain() != answer.server.trust_domain)
        return fail(ErrorCode::corrupt, "it names another trust domain than its certificate");
    identity.roots.assign(response.roots().begin(), response.roots().end());
    if (identity.roots.size() > limits::certificate_chain ||
        !has_pinned_root(identity.roots, token.root_pin))
        return fail(ErrorCode::corrupt, "its roots are not the one the token names");
    identity.pair.chain_pem = response.node_chain();
    identity.pair.key_pem = std::move(key_pem);
    auto leaf = describe_leaf(identity.pair.chain_pem);
    if (!leaf) return fail(std::move(leaf.error()), "the certificate it issued");
    identity.not_before = leaf->not_before;
    identity.not_after = leaf->not_after;
    const tls::TrustBundle trust{.roots = identity.roots, .intermediates = {}};
    if (auto proven = proven_credentials(identity.id, identity.pair, trust); !proven)
        return fail(std::move(proven.error()), "the certificate it issued");
    return identity;
}

Result<Attempt> prepare(ca::JoinTokenText token, const StateDir& state) {
    auto key = join_key(state, token.id);
    if (!key) return fail(std::move(key.error()));
    tls::CredentialsOptions options;
    options.alpn = mesh_alpn();
    options.root_pin = token.root_pin;
    auto credentials = tls::make_credentials(std::move(options));
    if (!credentials) return fail(std::move(credentials.error()));
    return Attempt{.token = std::move(token),
                   .key_pem = std::move(*key),
                   .credentials = std::move(*credentials)};
}

// Each server in turn until one answers; what each said, if none does.
io::Task<Result<std::pair<Answer, Endpoint>>> ask_in_turn(std::vector<Endpoint> servers,
                                                          const Attempt& attempt) {
    std::string reasons;
    ErrorCode code = ErrorCode::unavailable;
    for (const Endpoint& server : servers) {
        auto answer = co_await ask(server, attempt);
        if (answer) co_return std::pair(std::move(*answer), server);
        if (!ServerList::worth_another(answer.error().code)) code = answer.error().code;
        reasons += (reasons.empty() ? "" : "; ") + ServerList::explain(server, answer.error());
    }
    if (code == ErrorCode::unavailable) reasons = "no server could be reached: " + reasons;
    co_return fail(code, std::move(reasons));
}

// What joining changes on disk, the identity first: everything else can be had again.
Result<void> store(const StateDir& state, const NodeIdentity& identity, const JoinRecord& record,
                   Duration renew_after) {
    if (auto stored = store_identity(state, identity); !stored) return stored;
    if (auto stored = write_joined(state, record); !stored) return stored;
    if (auto stored = state.write_renew_after(renew_after); !stored) return stored;
    return forget_join_key(state);
}

io::Task<Result<JoinResult>> spend(ca::JoinTokenText token, std::vector<Endpoint> servers,
                                   const StateDir& state) {
    if (token.expires_at != 0 && token.expires_at <= io::wall_now()) {
        co_return fail(ErrorCode::unauthenticated,
                       "the token expired at " + format_time(token.expires_at));
    }
    if (servers.empty()) servers = token.servers;
    if (servers.empty())
        co_return fail(ErrorCode::invalid, "the token names no server: say which to ask");
    auto attempt = prepare(token, state);
    if (!attempt) co_return fail(std::move(attempt.error()));
    auto answered = co_await ask_in_turn(servers, *attempt);
    if (!answered) co_return fail(std::move(answered.error()));
    auto& [answer, server] = *answered;
    auto identity = accept_answer(answer, token, std::move(attempt->key_pem));
    if (!identity) co_return fail(std::move(identity.error()), server.to_string());
    const JoinRecord record{.token_id = token.id, .servers = std::move(servers)};
    const v1::JoinResponse& response = answer.response;
    const Duration renew_after(response.renew_after_ms());
    if (auto stored = store(state, *identity, record, renew_after); !stored)
        co_return fail(std::move(stored.error()), "storing the identity");
    co_return JoinResult{.node = identity->id,
                         .already = false,
                         .expires_at = identity->not_after,
                         .services = {response.services().begin(), response.services().end()},
                         .server = server.to_string()};
}

// This host did what it is asked to do. Whether that still holds is the servers' to say.
io::Task<Result<JoinResult>> confirm(NodeIdentity identity, ca::JoinTokenText token,
                                     std::vector<Endpoint> servers, const StateDir& state) {
    if (servers.empty()) servers = read_joined(state).servers;
    if (servers.empty()) servers = token.servers;
    const auto known = co_await ask_membership(identity, std::move(servers));
    if (!known && known.error().code != ErrorCode::unavailable) {
        co_return fail(known.error().code,
                       std::format("this host joined with this token, but is not in the mesh any "
                                   "more ({}): make a new token",
                                   known.error().message));
    }
    if (!known)
        log::warn("whether the mesh still knows this host is not known",
                  {{"error", known.error()}});
    co_return already(identity, known.has_value());
}

// With the folder's lock, or beside the agent that has it.
io::Task<Result<JoinResult>> join_held(JoinOptions options, const StateDir& state) {
    auto token = token_for(options);
    if (!token) co_return fail(std::move(token.error()));
    auto before = look_before(state, *token);
    if (!before) co_return fail(std::move(before.error()));
    if (*before && is_spent(state, *token))
        co_return co_await confirm(std::move(**before), *token, std::move(options.servers), state);
    auto joined = co_await spend(*token, std::move(options.servers), state);
    // The token is used up, and its node is in the mesh.
    if (joined || !*before || joined.error().code != ErrorCode::already_exists) co_return joined;
    note_use(state, *token);
    (void)forget_join_key(state);
    co_return already(**before, true);
}

} // namespace

Result<ca::JoinTokenText> read_token(const std::string& text) {
    constexpr std::string_view space = " \t\r\n";
    const auto begin = text.find_first_not_of(space);
    if (begin == std::string::npos) return fail(ErrorCode::invalid, "the token is empty");
    auto token = ca::JoinTokenText::parse(
        std::string_view(text).substr(begin, text.find_last_not_of(space) - begin + 1));
    if (token && !token->server.empty()) {
        return fail(ErrorCode::invalid,
                    std::format("the token is for the server {}; there: hawser server join TOKEN",
                                quote(token->server)));
    }
    return token;
}

io::Task<Result<JoinResult>> join(JoinOptions options) {
    auto token = token_for(options);
    if (!token) co_return fail(std::move(token.error()));
    // Without the lock first: an agent may be running with this very identity.
    const StateDir shared = StateDir::peek(options.data_dir);
    if (is_of_another_machine(shared, options.machine_id_file)) {
        auto state = StateDir::open(options.data_dir);
        if (!state) co_return fail(std::move(state.error()));
        co_return co_await join(std::move(options), *state); // which empties it first
    }
    auto before = look_before(shared, *token);
    if (!before) co_return fail(std::move(before.error()));
    if (*before && is_spent(shared, *token))
        co_return co_await confirm(std::move(**before), *token, std::move(options.servers), shared);
    auto state = StateDir::open(options.data_dir);
    if (state) co_return co_await join(std::move(options), *state);
    // An agent goes on being who it is, and each file is replaced as a whole: no need to stop it.
    // Of two joins, each would write its own.
    if (!was_of_this_node(shared, *token) || !StateDir::is_agents(shared.path()))
        co_return fail(std::move(state.error()));
    auto joined = co_await join_held(std::move(options), shared);
    if (joined && !joined->already) joined->agent_told = StateDir::wake_holder(shared.path());
    co_return joined;
}

io::Task<Result<JoinResult>> join(JoinOptions options, const StateDir& state) {
    if (auto settled = settle_machine(state, options.machine_id_file); !settled)
        co_return fail(std::move(settled.error()));
    co_return co_await join_held(std::move(options), state);
}

} // namespace hawser::agent
