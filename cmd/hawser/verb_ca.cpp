// The certificate authority: how it is, and how its root changes.
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdio>
#include <format>
#include <thread>

#include "base/bytes.h"
#include "console.h"
#include "daemon_client.h"
#include "input.h"
#include "io/clock.h"
#include "model/proto/authority.pb.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds look_interval{500};

struct Options {
    TargetOptions target;
    bool json = false;
};
struct RotateOptions : Options {
    std::string cert, key;
    std::vector<std::string> without;
    bool abort = false;
    bool wait = false;
    std::string timeout = "10m";
};

DaemonClient client_of(const Options& options) {
    return {options.target, {server_socket}};
}

Result<v1::AuthorityStatusResponse> ask(DaemonClient& client) {
    return client.call<v1::AuthorityStatusResponse>("/hawser.v1.Api/AuthorityStatus",
                                                    v1::AuthorityStatusRequest());
}

std::vector<std::string> texts(const auto& repeated) {
    return {repeated.begin(), repeated.end()};
}

json signer_json(const v1::SignerStatus& signer) {
    return {{"root", signer.root_subject()},
            {"root_sha256", to_hex(as_bytes(signer.root_sha256()))},
            {"root_expires_at", time_json(signer.root_expires_at_ms())},
            {"root_key", signer.root_key_here() ? "sealed in the registry" : "elsewhere"},
            {"signs_with", signer.signing_subject()},
            {"signs_with_sha256", to_hex(as_bytes(signer.signing_sha256()))},
            {"expires_at", time_json(signer.expires_at_ms())}};
}

json to_json(const v1::AuthorityStatusResponse& status) {
    return {
        {"phase", status.phase()},
        {"phase_since", time_json(status.phase_since_ms())},
        {"active", signer_json(status.active())},
        {"other", status.has_other() ? signer_json(status.other()) : json()},
        {"other_needed_until", time_json(status.other_needed_until_ms())},
        {"sealing_key", status.sealing_key_id().empty() ? json() : json(status.sealing_key_id())},
        {"missing", texts(status.missing())},
        {"waits_for", status.waits_for()},
        {"warnings", texts(status.warnings())},
        {"index", status.index()}};
}

void print(std::string_view title, const v1::SignerStatus& signer) {
    const WallTime now = io::wall_now();
    const auto line = [&](const std::string& subject, const std::string& hash, WallTime expires) {
        return std::format("{}, sha256 {}, expires {} ({})", printable(subject),
                           to_hex(as_bytes(hash)).substr(0, 16), time_text(expires),
                           distance_text(expires, now));
    };
    print_line(title);
    print_line("  root        " +
               line(signer.root_subject(), signer.root_sha256(), signer.root_expires_at_ms()));
    print_line("  signs with  " +
               line(signer.signing_subject(), signer.signing_sha256(), signer.expires_at_ms()));
    print_line(std::string("  root's key  ") +
               (signer.root_key_here() ? "in the registry, sealed" : "kept elsewhere"));
}

void print(const v1::AuthorityStatusResponse& status) {
    const bool publishing = status.phase() == "publishing";
    print("active", status.active());
    if (status.has_other())
        print(publishing ? "next, published already" : "last, still trusted", status.other());
    print_line("sealed under  " + (status.index() == 0 ? "nothing: the keys are in files"
                                                       : printable(status.sealing_key_id())));
    if (status.phase() != "none")
        print_line(std::format("{} since {}", printable(status.phase()),
                               time_text(status.phase_since_ms())));
    if (!status.waits_for().empty())
        print_line("waits: " + printable(status.waits_for(), status.waits_for().size()));
    for (const std::string& warning : status.warnings())
        print_line(toned("warning: " + printable(warning, warning.size()), Tone::bad));
}

int show(const Options& options) {
    DaemonClient client = client_of(options);
    const auto status = ask(client);
    if (!status) return client.report(status.error());
    if (options.json) {
        print_json(to_json(*status));
    } else {
        print(*status);
    }
    return done;
}

