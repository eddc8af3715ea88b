#include <nlohmann/json.hpp>

#include <format>

#include "audit/reader.h"
#include "base/bytes.h"
#include "console.h"
#include "daemon_client.h"
#include "io/clock.h"
#include "model/proto/audit.pb.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

using nlohmann::json;

struct ListOptions {
    TargetOptions target;
    bool json = false;
    std::string since;
    std::string who;
    std::string kind;
    std::uint32_t most = 100;
};
struct VerifyOptions {
    TargetOptions target;
    bool json = false;
    std::string folder;
};

std::string joined(const auto& texts) {
    std::string all;
    for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + text;
    return all;
}

json record_json(const v1::AuditRecord& record) {
    json what = json::array();
    for (const std::string& name : record.what()) what.push_back(name);
    return {{"sequence", record.sequence()},
            {"time", time_json(record.time_ms())},
            {"server", record.server()},
            {"kind", record.kind()},
            {"who", record.who()},
            {"from", record.source()},
            {"method", record.method()},
            {"what", std::move(what)},
            {"detail", record.detail()},
            {"index", record.index() == 0 ? json() : json(record.index())},
            {"result", record.result().empty() ? json() : json(record.result())},
            {"hash", to_hex(as_bytes(record.hash()))}};
}

int list(const ListOptions& options) {
    v1::ListAuditRequest request;
    if (!options.since.empty()) {
        const Result<Duration> since = parse_duration(options.since);
        if (!since) return report(since.error().context("--since"));
        request.set_since_ms(io::wall_now() - since->count());
    }
    request.set_who(options.who);
    request.set_kind(options.kind);
    request.set_most(options.most);
    DaemonClient client(options.target, {server_socket});
    const auto listed = client.call<v1::ListAuditResponse>("/hawser.v1.Audit/List", request);
    if (!listed) return client.report(listed.error());
    if (listed->unreadable() != 0)
        warn(std::format("{} lines of the log are no records; see hawser audit verify",
                         listed->unreadable()));
    if (options.json) {
        json records = json::array();
        for (const v1::AuditRecord& record : listed->records())
            records.push_back(record_json(record));
        print_json(records);
        return done;
    }
    TextTable table({"RECORD", "TIME", "WHO", "FROM", "KIND", "WHAT", "INDEX", "RESULT"});
    for (const v1::AuditRecord& record : listed->records()) {
        const bool good = record.result() == "done";
        table.add({std::to_string(record.sequence()),
                   time_text(record.time_ms()),
                   record.who(),
                   record.source(),
                   record.kind(),
                   record.what().empty() ? record.detail() : joined(record.what()),
                   record.index() == 0 ? "" : std::to_string(record.index()),
                   {record.result(), good ? Tone::good : Tone::bad}});
    }
    table.print();
    return done;
}

int print_report(const v1::VerifyAuditResponse& found, bool as_json) {
    const bool whole = found.problem().empty();
    if (as_json) {
        const json problem = {{"file", found.problem_file()},
                              {"line", found.problem_line()},
                              {"what", found.problem()}};
        print_json({{"ok", whole},
                    {"server", found.server()},
                    {"files", found.files()},
                    {"first", found.first()},
                    {"last", found.last()},
                    {"hash", to_hex(as_bytes(found.hash()))},
                    {"compared", found.compared() == 0 ? json() : json(found.compared())},
                    {"problem", whole ? json() : problem}});
        return whole ? done : failed;
    }
    if (!whole) {
        return report({ErrorCode::corrupt,
                       std::format("{}:{}: {}",
                                   found.problem_file().empty() ? "audit log"
                                                                : printable(found.problem_file()),
                                   found.problem_line(), printable(found.problem(), 1024))});
    }
    print_line(std::format("the audit log of {} is whole: records {} to {} in {} files",
                           printable(found.server()), found.first(), found.last(), found.files()));
    if (found.first() > 1) print_line("earlier records are not kept any more, as the log says");
    print_line(found.compared() != 0
                   ? std::format("record {} is the one that the registry knows", found.compared())
                   : "no record was compared with what the registry knows");
    return done;
}

