#include "server/access.h"

#include <unistd.h>

#include <charconv>
#include <format>
#include <fstream>
#include <map>
#include <ranges>
#include <sstream>
#include <vector>

#include "base/bytes.h"
#include "ca/tokens.h"

namespace hawser::server {

namespace {

constexpr std::string_view admin_group = "hawser";

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (const auto part : std::views::split(text, separator))
        parts.emplace_back(part.begin(), part.end());
    return parts;
}

bool parse_id(std::string_view text, std::uint32_t& id) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

std::string read_text(const char* path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return std::move(text).str();
}

std::unexpected<Error> unauthenticated(std::string message) {
    return fail(ErrorCode::unauthenticated, std::move(message));
}

// A secret is good, or was until it was rotated. What is told of a token is told to who had it.
Result<Actor> identify_by_token(std::string_view bearer, const registry::Tables& tables,
                                WallTime now) {
    if (bearer.empty()) return unauthenticated("no operator token was given");
    const Result<ca::OperatorTokenText> token = ca::OperatorTokenText::parse(bearer);
    if (!token) return unauthenticated("the operator token is not valid");
    const auto* known = tables.get<model::OperatorToken>(token->id);
    // The same work and the same answer, whether the id or the secret is wrong.
    const std::string hash = ca::hash_secret(token->secret);
    const std::string nobody(hash.size(), '\0');
    const bool rotated = known != nullptr && !known->previous_hash.empty();
    const bool right = equal_constant_time(hash, known == nullptr ? nobody : known->secret_hash);
    const bool before = equal_constant_time(hash, rotated ? known->previous_hash : nobody);
    if (known == nullptr || (!right && !before))
        return unauthenticated("the operator token is not valid");
    if (before && !right && now >= known->previous_until)
        return unauthenticated("the operator token has another secret since it was rotated");
    if (known->expires_at != 0 && now >= known->expires_at) {
        return unauthenticated(
            std::format("the operator token expired at {}; an admin makes another: hawser operator "
                        "create",
                        format_time(known->expires_at)));
    }
    return Actor{.name = "operator:" + known->id,
                 .role = known->role,
                 .service_prefix = known->service_prefix};
}

std::unexpected<Error> out_of_scope(const Actor& actor, std::string_view kind,
                                    std::string_view name) {
    return fail(ErrorCode::permission_denied,
                std::format("{} has the role registrar for services {}*, which does not include "
                            "the {} {}",
                            actor.name, actor.service_prefix, kind, quote(name)));
}

Result<Actor> identify_local(const io::PeerCredentials& peer, const LocalAdmins& admins) {
    const bool member =
        admins.group_known && (peer.gid == admins.group || admins.members.contains(peer.uid));
    if (peer.uid != 0 && peer.uid != admins.own_uid && !member) {
        return fail(
            ErrorCode::permission_denied,
            std::format("user {} is neither root nor in the group {}", peer.uid, admin_group));
    }
    return Actor{.name = std::format("uid:{}", peer.uid), .role = model::Role::admin};
}

} // namespace

// The C library's lookups may load plugins, which a static program cannot.
LocalAdmins parse_local_admins(std::string_view group_file, std::string_view passwd_file,
                               uid_t own_uid) {
    LocalAdmins admins{.own_uid = own_uid, .members = {}};
    std::set<std::string_view> names;
    for (const std::string_view line : split(group_file, '\n')) {
        const std::vector<std::string_view> fields = split(line, ':');
        if (fields.size() < 4 || fields[0] != admin_group) continue;
        admins.group_known = parse_id(fields[2], admins.group);
        for (const std::string_view name : split(fields[3], ',')) names.insert(name);
        break;
    }
    for (const std::string_view line : split(passwd_file, '\n')) {
        const std::vector<std::string_view> fields = split(line, ':');
        std::uint32_t uid = 0;
        if (fields.size() >= 3 && names.contains(fields[0]) && parse_id(fields[2], uid)) {
            admins.members.insert(uid);
        }
    }
    return admins;
}

LocalAdmins read_local_admins() {
    return parse_local_admins(read_text("/etc/group"), read_text("/etc/passwd"), ::geteuid());
}

Result<Actor> identify_operator(const rpc::Caller& caller, const registry::Tables& tables,
                                const LocalAdmins& admins, WallTime now) {
    Result<Actor> actor = caller.local ? identify_local(*caller.local, admins)
                                       : identify_by_token(caller.bearer, tables, now);
    if (actor) actor->source = caller.remote;
    return actor;
}

Result<void> require_role(const Actor& actor, model::Role least) {
    if (actor.role >= least) return {};
    return fail(ErrorCode::permission_denied,
                std::format("{} has the role {}; this needs {}", actor.name,
                            model::to_string(actor.role), model::to_string(least)));
}

Result<void> require_scope(const Actor& actor, const model::ApplyResources& command) {
    if (actor.role != model::Role::registrar) return {};
    if (!command.policies.empty()) return out_of_scope(actor, "policy", command.policies[0].name);
    for (const model::Service& service : command.services) {
        if (!service.name.starts_with(actor.service_prefix))
            return out_of_scope(actor, "service", service.name);
    }
    return {};
}

Result<void> require_scope(const Actor& actor, const model::DeleteResource& command) {
    if (actor.role != model::Role::registrar) return {};
    if (command.kind == model::Kind::service && command.name.starts_with(actor.service_prefix))
        return {};
    return out_of_scope(actor, model::to_string(command.kind), command.name);
}

IpAddress address_of(const rpc::Caller& caller) {
    const Result<Endpoint> source = Endpoint::parse(caller.remote);
    return source ? source->address : IpAddress();
}

std::uint64_t generation_of(const model::Node& node) {
    return static_cast<std::uint64_t>(node.joined_at);
}

Result<const model::Node*> identify_node(const rpc::Caller& caller,
                                         const registry::Tables& tables) {
    if (!caller.identity) return unauthenticated("this needs a node's certificate");
    const model::TrustDomain* domain = tables.trust();
    if (domain == nullptr || caller.identity->trust_domain != domain->name ||
        caller.identity->kind != model::IdentityKind::node) {
        return fail(ErrorCode::permission_denied,
                    std::format("{} is not a node of this mesh", caller.identity->to_uri()));
    }
    const auto* node = tables.get<model::Node>(caller.identity->name);
    if (node == nullptr) {
        return fail(ErrorCode::permission_denied,
                    std::format("node '{}' was deleted; join it again", caller.identity->name));
    }
    if (caller.certificate_generation != generation_of(*node)) {
        return fail(ErrorCode::permission_denied,
                    std::format("the certificate is of an earlier node '{}', which was deleted; "
                                "join it again",
                                node->name));
    }
    return node;
}

} // namespace hawser::server
