#include "self_checks.h"

#include <algorithm>
#include <format>
#include <utility>

#include "base/limits.h"
#include "console.h"

namespace hawser::cmd {

namespace {

// Two clocks that are set well differ by less.
constexpr WallTime clock_tolerance = 60'000;

void add(SelfChecks& checks, std::string name, bool ok, std::string detail, std::string cause,
         std::string fix) {
    SelfCheck check{.name = std::move(name), .ok = ok, .detail = {}, .cause = {}, .fix = {}};
    if (ok) {
        check.detail = std::move(detail);
    } else {
        check.cause = std::move(cause);
        check.fix = std::move(fix);
    }
    checks.push_back(std::move(check));
}

template <typename Texts>
std::string joined(const Texts& texts) {
    std::string all;
    for (const std::string& text : texts) all += (all.empty() ? "" : "; ") + text;
    return all;
}

// The first of the warnings that speaks of it.
std::string warning_with(const v1::AgentStatusResponse& status, std::string_view word) {
    for (const std::string& warning : status.warnings())
        if (warning.contains(word)) return warning;
    return "";
}

std::string fix_of(const v1::CertificateInfo& info, const std::string& node) {
    const bool expired = info.state() == "expired";
    if (info.kind() == "node" && expired)
        return std::format("hawser token create --node {}, and hawser join TOKEN on this host",
                           node);
    if (info.kind() == "node" || info.kind() == "service")
        return "let this host reach a server's port 7443, then hawser cert renew; this agent's "
               "log: "
               "journalctl -u hawser-agent";
    if (info.kind() == "server")
        return "hawser cert renew on the server; its log: journalctl -u "
               "hawser-server";
    return "hawser ca status, then hawser ca rotate";
}

void add_certificate(SelfChecks& checks, const v1::CertificateInfo& info, const std::string& node,
                     std::optional<Duration> within, WallTime now) {
    const bool renewed = info.renews_at_ms() != 0;
    WallTime margin = info.soon_ms();
    if (within) margin = renewed ? std::min<WallTime>(margin, within->count()) : within->count();
    const WallTime left = info.not_after_ms() - now;
    const std::string when = info.not_after_ms() == 0 ? "there is none"
                             : left <= 0 ? "expired " + distance_text(info.not_after_ms(), now)
                                         : "expires " + distance_text(info.not_after_ms(), now);
    const std::string why = info.last_error().empty() ? "" : ": " + info.last_error();
    const bool leaf = info.identity().starts_with("spiffe://");
    add(checks,
        leaf ? "certificate of " + info.identity()
             : std::format("{} certificate {}", info.kind(), info.identity()),
        left > margin, when, when + why, fix_of(info, node));
}

} // namespace

void add_agent_checks(SelfChecks& checks, const v1::AgentStatusResponse& status) {
    add(checks, "the agent answers", true,
        std::format("{}, version {}", status.node(), status.version()), "", "");
    const bool joined_mesh = !status.trust_domain().empty();
    add(checks, "this host is part of a mesh", joined_mesh, status.trust_domain(),
        joined(status.warnings()),
        std::format("hawser token create --node {}, and hawser join TOKEN on this host",
                    status.node()));
    const std::string no_server = warning_with(status, "no server");
    add(checks, "a server is connected", !status.server().empty(), status.server(),
        no_server.empty() ? "none is" : no_server,
        "is a server running, and its port 7443 open to this host?");
    const std::string refusal = warning_with(status, "refuses this host's registration");
    add(checks, "the mesh accepts what this host offers", refusal.empty(), "", refusal,
        "a token for all of them: hawser token create --services, and hawser join TOKEN here");
    add(checks, "what it heard is in force", status.enforced_index() >= status.received_index(),
        std::format("index {}", status.enforced_index()),
        std::format("index {} of {}", status.enforced_index(), status.received_index()),
        "if it stays so, restart the agent: systemctl restart hawser-agent");
    for (const v1::LocalService& service : status.services()) {
        if (service.port() == 0) continue;
        add(checks, std::format("service {} on port {}", service.name(), service.port()),
            service.health() != v1::HEALTH_CRITICAL, "", service.reason(),
            "its own log; what is checked stands in agent.toml or services.d");
    }
    add(checks, "the agent warns of nothing", status.warnings().empty(), "",
        joined(status.warnings()), "hawser status; this agent's log: journalctl -u hawser-agent");
}

void add_server_checks(SelfChecks& checks, const v1::ServerStatusResponse& status) {
    add(checks, "the server answers", true,
        std::format("{}, version {}", status.node(), status.version()), "", "");
    const auto leads = [](const v1::MemberState& member) { return member.role() == "leader"; };
    const auto leader = std::ranges::find_if(status.members(), leads);
    const bool led = status.role() == "leader" || leader != status.members().end();
    add(checks, "a server leads", led,
        leader != status.members().end() ? leader->name() : status.node(),
        "this server knows of none", "are more than half of the servers running? hawser members");
    for (const v1::MemberState& member : status.members()) {
        add(checks, "server " + member.name() + " follows", member.trouble().empty(), member.role(),
            member.trouble(), "hawser members; its log: journalctl -u hawser-server");
    }
    add(checks, "the server warns of nothing", status.warnings().empty(), "",
        joined(status.warnings()), "hawser status; this server's log: journalctl -u hawser-server");
}

void add_rules_check(SelfChecks& checks, const v1::InterceptStatusResponse* rules) {
    const bool told = rules != nullptr;
    add(checks, "the kernel has the rules it should", told && rules->matches(),
        told ? rules->mode() : "", told ? rules->difference() : "they could not be read",
        "hawser intercept status; the agent puts them right when it starts: systemctl restart "
        "hawser-agent");
}

void add_certificate_checks(SelfChecks& checks, const v1::CertificatesResponse& certificates,
                            std::optional<Duration> within) {
    const WallTime now = certificates.now_ms();
    WallTime newest = 0;
    for (const v1::CertificateInfo& info : certificates.certificates())
        newest = std::max(newest, info.issued_at_ms());
    add(checks, "the clock agrees with the certificates", newest <= now + clock_tolerance, "",
        std::format("it is {}, but one was issued at {}", format_time(now), format_time(newest)),
        "set this host's clock, and keep it set: timedatectl");
    for (const v1::CertificateInfo& info : certificates.certificates())
        add_certificate(checks, info, certificates.node(), within, now);
}

} // namespace hawser::cmd
