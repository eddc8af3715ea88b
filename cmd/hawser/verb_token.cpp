#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <format>

#include "base/bytes.h"
#include "ca/tokens.h"
#include "console.h"
#include "daemon_client.h"
#include "io/clock.h"
#include "model/identity.h"
#include "model/proto/control.pb.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

using nlohmann::json;

struct Options {
    TargetOptions target;
    bool json = false;
};
struct CreateOptions : Options {
    std::string node;
    std::string server;
    std::vector<std::string> services;
    std::string ttl;
};
struct RevokeOptions : Options {
    std::string id;
};

DaemonClient client_of(const Options& options) {
    return {options.target, {server_socket}};
}

std::string state_of(const v1::JoinToken& token) {
    if (token.used_at_ms() != 0) return "used";
    return token.expires_at_ms() <= io::wall_now() ? "expired" : "unused";
}

json token_json(const v1::JoinToken& token) {
    return {
        {"id", token.id()},
        {"node", token.server().empty() ? json(token.node()) : json()},
        {"server", token.server().empty() ? json() : json(token.server())},
        {"services", std::vector<std::string>(token.services().begin(), token.services().end())},
        {"expires_at", time_json(token.expires_at_ms())},
        {"used_at", time_json(token.used_at_ms())},
        {"state", state_of(token)}};
}

std::string services_text(const v1::JoinToken& token) {
    std::string text;
    for (const std::string& name : token.services()) text += (text.empty() ? "" : ", ") + name;
    return text;
}

Result<v1::CreateTokenRequest> create_request(const CreateOptions& options) {
    v1::CreateTokenRequest request;
    if (options.node.empty() == options.server.empty()) {
        return fail(ErrorCode::invalid, "say for whom: either --node or --for-server");
    }
    const bool server = !options.server.empty();
    const std::string& name = server ? options.server : options.node;
    if (auto checked = model::check_name(name, server ? "server name" : "node name"); !checked) {
        return fail(checked.error(), server ? "--for-server" : "--node");
    }
    if (server && !options.services.empty()) {
        return fail(ErrorCode::invalid, "--services: a server speaks for no service");
    }
    server ? request.set_server(name) : request.set_node(name);
    for (const std::string& service : options.services) {
        if (auto checked = model::check_name(service, "service name"); !checked) {
            return fail(checked.error(), "--services");
        }
        request.add_services(service);
    }
    if (!options.ttl.empty()) {
        const Result<Duration> ttl = parse_duration(options.ttl);
        if (!ttl) return fail(ttl.error(), "--ttl");
        if (ttl->count() == 0) return fail(ErrorCode::invalid, "--ttl: must not be zero");
        request.set_ttl_ms(ttl->count());
    }
    return request;
}

int create(const CreateOptions& options) {
    const Result<v1::CreateTokenRequest> request = create_request(options);
    if (!request) return report(request.error());
    DaemonClient client = client_of(options);
    const auto created =
        client.call<v1::CreateTokenResponse>("/hawser.v1.Api/CreateToken", *request);
    if (!created) return client.report(created.error());
    const v1::JoinToken& info = created->info();
    const auto text = ca::JoinTokenText::parse(created->token());
    if (text && text->servers.empty())
        warn(
            "the token does not say where the server is, because advertise is not set in its "
            "server.toml: give its address to the agent (servers = [...], or hawser join TOKEN "
            "ADDRESS:PORT)");
    if (options.json) {
        json value = token_json(info);
        value["token"] = created->token();
        print_json(value);
        return done;
    }
    // The token alone on stdout, so that it can be piped to where it is needed.
    print_line(created->token());
    const std::string until = time_text(info.expires_at_ms());
    const std::string services =
        info.services().empty() ? "no services" : printable(services_text(info));
    const std::string told =
        info.server().empty() ? std::format("node {} ({}), once, until {}: hawser join TOKEN",
                                            printable(info.node()), services, until)
                              : std::format("server {}, once, until {}: hawser server join TOKEN",
                                            printable(info.server()), until);
    std::fprintf(stderr, "For %s\n", told.c_str());
    return done;
}

int list(const Options& options) {
    DaemonClient client = client_of(options);
    const auto listed =
        client.call<v1::ListTokensResponse>("/hawser.v1.Api/ListTokens", v1::ListTokensRequest());
    if (!listed) return client.report(listed.error());
    if (options.json) {
        json tokens = json::array();
        for (const v1::JoinToken& token : listed->tokens()) tokens.push_back(token_json(token));
        print_json(tokens);
        return done;
    }
    TextTable table({"ID", "FOR", "SERVICES", "EXPIRES", "STATE"});
    for (const v1::JoinToken& token : listed->tokens()) {
        const std::string state = state_of(token);
        table.add({token.id(),
                   token.server().empty() ? "node " + token.node() : "server " + token.server(),
                   services_text(token),
                   time_text(token.expires_at_ms()),
                   {state, state == "unused" ? Tone::good : Tone::faint}});
    }
    table.print();
    return done;
}

int revoke(const RevokeOptions& options) {
    v1::RevokeTokenRequest request;
    request.set_id(options.id);
    DaemonClient client = client_of(options);
    const auto revoked =
        client.call<v1::RevokeTokenResponse>("/hawser.v1.Api/RevokeToken", request);
    if (!revoked) return client.report(revoked.error());
    if (options.json) {
        print_json({{"index", revoked->index()}});
    } else {
        print_line(std::format("join token {} revoked (index {})", options.id, revoked->index()));
    }
    return done;
}

template <typename T>
std::shared_ptr<T> add_common(CLI::App& verb) {
    auto options = std::make_shared<T>();
    add_target_options(verb, options->target, Reach::network_too);
    verb.add_flag("--json", options->json, "print JSON");
    return options;
}

} // namespace

void add_token(CLI::App& root, Action& chosen) {
    CLI::App& token = *root.add_subcommand("token", "Create, list and revoke join tokens");
    token.require_subcommand(1);
    token.footer("Example:\n  hawser token create --node web-1 --services web,api");

    CLI::App& create_verb =
        *token.add_subcommand("create", "Create a one-time token with which a host joins the mesh");
    auto create_options = add_common<CreateOptions>(create_verb);
    create_verb.add_option("--node", create_options->node, "the host's name in the mesh")
        ->type_name("NAME");
    create_verb
        .add_option("--for-server", create_options->server,
                    "instead: the name of a new server of the cluster")
        ->type_name("NAME");
    create_verb
        .add_option("--services", create_options->services,
                    "what it may speak for, separated by commas")
        ->delimiter(',')
        ->type_name("NAME,...");
    create_verb.add_option("--ttl", create_options->ttl, "how long it is good for (default 10m)")
        ->type_name("DURATION");
    create_verb.footer("Example:\n  hawser token create --node web-1 --services web,api --ttl 1h");
    on_chosen(create_verb, chosen, create_options, create);

    CLI::App& list_verb =
        *token.add_subcommand("list", "List the join tokens; their secrets are not kept");
    list_verb.footer("Example:\n  hawser token list");
    on_chosen(list_verb, chosen, add_common<Options>(list_verb), list);

    CLI::App& revoke_verb = *token.add_subcommand("revoke", "Make an unused join token worthless");
    auto revoke_options = add_common<RevokeOptions>(revoke_verb);
    revoke_verb.add_option("ID", revoke_options->id, "as `hawser token list` shows it")->required();
    revoke_verb.footer("Example:\n  hawser token revoke 1f2e3d4c5b6a7988");
    on_chosen(revoke_verb, chosen, revoke_options, revoke);
}

} // namespace hawser::cmd
