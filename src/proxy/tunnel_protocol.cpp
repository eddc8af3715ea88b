#include "proxy/tunnel_protocol.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <format>

#include "model/identity.h"

namespace hawser::proxy {
namespace {

using traffic::Flag;

constexpr std::string_view reason_header = "x-hawser-reason";
constexpr std::array refusals = {
    Flag::policy_denied, Flag::no_route,         Flag::upstream_connect_failure,
    Flag::overload,      Flag::upstream_timeout, Flag::local_shutdown,
    Flag::quarantined,   Flag::deregistered,     Flag::unproven};

// On the wire: never renumber. The rest of the code is its place here.
constexpr std::uint32_t first_cut_code = 0x68770000; // "hw"
constexpr std::array cuts = {Flag::policy_denied, Flag::quarantined, Flag::deregistered,
                             Flag::unproven, Flag::no_route};

std::string_view status_of(Flag flag) {
    switch (flag) {
        case Flag::policy_denied:
        case Flag::quarantined:
        case Flag::deregistered: return "403";
        case Flag::no_route: return "404";
        case Flag::upstream_timeout: return "504";
        default: return "503";
    }
}

// The phrase is shown to people and logged: printable ASCII, bounded.
std::string printable(std::string_view text) {
    constexpr std::size_t longest = 200;
    std::string clean;
    for (const char c : text.substr(0, longest)) clean += c >= ' ' && c <= '~' ? c : ' ';
    return clean;
}

} // namespace

http::Headers connect_request(std::string_view service, std::uint16_t port) {
    return {{":method", "CONNECT"}, {":authority", std::format("{}:{}", service, port)}};
}

Result<ConnectTarget> parse_connect_request(const http::Headers& headers) {
    if (http::find_header(headers, ":method") != "CONNECT")
        return fail(ErrorCode::invalid, "not a CONNECT request");
    const std::string_view authority = http::find_header(headers, ":authority");
    const std::size_t colon = authority.rfind(':');
    if (colon == std::string_view::npos)
        return fail(ErrorCode::invalid, "':authority' is not <service>:<port>");
    ConnectTarget target{.service = std::string(authority.substr(0, colon)), .port = 0};
    if (auto named = model::check_name(target.service, "service name"); !named)
        return fail(std::move(named.error()));
    const std::string_view digits = authority.substr(colon + 1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), target.port);
    if (error != std::errc() || end != digits.data() + digits.size() || target.port == 0)
        return fail(ErrorCode::invalid, "':authority' has no valid port");
    return target;
}

http::Headers connect_accepted() {
    return {{":status", "200"}};
}

http::Headers connect_refused(Flag flag, std::string_view phrase) {
    return {
        {":status", std::string(status_of(flag))},
        {std::string(reason_header), std::format("{} {}", traffic::code(flag), printable(phrase))}};
}

ConnectAnswer parse_connect_answer(const std::optional<http::Headers>& answer,
                                   std::optional<http::H2Code> ended) {
    if (!answer && ended == http::H2Code::refused_stream)
        return {.flag = Flag::overload, .detail = "the instance's agent takes no more connections"};
    if (!answer && ended)
        return {.flag = Flag::upstream_connect_failure, .detail = "the tunnel ended"};
    if (!answer)
        return {.flag = Flag::upstream_timeout, .detail = "no answer from the instance's agent"};
    if (http::find_header(*answer, ":status") == "200")
        return {.accepted = true, .flag = Flag::none, .detail = {}};
    const std::string reason = printable(http::find_header(*answer, reason_header));
    for (const Flag flag : refusals)
        if (reason.starts_with(std::string(traffic::code(flag)) + " "))
            return {.accepted = false,
                    .flag = flag,
                    .detail = reason.substr(traffic::code(flag).size() + 1)};
    return {.accepted = false,
            .flag = Flag::upstream_connect_failure,
            .detail = "refused by the instance's agent"};
}

http::H2Code cut_code(Flag flag) {
    const auto found = std::ranges::find(cuts, flag);
    if (found == cuts.end()) return http::H2Code::cancel;
    return static_cast<http::H2Code>(first_cut_code + (found - cuts.begin()));
}

Flag flag_of_cut(http::H2Code code) {
    const std::uint32_t place = static_cast<std::uint32_t>(code) - first_cut_code;
    return place < cuts.size() ? cuts[place] : Flag::none;
}

} // namespace hawser::proxy