// A copy, or a folder whose server does not run. Another server can say how far it had come.
Result<v1::VerifyAuditResponse> verify_folder(const std::string& folder,
                                              const v1::AuditHeadsResponse& heads) {
    const Result<std::vector<audit::OpenFile>> files = audit::open_files(folder);
    if (!files) return fail(files.error());
    if (files->empty()) return fail(ErrorCode::not_found, folder + " holds no audit log");
    Result<audit::Report> found = audit::verify(*files, audit::Verifier());
    if (!found) return fail(std::move(found.error()));
    for (const v1::AuditHead& head : heads.heads()) {
        if (head.server() != found->server) continue;
        found = audit::verify(
            *files, audit::Verifier(audit::Head{.sequence = head.sequence(), .hash = head.hash()}));
        if (!found) return fail(std::move(found.error()));
        break;
    }
    v1::VerifyAuditResponse response;
    response.set_server(found->server);
    response.set_files(found->files);
    response.set_first(found->first);
    response.set_last(found->last);
    response.set_hash(found->head.hash);
    response.set_compared(found->compared);
    if (found->problem) {
        response.set_problem(found->problem->what);
        response.set_problem_file(found->problem->file);
        response.set_problem_line(found->problem->line);
    }
    return response;
}

int verify(const VerifyOptions& options) {
    DaemonClient client(options.target, {server_socket});
    if (options.folder.empty()) {
        const auto found = client.call<v1::VerifyAuditResponse>("/hawser.v1.Audit/Verify",
                                                                v1::VerifyAuditRequest());
        if (!found) return client.report(found.error());
        return print_report(*found, options.json);
    }
    v1::AuditHeadsResponse heads;
    if (!options.target.server.empty() || !options.target.socket.empty()) {
        auto asked =
            client.call<v1::AuditHeadsResponse>("/hawser.v1.Audit/Heads", v1::AuditHeadsRequest());
        if (!asked) return client.report(asked.error());
        heads = std::move(*asked);
    }
    const Result<v1::VerifyAuditResponse> found = verify_folder(options.folder, heads);
    if (!found) return report(found.error());
    return print_report(*found, options.json);
}

} // namespace

void add_audit(CLI::App& root, Action& chosen) {
    CLI::App& parent =
        *root.add_subcommand("audit", "Who changed what, and whether that record is whole");
    parent.require_subcommand(1);
    parent.footer("Example:\n  hawser audit list --since 24h");

    CLI::App& list_verb = *parent.add_subcommand("list", "What one server recorded, newest last");
    auto list_options = std::make_shared<ListOptions>();
    add_target_options(list_verb, list_options->target, Reach::network_too);
    list_verb.add_flag("--json", list_options->json, "print JSON");
    list_verb.add_option("--since", list_options->since, "of the last so long")
        ->type_name("DURATION");
    list_verb.add_option("--who", list_options->who, "how it begins: operator:1f2e, uid:0, node:")
        ->type_name("TEXT");
    list_verb.add_option("--kind", list_options->kind, "apply, delete, certificate ...")
        ->type_name("KIND");
    list_verb.add_option("-n", list_options->most, "at most so many, the newest")
        ->type_name("COUNT")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    list_verb.footer(
        "Each server records what came in by it.\n"
        "Example:\n  hawser audit list --since 24h --kind certificate");
    on_chosen(list_verb, chosen, list_options, list);

    CLI::App& verify_verb = *parent.add_subcommand("verify", "Check the chain of records");
    auto verify_options = std::make_shared<VerifyOptions>();
    add_target_options(verify_verb, verify_options->target, Reach::network_too);
    verify_verb.add_flag("--json", verify_options->json, "print JSON");
    verify_verb
        .add_option("--dir", verify_options->folder,
                    "a folder with the files, instead of the server's own word")
        ->type_name("DIR");
    verify_verb.footer(
        "Names the first line that is not as it was written, and then exits 1. With --dir it reads "
        "the\nfiles itself; name a server, best another one, to compare them with what the "
        "registry "
        "knows.\nExample:\n  hawser audit verify --dir /var/lib/hawser/server/audit --server "
        "s2:7443");
    on_chosen(verify_verb, chosen, verify_options, verify);
}

} // namespace hawser::cmd
