#include "status_view.h"

#include <format>

#include "base/bytes.h"
#include "console.h"
#include "model/codec.h"

namespace hawser::cmd {

using nlohmann::json;

namespace {

std::vector<std::string> to_vector(const google::protobuf::RepeatedPtrField<std::string>& field) {
    return {field.begin(), field.end()};
}

std::string health_text(v1::Health health) {
    return std::string(to_string(model::from_proto(health).value_or(model::Health::critical)));
}

// "  server        10.0.0.1:7443"
void print_field(std::string_view name, const std::string& value, Tone tone = Tone::plain) {
    print_line(std::format("  {:<14}{}", name, toned(printable(value, 500), tone)));
}

void print_warnings(const google::protobuf::RepeatedPtrField<std::string>& warnings) {
    for (const std::string& warning : warnings) {
        print_line("  " + toned("! " + printable(warning, 500), Tone::bad));
    }
}

// Where to look next, when something is wrong.
void print_hint(const std::string& hint) {
    if (!hint.empty()) print_line("  " + toned("→ " + hint, Tone::faint));
}

std::string rules_text(const AgentView& agent) {
    const bool transparent = agent.status.intercept_mode() == "transparent";
    if (!agent.rules_match) return "the kernel's rules could not be read";
    if (*agent.rules_match) return transparent ? "the kernel's rules match" : "no kernel rules";
    return transparent ? "the kernel's rules are missing or were changed"
                       : "there are kernel rules that nobody looks after";
}

std::string hint_for(const AgentView& agent) {
    const v1::AgentStatusResponse& status = agent.status;
    if (agent.rules_match && !*agent.rules_match)
        return "what differs: hawser intercept status; this agent's log: journalctl -u "
               "hawser-agent";
    if (status.server().empty())
        return "is a server running, and its port 7443 open to this host? this agent's log: "
               "journalctl -u hawser-agent";
    return status.warnings().empty() ? "" : "this agent's log: journalctl -u hawser-agent";
}

template <typename Status>
void print_head(std::string_view what, const Status& status, WallTime now) {
    print_line(std::format(
        "{} {} of {}, version {}, running for {}", what, printable(status.node()),
        status.trust_domain().empty() ? "no mesh yet" : printable(status.trust_domain()),
        printable(status.version()), rough_duration(Duration{now - status.started_at_ms()})));
}

Tone tone_of(v1::Health health) {
    return health == v1::HEALTH_CRITICAL ? Tone::bad : Tone::good;
}

void print_services(const v1::AgentStatusResponse& status) {
    TextTable table({"SERVICE", "PORT", "HEALTH", "OWNER", "REASON"});
    for (const v1::LocalService& service : status.services()) {
        const bool offered = service.port() != 0;
        table.add({service.name(),
                   offered ? std::to_string(service.port()) : "",
                   {offered ? health_text(service.health()) : "", tone_of(service.health())},
                   service.owner().empty() ? "anyone" : service.owner(),
                   service.reason()});
    }
    print_line("");
    table.print(2);
}

void print_certificates(const v1::AgentStatusResponse& status, WallTime now) {
    TextTable table({"IDENTITY", "EXPIRES", "RENEWS", "ERROR"});
    for (const v1::CertificateState& certificate : status.certificates()) {
        table.add({certificate.identity(),
                   {distance_text(certificate.not_after_ms(), now),
                    certificate.not_after_ms() > now ? Tone::plain : Tone::bad},
                   distance_text(certificate.renews_at_ms(), now),
                   {certificate.last_error(), Tone::bad}});
    }
    print_line("");
    table.print(2);
}

// "3 connections (not authenticated), 1 joins (limit reached)"
std::string refusals_text(const v1::ServerStatusResponse& status) {
    std::string text;
    for (const v1::RefusalCount& each : status.refusals()) {
        text += std::format("{}{} {} ({})", text.empty() ? "" : ", ", each.count(), each.what(),
                            each.reason());
    }
    return text.empty() ? "nothing since the start" : text;
}

} // namespace

json to_json(const AgentView& agent) {
    const v1::AgentStatusResponse& status = agent.status;
    json certificates = json::array(), services = json::array();
    for (const v1::CertificateState& each : status.certificates()) {
        certificates.push_back({{"identity", each.identity()},
                                {"not_after", time_json(each.not_after_ms())},
                                {"renews_at", time_json(each.renews_at_ms())},
                                {"last_error", each.last_error()}});
    }
    for (const v1::LocalService& each : status.services()) {
        services.push_back({{"name", each.name()},
                            {"port", each.port()},
                            {"health", health_text(each.health())},
                            {"reason", each.reason()},
                            {"owner", each.owner()}});
    }
    return {{"daemon", "agent"},
            {"node", status.node()},
            {"version", status.version()},
            {"trust_domain", status.trust_domain()},
            {"started_at", time_json(status.started_at_ms())},
            {"certificates", certificates},
            {"server", status.server()},
            {"server_since", time_json(status.server_since_ms())},
            {"received_index", status.received_index()},
            {"enforced_index", status.enforced_index()},
            {"from_cache", status.from_cache()},
            {"services", services},
            {"intercept_mode", status.intercept_mode()},
            {"intercept_matches", agent.rules_match ? json(*agent.rules_match) : json()},
            {"workers", status.workers()},
            {"open_connections", status.open_connections()},
            {"tunnels", status.tunnels()},
            {"mesh_services", status.mesh_services()},
            {"mesh_instances", status.mesh_instances()},
            {"warnings", to_vector(status.warnings())}};
}

json to_json(const v1::ServerStatusResponse& status) {
    json agents = json::array();
    for (const v1::AgentState& each : status.agents()) {
        agents.push_back({{"node", each.node()},
                          {"enforced_index", each.enforced_index()},
                          {"remote", each.remote()},
                          {"connected_at", time_json(each.connected_at_ms())}});
    }
    json refusals = json::array();
    for (const v1::RefusalCount& each : status.refusals()) {
        refusals.push_back(
            {{"what", each.what()}, {"reason", each.reason()}, {"count", each.count()}});
    }
    return {{"daemon", "server"},
            {"node", status.node()},
            {"version", status.version()},
            {"trust_domain", status.trust_domain()},
            {"started_at", time_json(status.started_at_ms())},
            {"listen", status.listen()},
            {"role", status.role()},
            {"term", status.term()},
            {"last_index", status.last_index()},
            {"applied_index", status.applied_index()},
            {"certificate_expires_at", time_json(status.certificate_expires_at_ms())},
            {"intermediate_expires_at", time_json(status.intermediate_expires_at_ms())},
            {"root_expires_at", time_json(status.root_expires_at_ms())},
            {"agents", agents},
            {"refusals", refusals},
            {"services", status.services()},
            {"instances", status.instances()},
            {"policies", status.policies()},
            {"warnings", to_vector(status.warnings())}};
}

void print(const AgentView& agent, WallTime now) {
    const v1::AgentStatusResponse& status = agent.status;
    print_head("agent", status, now);
    print_warnings(status.warnings());
    print_hint(hint_for(agent));
    print_field("server", status.server().empty()
                              ? "none"
                              : std::format("{}, connected {}", status.server(),
                                            distance_text(status.server_since_ms(), now)));
    print_field("mesh", std::format("index {}, enforced {}{}; {} services, {} instances",
                                    status.received_index(), status.enforced_index(),
                                    status.from_cache() ? ", from the cache" : "",
                                    status.mesh_services(), status.mesh_instances()));
    print_field("interception", status.intercept_mode() + ", " + rules_text(agent),
                agent.rules_match.value_or(false) ? Tone::plain : Tone::bad);
    print_field("traffic",
                std::format("{} connections, {} tunnels, {} workers", status.open_connections(),
                            status.tunnels(), status.workers()));
    if (!status.services().empty()) print_services(status);
    if (!status.certificates().empty()) print_certificates(status, now);
}

void print(const v1::ServerStatusResponse& status, WallTime now) {
    print_head("server", status, now);
    print_warnings(status.warnings());
    if (!status.warnings().empty()) print_hint("this server's log: journalctl -u hawser-server");
    print_field("listens on", status.listen());
    print_field("raft", std::format("{}, term {}, index {}, applied {}", status.role(),
                                    status.term(), status.last_index(), status.applied_index()));
    print_field("registry", std::format("{} services, {} instances, {} policies", status.services(),
                                        status.instances(), status.policies()));
    print_field("certificates", std::format("own expires {}, intermediate {}, root {}",
                                            distance_text(status.certificate_expires_at_ms(), now),
                                            distance_text(status.intermediate_expires_at_ms(), now),
                                            distance_text(status.root_expires_at_ms(), now)));
    print_field("refused", refusals_text(status));
    if (status.agents().empty()) return print_field("agents", "none connected");
    TextTable table({"AGENT", "ENFORCES", "FROM", "CONNECTED"});
    for (const v1::AgentState& agent : status.agents()) {
        const bool behind = agent.enforced_index() < status.applied_index();
        table.add({agent.node(),
                   {std::to_string(agent.enforced_index()), behind ? Tone::faint : Tone::good},
                   agent.remote(),
                   distance_text(agent.connected_at_ms(), now)});
    }
    print_line("");
    table.print(2);
}

} // namespace hawser::cmd
