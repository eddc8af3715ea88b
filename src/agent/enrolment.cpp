#include "agent/enrolment.h"

#include <format>
#include <utility>

#include "agent/backoff.h"
#include "agent/join.h"
#include "agent/join_record.h"
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
    std::optional<NodeIdentity> identity;
    std::string why_not;
};

Usable usable_identity(const StateDir& state) {
    auto loaded = load_identity(state);
    if (!loaded) return {.identity = {}, .why_not = std::move(loaded.error().message)};
    if (!*loaded) return {.identity = {}, .why_not = "this host has not joined a mesh"};
    NodeIdentity& identity = **loaded;
    if (identity.not_after <= io::wall_now()) {
        return {.identity = {},
                .why_not = "this host's certificate expired at " + format_time(identity.not_after)};
    }
    const tls::TrustBundle trust{.roots = identity.roots, .intermediates = {}};
    if (auto proven = proven_credentials(identity.id, identity.pair, trust); !proven) {
        return {.identity = {},
                .why_not = "this host's certificate is of no use: " + proven.error().message};
    }
    return {.identity = std::move(identity), .why_not = ""};
}

Result<void> check_node_name(const config::AgentConfig& config, const std::string& name,
                             std::string_view whose) {
    if (config.node.empty() || config.node == name) return {};
    return fail(ErrorCode::failed_precondition,
                std::format("{} is for node {}, but the configuration says node = {}", whose,
                            quote(name), quote(config.node)));
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
    if (!config.join_token_file) return enrolment;
    // By now it may be gone, or used up: no reason not to serve.
    auto text = host::read_file(*config.join_token_file, token_file_bytes);
    if (!text) return enrolment;
    const auto token = read_token(*text);
    if (!token) return enrolment;
    if (enrolment.servers.empty()) enrolment.servers = token->servers;
    const bool fresh = token->id != record.token_id || awaits_answer(state, token->id);
    if (fresh && token->node == node && token->expires_at > io::wall_now())
        enrolment.token = std::move(*text);
    return enrolment;
}

// The token names the node: this is what to name in it.
std::string name_to_ask_for(const config::AgentConfig& config) {
    if (!config.node.empty()) return config.node;
    const std::string host = host::machine_facts().hostname;
    return model::check_name(host, "node name") ? host : "NAME";
}

} // namespace

Result<Enrolment> find_enrolment(const config::AgentConfig& config, const StateDir& state) {
    Usable usable = usable_identity(state);
    if (usable.identity) return from_identity(config, std::move(*usable.identity), state);
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
                                     Random& random) {
    Backoff backoff(first_retry, longest_retry);
    std::string said;
    while (true) {
        JoinOptions options{.token = enrolment.token,
                            .servers = enrolment.servers,
                            .data_dir = state.path(),
                            .node = enrolment.node};
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
