#include <nlohmann/json.hpp>

#include <cstdio>
#include <format>

#include "base/bytes.h"
#include "console.h"
#include "daemon_client.h"
#include "io/clock.h"
#include "model/codec.h"
#include "model/proto/access.pb.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

using nlohmann::json;

struct Options {
    TargetOptions target;
    bool json = false;
};
struct CreateOptions : Options {
    std::string name;
    std::string role;
    std::string prefix;
    std::string ttl;
};
struct IdOptions : Options {
    std::string id;
    std::string grace;
};

DaemonClient client_of(const Options& options) {
    return {options.target, {server_socket}};
}

Result<model::Role> parse_role(const std::string& text) {
    using enum model::Role;
    for (const model::Role role : {reader, registrar, operator_, admin}) {
        if (text == to_string(role)) return role;
    }
    return fail(
        ErrorCode::invalid,
        std::format("--role: {} is not a role: reader, registrar, operator or admin", quote(text)));
}

std::string role_of(const v1::OperatorToken& token) {
    const Result<model::Role> role = model::from_proto(token.role());
    return role ? std::string(to_string(*role)) : "unknown";
}

bool is_expired(const v1::OperatorToken& token) {
    return token.expires_at_ms() != 0 && token.expires_at_ms() <= io::wall_now();
}

json token_json(const v1::OperatorToken& token) {
    return {{"id", token.id()},
            {"name", token.name()},
            {"role", role_of(token)},
            {"prefix", token.service_prefix().empty() ? json() : json(token.service_prefix())},
            {"created_at", time_json(token.created_at_ms())},
            {"expires_at", time_json(token.expires_at_ms())},
            {"previous_until", time_json(token.previous_until_ms())},
            {"state", is_expired(token) ? "expired" : "valid"}};
}

// The token alone on stdout, so that it can be piped to where it is needed.
int print_secret(const Options& options, const std::string& text, const v1::OperatorToken& token) {
    if (options.json) {
        json value = token_json(token);
        value["token"] = text;
        print_json(value);
        return done;
    }
    print_line(text);
    const std::string until = token.expires_at_ms() == 0
                                  ? "until it is revoked"
                                  : "until " + time_text(token.expires_at_ms());
    std::fprintf(stderr, "Operator token %s, role %s%s, %s. It is not shown again\n",
                 printable(token.id()).c_str(), role_of(token).c_str(),
                 token.service_prefix().empty()
                     ? ""
                     : std::format(" for services {}*", printable(token.service_prefix())).c_str(),
                 until.c_str());
    return done;
}

Result<v1::CreateOperatorTokenRequest> create_request(const CreateOptions& options) {
    v1::CreateOperatorTokenRequest request;
    const Result<model::Role> role = parse_role(options.role);
    if (!role) return fail(role.error());
    const bool registrar = *role == model::Role::registrar;
    if (registrar == options.prefix.empty())
        return fail(ErrorCode::invalid,
                    registrar
                        ? "--role registrar needs --prefix: how the names of its services begin"
                        : "--prefix is for --role registrar only");
    request.set_name(options.name);
    request.set_role(model::to_proto(*role));
    request.set_service_prefix(options.prefix);
    if (!options.ttl.empty()) {
        const Result<Duration> ttl = parse_duration(options.ttl);
        if (!ttl) return fail(ttl.error(), "--ttl");
        if (ttl->count() == 0) return fail(ErrorCode::invalid, "--ttl: must not be zero");
        request.set_ttl_ms(ttl->count());
    }
    return request;
}

int create(const CreateOptions& options) {
    const Result<v1::CreateOperatorTokenRequest> request = create_request(options);
    if (!request) return report(request.error());
    DaemonClient client = client_of(options);
    const auto created = client.call<v1::CreateOperatorTokenResponse>(
        "/hawser.v1.Api/CreateOperatorToken", *request);
    if (!created) return client.report(created.error());
    return print_secret(options, created->token(), created->info());
}

int list(const Options& options) {
    DaemonClient client = client_of(options);
    const auto listed = client.call<v1::ListOperatorTokensResponse>(
        "/hawser.v1.Api/ListOperatorTokens", v1::ListOperatorTokensRequest());
    if (!listed) return client.report(listed.error());
    if (options.json) {
        json tokens = json::array();
        for (const v1::OperatorToken& token : listed->tokens()) tokens.push_back(token_json(token));
        print_json(tokens);
        return done;
    }
    TextTable table({"ID", "NAME", "ROLE", "SERVICES", "CREATED", "EXPIRES", "STATE"});
    for (const v1::OperatorToken& token : listed->tokens()) {
        const bool expired = is_expired(token);
        table.add({token.id(),
                   token.name(),
                   role_of(token),
                   token.service_prefix().empty() ? "" : token.service_prefix() + "*",
                   time_text(token.created_at_ms()),
                   time_text(token.expires_at_ms()),
                   {expired ? "expired" : "valid", expired ? Tone::faint : Tone::good}});
    }
    table.print();
    return done;
}

