#include <nlohmann/json.hpp>

#include <format>

#include "base/bytes.h"
#include "console.h"
#include "daemon_client.h"
#include "io/clock.h"
#include "model/proto/trust.pb.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

using nlohmann::json;

constexpr std::chrono::milliseconds renewal_timeout{30'000};

struct Options {
    TargetOptions target;
    std::string identity;
    bool json = false;
};

Tone tone_of(const std::string& state) {
    return state == "valid" ? Tone::good : Tone::bad;
}

json certificate_json(const v1::CertificateInfo& info) {
    return {{"identity", info.identity()},
            {"kind", info.kind()},
            {"state", info.state()},
            {"issued_at", time_json(info.issued_at_ms())},
            {"not_after", time_json(info.not_after_ms())},
            {"renews_at", time_json(info.renews_at_ms())},
            {"last_error", info.last_error()}};
}

json to_json(const v1::CertificatesResponse& answer) {
    json certificates = json::array();
    for (const v1::CertificateInfo& info : answer.certificates())
        certificates.push_back(certificate_json(info));
    return {{"daemon", answer.daemon()},
            {"node", answer.node()},
            {"certificates", certificates},
            {"succeeded", answer.succeeded()},
            {"failed", answer.failed()}};
}

void print(const v1::CertificatesResponse& answer) {
    TextTable table({"IDENTITY", "KIND", "STATE", "EXPIRES", "RENEWS", "ERROR"});
    for (const v1::CertificateInfo& info : answer.certificates()) {
        table.add({info.identity(),
                   info.kind(),
                   {info.state(), tone_of(info.state())},
                   distance_text(info.not_after_ms(), answer.now_ms()),
                   distance_text(info.renews_at_ms(), answer.now_ms()),
                   {info.last_error(), Tone::bad}});
    }
    table.print();
    const bool agent = answer.daemon() == "agent";
    print_line(toned(
        std::format("{} {}: {} {}, {} {}, since its start", printable(answer.daemon()),
                    printable(answer.node()), answer.succeeded(), agent ? "renewed" : "issued",
                    answer.failed(), agent ? "times not" : "refused"),
        Tone::faint));
}

int list(const Options& options) {
    json all = json::array();
    int code = done;
    bool first = true;
    for (DaemonClient& client : daemons_here(options.target)) {
        const auto answer = client.call<v1::CertificatesResponse>("/hawser.v1.Trust/Certificates",
                                                                  v1::CertificatesRequest());
        if (!answer) {
            code = client.report(answer.error());
        } else if (options.json) {
            all.push_back(to_json(*answer));
        } else {
            if (!std::exchange(first, false)) print_line("");
            print(*answer);
        }
    }
    if (options.json && !all.empty()) print_json(all);
    return code;
}

int renew(const Options& options) {
    DaemonClient client(options.target, {agent_socket, server_socket});
    v1::RenewCertificatesRequest request;
    request.set_identity(options.identity);
    const auto answer = client.call<v1::RenewCertificatesResponse>(
        "/hawser.v1.Trust/RenewCertificates", request, renewal_timeout);
    if (!answer) return client.report(answer.error());
    json certificates = json::array();
    for (const v1::CertificateInfo& info : answer->certificates()) {
        certificates.push_back(certificate_json(info));
        if (!options.json)
            print_line(std::format("renewed {}, expires {}", printable(info.identity(), 300),
                                   distance_text(info.not_after_ms(), io::wall_now())));
    }
    if (options.json) print_json(certificates);
    return done;
}

} // namespace

void add_cert(CLI::App& root, Action& chosen) {
    CLI::App& cert = *root.add_subcommand("cert", "List and renew the certificates of this host");
    cert.require_subcommand(1);
    cert.footer("Example:\n  hawser cert list");

    auto options = std::make_shared<Options>();
    CLI::App& list_verb = *cert.add_subcommand(
        "list", "List the daemons' certificates and the authorities behind them");
    add_target_options(list_verb, options->target, Reach::network_too);
    list_verb.add_flag("--json", options->json, "print JSON: a list, one entry for each daemon");
    list_verb.footer("Example:\n  hawser cert list");
    on_chosen(list_verb, chosen, options, list);

    auto renew_options = std::make_shared<Options>();
    CLI::App& renew_verb = *cert.add_subcommand("renew", "Renew certificates now");
    renew_verb.add_option("IDENTITY", renew_options->identity,
                          "as `hawser cert list` shows it, or its end: svc/api (default: all)");
    add_target_options(renew_verb, renew_options->target, Reach::network_too);
    renew_verb.add_flag("--json", renew_options->json, "print JSON");
    renew_verb.footer(
        "They are renewed by themselves; this is for trying whether that works. Asks the agent of\n"
        "this host, or the server where there is no agent.\n"
        "Example:\n  hawser cert renew svc/api");
    on_chosen(renew_verb, chosen, renew_options, renew);
}

} // namespace hawser::cmd
