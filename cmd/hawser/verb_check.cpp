#include <nlohmann/json.hpp>

#include <format>
#include <utility>

#include "base/bytes.h"
#include "console.h"
#include "daemon_client.h"
#include "self_checks.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

using nlohmann::json;

struct Options {
    TargetOptions target;
    std::string within;
    bool json = false;
};

// What one daemon tells; fails if it does not answer at all.
Result<SelfChecks> look(DaemonClient& client, std::optional<Duration> within) {
    SelfChecks checks;
    const auto agent =
        client.call<v1::AgentStatusResponse>("/hawser.v1.Agent/Status", v1::AgentStatusRequest());
    if (agent) {
        add_agent_checks(checks, *agent);
        const auto rules = client.call<v1::InterceptStatusResponse>(
            "/hawser.v1.Agent/InterceptStatus", v1::InterceptStatusRequest());
        add_rules_check(checks, rules ? &*rules : nullptr);
    } else {
        if (agent.error().code != ErrorCode::unimplemented) return fail(agent.error());
        const auto server = client.call<v1::ServerStatusResponse>("/hawser.v1.Api/ServerStatus",
                                                                  v1::ServerStatusRequest());
        if (!server) return fail(server.error());
        add_server_checks(checks, *server);
    }
    const auto certificates = client.call<v1::CertificatesResponse>("/hawser.v1.Trust/Certificates",
                                                                    v1::CertificatesRequest());
    if (!certificates) return fail(certificates.error());
    add_certificate_checks(checks, *certificates, within);
    return checks;
}

json to_json(const SelfCheck& check, std::size_t number) {
    return {{"number", number},       {"name", check.name},   {"ok", check.ok},
            {"detail", check.detail}, {"cause", check.cause}, {"fix", check.fix}};
}

void print(const SelfCheck& check, std::size_t number) {
    const std::string detail = check.detail.empty() ? "" : ": " + printable(check.detail, 500);
    print_line(std::format("{:3}  {}  {}{}", number,
                           check.ok ? toned("ok    ", Tone::good) : toned("FAILED", Tone::bad),
                           printable(check.name, 500), detail));
    if (check.ok) return;
    print_line("             cause: " + printable(check.cause, 1000));
    print_line("             fix:   " + printable(check.fix, 500));
}

int report_all(const SelfChecks& checks, bool as_json) {
    json rows = json::array();
    std::size_t bad = 0;
    for (std::size_t at = 0; at < checks.size(); ++at) {
        if (!checks[at].ok) ++bad;
        if (as_json) {
            rows.push_back(to_json(checks[at], at + 1));
        } else {
            print(checks[at], at + 1);
        }
    }
    if (as_json) {
        print_json({{"checks", rows}, {"passed", checks.size() - bad}, {"failed", bad}});
    } else {
        print_line(std::format("{} passed, {} failed", checks.size() - bad, bad));
    }
    return bad == 0 ? done : failed;
}

int run(const Options& options) {
    std::optional<Duration> within;
    if (!options.within.empty()) {
        const Result<Duration> parsed = parse_duration(options.within);
        if (!parsed) return report(parsed.error().context("--fail-if-expires-in"));
        within = *parsed;
    }
    SelfChecks all;
    int code = done;
    for (DaemonClient& client : daemons_here(options.target)) {
        Result<SelfChecks> checks = look(client, within);
        if (checks) {
            std::ranges::move(*checks, std::back_inserter(all));
        } else {
            code = client.report(checks.error());
        }
    }
    if (all.empty()) return code; // nobody to check
    const int found = report_all(all, options.json);
    return code == done ? found : failed;
}

} // namespace

void add_check(CLI::App& root, Action& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *root.add_subcommand(
        "check", "Let the daemons of this host test themselves, and say what is wrong and why");
    add_target_options(verb, options->target, Reach::network_too);
    verb.add_option("--fail-if-expires-in", options->within,
                    "also fail for authorities that expire within this time; certificates that are "
                    "renewed by themselves count once that is overdue")
        ->type_name("DURATION");
    verb.add_flag("--json", options->json, "print JSON");
    verb.footer(
        "Exits with 1 if a check failed, and with 3 if no daemon answers.\n"
        "Example:\n  hawser check --fail-if-expires-in 30d");
    on_chosen(verb, chosen, options, run);
}

} // namespace hawser::cmd