int rotate(const IdOptions& options) {
    v1::RotateOperatorTokenRequest request;
    request.set_id(options.id);
    const Result<Duration> grace = parse_duration(options.grace);
    if (!grace) return report(grace.error().context("--grace"));
    request.set_grace_ms(grace->count());
    DaemonClient client = client_of(options);
    const auto rotated =
        client.call<v1::RotateOperatorTokenResponse>("/hawser.v1.Api/RotateOperatorToken", request);
    if (!rotated) return client.report(rotated.error());
    return print_secret(options, rotated->token(), rotated->info());
}

int revoke(const IdOptions& options) {
    v1::RevokeOperatorTokenRequest request;
    request.set_id(options.id);
    DaemonClient client = client_of(options);
    const auto revoked =
        client.call<v1::RevokeOperatorTokenResponse>("/hawser.v1.Api/RevokeOperatorToken", request);
    if (!revoked) return client.report(revoked.error());
    if (options.json) {
        print_json({{"index", revoked->index()}});
    } else {
        print_line(
            std::format("operator token {} revoked (index {})", options.id, revoked->index()));
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

void add_create(CLI::App& parent, Action& chosen) {
    CLI::App& verb = *parent.add_subcommand("create", "Create a token, whose secret is shown once");
    auto options = add_common<CreateOptions>(verb);
    verb.add_option("NAME", options->name, "for people: whose it is");
    verb.add_option("--role", options->role, "reader, registrar, operator or admin")
        ->type_name("ROLE")
        ->required();
    verb.add_option("--prefix", options->prefix,
                    "of a registrar: it writes services whose names begin so, and nothing else")
        ->type_name("TEXT");
    verb.add_option("--ttl", options->ttl, "how long it is good for (default: until it is revoked)")
        ->type_name("DURATION");
    verb.footer(
        "A reader sees the mesh; an operator also changes services, policies and quarantines, and\n"
        "makes join tokens for hosts; an admin also servers, roots, snapshots and operator "
        "tokens.\n"
        "Examples:\n  hawser operator create ci --role registrar --prefix web- --ttl 90d\n"
        "  hawser operator create dashboard --role reader");
    on_chosen(verb, chosen, options, create);
}

} // namespace

void add_operator(CLI::App& root, Action& chosen) {
    CLI::App& parent =
        *root.add_subcommand("operator", "Create, list, rotate and revoke operators' tokens");
    parent.require_subcommand(1);
    parent.footer("Example:\n  hawser operator create ci --role operator --ttl 90d");
    add_create(parent, chosen);

    CLI::App& list_verb = *parent.add_subcommand("list", "List the tokens; secrets are not kept");
    list_verb.footer("Example:\n  hawser operator list");
    on_chosen(list_verb, chosen, add_common<Options>(list_verb), list);

    CLI::App& rotate_verb = *parent.add_subcommand("rotate", "Give a token another secret");
    auto rotate_options = add_common<IdOptions>(rotate_verb);
    rotate_verb.add_option("ID", rotate_options->id, "as `hawser operator list` shows it")
        ->required();
    rotate_options->grace = "0s";
    rotate_verb
        .add_option("--grace", rotate_options->grace, "how long the secret before stays good")
        ->type_name("DURATION")
        ->capture_default_str();
    rotate_verb.footer("Example:\n  hawser operator rotate 1f2e3d4c5b6a7988 --grace 24h");
    on_chosen(rotate_verb, chosen, rotate_options, rotate);

    CLI::App& revoke_verb = *parent.add_subcommand("revoke", "Make a token worthless");
    auto revoke_options = add_common<IdOptions>(revoke_verb);
    revoke_verb.add_option("ID", revoke_options->id, "as `hawser operator list` shows it")
        ->required();
    revoke_verb.footer("Example:\n  hawser operator revoke 1f2e3d4c5b6a7988");
    on_chosen(revoke_verb, chosen, revoke_options, revoke);
}

} // namespace hawser::cmd
