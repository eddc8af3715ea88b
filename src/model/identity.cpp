#include "model/identity.h"

#include <algorithm>
#include <array>
#include <format>

#include "base/bytes.h"
#include "base/limits.h"

namespace hawser::model {

namespace {

constexpr std::string_view scheme = "spiffe://";

struct KindSegment {
    IdentityKind kind;
    std::string_view segment;
};
constexpr std::array kind_segments{
    KindSegment{IdentityKind::service, "svc"},
    KindSegment{IdentityKind::node, "node"},
    KindSegment{IdentityKind::server, "server"},
};

bool is_label_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

bool is_label(std::string_view text) {
    return !text.empty() && text.size() <= limits::name_length && text.front() != '-' &&
           text.back() != '-' && std::ranges::all_of(text, is_label_character);
}

std::unexpected<Error> not_an_identity(std::string_view uri, std::string_view why) {
    return fail(ErrorCode::invalid,
                std::format("{} is not an identity of the mesh: {}", quote(uri), why));
}

// Characters that a URI may have and an identity may not: its exact form is its only form.
struct Extra {
    char character;
    std::string_view meaning;
};
constexpr std::array extras{
    Extra{'\0', "it has a NUL"},           Extra{'%', "it has percent-encoding"},
    Extra{'@', "it has user information"}, Extra{'?', "it has a query"},
    Extra{'#', "it has a fragment"},       Extra{':', "it has a port"},
};

} // namespace

Result<void> check_name(std::string_view name, std::string_view what) {
    if (is_label(name)) return {};
    if (name.empty()) return fail(ErrorCode::invalid, std::format("{} is empty", what));
    if (name.size() > limits::name_length) {
        return fail(ErrorCode::invalid, std::format("{} {} is longer than {} characters", what,
                                                    quote(name), limits::name_length));
    }
    return fail(
        ErrorCode::invalid,
        std::format("{} {} is not a DNS label (a-z, 0-9 and '-' inside)", what, quote(name)));
}

Result<void> check_trust_domain(std::string_view name) {
    const auto refuse = [&](std::string_view why) {
        return fail(ErrorCode::invalid, std::format("trust domain {} {}", quote(name), why));
    };
    if (name.empty()) return refuse("is empty");
    if (name.size() > limits::trust_domain_length) return refuse("is longer than 255 characters");
    std::string_view rest = name;
    while (true) {
        const std::size_t dot = rest.find('.');
        if (!is_label(rest.substr(0, dot))) {
            return refuse("is not a domain name (labels of a-z, 0-9 and '-', joined by dots)");
        }
        if (dot == std::string_view::npos) return {};
        rest.remove_prefix(dot + 1);
    }
}

Result<Identity> Identity::parse(std::string_view uri) {
    if (uri.size() > limits::spiffe_id_length)
        return not_an_identity(uri,
                               std::format("longer than {} characters", limits::spiffe_id_length));
    if (!uri.starts_with(scheme)) return not_an_identity(uri, "it does not begin with spiffe://");
    const std::string_view rest = uri.substr(scheme.size());
    for (const Extra& extra : extras)
        if (rest.contains(extra.character)) return not_an_identity(uri, extra.meaning);

    const std::size_t first = rest.find('/');
    const std::size_t second = first == rest.npos ? rest.npos : rest.find('/', first + 1);
    if (second == rest.npos) return not_an_identity(uri, "not of the form DOMAIN/KIND/NAME");
    const std::string_view domain = rest.substr(0, first);
    const std::string_view segment = rest.substr(first + 1, second - first - 1);
    const std::string_view name = rest.substr(second + 1);
    if (auto valid = check_trust_domain(domain); !valid)
        return not_an_identity(uri, valid.error().message);
    const auto found = std::ranges::find(kind_segments, segment, &KindSegment::segment);
    if (found == kind_segments.end())
        return not_an_identity(uri, std::format("{} is no kind of identity", quote(segment)));
    if (auto valid = check_name(name, "name"); !valid)
        return not_an_identity(uri, valid.error().message);
    return Identity{
        .trust_domain = std::string(domain), .kind = found->kind, .name = std::string(name)};
}

std::string Identity::to_uri() const {
    const auto found = std::ranges::find(kind_segments, kind, &KindSegment::kind);
    return std::format("{}{}/{}/{}", scheme, trust_domain, found->segment, name);
}

} // namespace hawser::model