Result<v1::RotateAuthorityRequest> request_of(const RotateOptions& options) {
    v1::RotateAuthorityRequest request;
    request.set_abort(options.abort);
    for (const std::string& name : options.without) request.add_without(name);
    if (options.cert.empty() != options.key.empty())
        return fail(ErrorCode::invalid, "--ca-cert and --ca-key belong together");
    const int ways = (options.cert.empty() ? 0 : 1) + (options.abort ? 1 : 0) +
                     (options.without.empty() ? 0 : 1);
    if (ways > 1)
        return fail(ErrorCode::invalid, "only one of --ca-cert, --abort and --without at a time");
    if (options.cert.empty()) return request;
    Result<std::string> certificates = read_input(options.cert);
    if (!certificates) return fail(std::move(certificates.error()));
    Result<std::string> key = read_input(options.key);
    if (!key) return fail(std::move(key.error()));
    request.set_certificates(std::move(*certificates));
    request.set_key(std::move(*key));
    return request;
}

// Until the next root signs; tells whom it waits for whenever that changes.
int wait(DaemonClient& client, const RotateOptions& options, Clock::time_point deadline) {
    std::string told;
    while (true) {
        const auto status = ask(client);
        // An election on the way is no reason to stop looking.
        if (!status && status.error().code != ErrorCode::unavailable)
            return client.report(status.error());
        if (status && status->phase() != "publishing") {
            options.json ? print_json(to_json(*status)) : print(*status);
            return done;
        }
        const std::string waits = status ? status->waits_for() : status.error().message;
        if (!waits.empty() && waits != told)
            std::fprintf(stderr, "%s\n", printable(waits, waits.size()).c_str());
        told = waits;
        if (Clock::now() >= deadline)
            return report(
                {ErrorCode::deadline_exceeded, "the next root does not sign yet: " + told +
                                                   " (it goes on by itself; hawser ca status)"});
        std::this_thread::sleep_for(look_interval);
    }
}

int rotate(const RotateOptions& options) {
    const Result<v1::RotateAuthorityRequest> request = request_of(options);
    if (!request) return report(request.error());
    const Result<Duration> timeout = parse_duration(options.timeout);
    if (!timeout) return report(timeout.error().context("--timeout"));
    DaemonClient client = client_of(options);
    const auto rotated =
        client.call<v1::RotateAuthorityResponse>("/hawser.v1.Api/RotateAuthority", *request);
    if (!rotated) return client.report(rotated.error());
    if (options.wait) return wait(client, options, Clock::now() + *timeout);
    if (options.json) {
        print_json({{"phase", rotated->phase()}, {"index", rotated->index()}});
    } else if (rotated->phase() == "publishing") {
        print_line(
            "both roots are published; the next one signs once everybody trusts it: hawser ca "
            "status");
    } else if (rotated->phase() == "retiring") {
        print_line("another root signs; the last one is trusted as long as it is needed");
    } else {
        print_line("the root does not change");
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

void add_ca(CLI::App& root, Action& chosen) {
    CLI::App& ca = *root.add_subcommand("ca", "Show the certificate authority, change its root");
    ca.require_subcommand(1);
    ca.footer("Example:\n  hawser ca status");

    CLI::App& status_verb = *ca.add_subcommand(
        "status", "Show what signs, until when, and whom a change of the root waits for");
    status_verb.footer("Example:\n  hawser ca status");
    on_chosen(status_verb, chosen, add_common<Options>(status_verb), show);

    CLI::App& rotate_verb = *ca.add_subcommand(
        "rotate", "Go over to another root, without an outage, or to a brought intermediate");
    auto options = add_common<RotateOptions>(rotate_verb);
    rotate_verb
        .add_option("--ca-cert", options->cert,
                    "your own: a root, or an intermediate and its chain up to the root (PEM)")
        ->type_name("FILE");
    rotate_verb.add_option("--ca-key", options->key, "the key of its first certificate (PEM)")
        ->type_name("FILE");
    rotate_verb
        .add_option("--without", options->without,
                    "go on though this node or server does not trust the next root (repeatable)")
        ->type_name("NAME");
    rotate_verb.add_flag("--abort", options->abort, "back to the root of before");
    rotate_verb.add_flag("--wait", options->wait, "until the next root signs");
    rotate_verb.add_option("--timeout", options->timeout, "with --wait: how long")
        ->type_name("DURATION")
        ->capture_default_str();
    rotate_verb.footer(
        "First both roots are published; when every node and every server trusts both, the new "
        "one\n"
        "signs; the old one goes when the last certificate under it has expired. Join tokens that\n"
        "were made before the new root signs are worthless afterwards.\n"
        "Example:\n  hawser ca rotate --wait");
    on_chosen(rotate_verb, chosen, options, rotate);
}

} // namespace hawser::cmd
