#include "agent/enrolment.h"

#include <format>
#include <utility>

#include "agent/backoff.h"
#include "agent/join.h"
#include "agent/join_record.h"
#include "agent/machine.h"
#include "base/bytes.h"
#include "ca/tokens.h"
#include "host/files.h"
#include "io/clock.h"
#include "io/socket.h"
#include "log/log.h"
#include "model/identity.h"

namespace hawser::agent {
namespace {

constexpr std::size_t token_file_bytes = 64 << 10;
constexpr std::chrono::milliseconds first_retry{500};
constexpr std::chrono::milliseconds longest_retry{30'000};

struct Usable {
    std::string why_not;
    std::optional<NodeIdentity> identity;
};

Usable usable_identity(const StateDir& state) {
    auto loaded = load_identity(state);
    if (!loaded) return {.why_not = std::move(loaded.error().message), .identity = {}};
    if (!*loaded) return {.why_not = "this host has not joined a mesh", .identity = {}};
    NodeIdentity& identity = **loaded;
    // Who it was is who joins again; until then it is of no use to anybody.
    if (identity.not_after <= io::wall_now())
        return {.why_not = "the certificate of " + identity.id.to_uri() + " expired at " +
                           format_time(identity.not_after),
                .identity = std::move(identity)};
    const tls::TrustBundle trust{.roots = identity.roots, .intermediates = {}};
    if (auto proven = proven_credentials(identity.id, identity.pair, trust); !proven) {
        return {.why_not = "this host's certificate is of no use: " + proven.error().message,
                .identity = {}};
    }
    return {.why_not = "", .identity = std::move(identity)};
}

Result<void> check_node_name(const config::AgentConfig& config, const std::string& name,
                             std::string_view whose) {
    if (config.node.empty() || config.node == name) return {};
    return fail(ErrorCode::failed_precondition,
                std::format("{} is for node {}, but the configuration says node = {}", whose,
                            quote(name), quote(config.node)));
}

// By now it may be gone, or nonsense: no reason not to serve.
std::optional<std::pair<std::string, ca::JoinTokenText>> token_in_file(
    const config::AgentConfig& config) {
    if (!config.join_token_file) return std::nullopt;
    auto text = host::read_file(*config.join_token_file, token_file_bytes);
    if (!text) return std::nullopt;
    auto token = read_token(*text);
    if (!token) return std::nullopt;
    return std::pair(std::move(*text), std::move(*token));
}

Result<Enrolment> from_identity(const config::AgentConfig& config, NodeIdentity identity,
                                const StateDir& state) {
    const std::string node = identity.id.name;
    if (auto same = check_node_name(config, node, "this host's identity"); !same)
        return fail(std::move(same.error()));
    const JoinRecord record = read_joined(state);
    Enrolment enrolment{
        .node = node, .identity = std::move(identity), .token = "", .servers = config.servers};
    if (enrolment.servers.empty()) enrolment.servers = record.servers;
    enrolment.token = fresh_token(config, state, node);
    if (!enrolment.servers.empty()) return enrolment;
    if (const auto token = token_in_file(config)) enrolment.servers = token->second.servers;
    return enrolment;
}

// The token names the node: this is what to name in it.
std::string name_to_ask_for(const config::AgentConfig& config) {
    if (!config.node.empty()) return config.node;
    const std::string host = host::machine_facts().hostname;
    return model::check_name(host, "node name") ? host : "NAME";
}

// An identity that expired gives way to the name that this host is to have now.
bool gives_way(const NodeIdentity& identity, const config::AgentConfig& config) {
    if (identity.not_after > io::wall_now()) return false;
    if (!config.node.empty()) return config.node != identity.id.name;
    const auto token = token_in_file(config);
    return token && token->second.node != identity.id.name;
}

} // namespace

std::string fresh_token(const config::AgentConfig& config, const StateDir& state,
                        const std::string& node) {
    auto found = token_in_file(config);
    if (!found) return "";
    const ca::JoinTokenText& token = found->second;
    const bool fresh = token.id != read_joined(state).token_id || awaits_answer(state, token.id);
    return fresh && token.node == node && token.expires_at > io::wall_now() ? found->first : "";
}

Result<Enrolment> find_enrolment(const config::AgentConfig& config, const StateDir& state) {
    if (auto settled = settle_machine(state, config.machine_id_file); !settled)
        return fail(std::move(settled.error()));
    Usable usable = usable_identity(state);
    if (usable.identity && !gives_way(*usable.identity, config))
        return from_identity(config, std::move(*usable.identity), state);
    if (!config.join_token_file) {
        return fail(ErrorCode::failed_precondition,
                    std::format("{}; make a token with `hawser token create --node {}` and run "
                                "`hawser join`, or set join_token_file",
                                usable.why_not, name_to_ask_for(config)));
    }
    const std::string& file = *config.join_token_file;
    auto text = host::read_file(file, token_file_bytes);
    if (!text) return fail(std::move(text.error()), usable.why_not);
    auto token = read_token(*text);
    if (!token) return fail(std::move(token.error()), file);
    if (auto same = check_node_name(config, token->node, "the token in " + file); !same)
        return fail(std::move(same.error()));
    return Enrolment{.node = token->node,
                     .identity = {},
                     .token = std::move(*text),
                     .servers = config.servers.empty() ? token->servers : config.servers};
}

io::Task<Result<NodeIdentity>> enrol(const Enrolment& enrolment, const StateDir& state,
                                     const std::string& machine_id_file, Random& random) {
    Backoff backoff(first_retry, longest_retry);
    std::string said;
    while (true) {
        JoinOptions options{.token = enrolment.token,
                            .servers = enrolment.servers,
                            .data_dir = state.path(),
                            .node = enrolment.node,
                            .machine_id_file = machine_id_file};
        auto joined = co_await join(std::move(options), state);
        if (joined) {
            if (!joined->already)
                log::info("joined the mesh", {{"identity", joined->node.to_uri()},
                                              {"server", joined->server},
                                              {"expires", format_time(joined->expires_at)}});
            break;
        }
        if (joined.error().code != ErrorCode::unavailable)
            co_return fail(std::move(joined.error()), "joining the mesh");
        if (std::exchange(said, joined.error().message) != joined.error().message)
            log::warn("can't join yet; trying on", {{"error", joined.error()}});
        if (!co_await io::sleep(backoff.next(random)))
            co_return fail(ErrorCode::cancelled, "joining the mesh: stopped");
    }
    auto identity = load_identity(state);
    if (!identity) co_return fail(std::move(identity.error()));
    if (!*identity) co_return fail(ErrorCode::internal, "the identity just stored is not there");
    co_return std::move(**identity);
}

} // namespace hawser::agent
