// Snapshots of the registry in files: saved from a running server, looked at, and made a server of.
#include <nlohmann/json.hpp>

#include <format>

#include "base/bytes.h"
#include "config/server_config.h"
#include "console.h"
#include "daemon_client.h"
#include "model/proto/cluster.pb.h"
#include "server/restore.h"
#include "store/snapshot_file.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

using nlohmann::json;

struct SaveOptions {
    TargetOptions target;
    std::string file;
    bool stale = false;
    bool json = false;
};
struct InspectOptions {
    std::string file;
    bool json = false;
};
struct RestoreOptions {
    std::string file;
    std::string config = "/etc/hawser/server.toml";
    std::string ca;
    bool json = false;
};

json to_json(const std::string& file, const store::SnapshotSummary& summary) {
    json rows = json::object();
    for (const auto& [kind, count] : summary.rows) rows[std::string(to_string(kind))] = count;
    return {{"file", file},
            {"trust_domain", summary.header.trust_domain},
            {"index", summary.header.base.position.index},
            {"made_at", time_json(summary.header.made_at)},
            {"made_by", summary.header.made_by},
            {"level", summary.header.level},
            {"bytes", summary.bytes},
            {"sha256", to_hex(as_bytes(summary.sha256))},
            {"rows", rows}};
}

void print(const std::string& file, const store::SnapshotSummary& summary) {
    std::string rows;
    for (const auto& [kind, count] : summary.rows)
        rows += std::format("{}{} {}", rows.empty() ? "" : ", ", count, to_string(kind));
    print_line("file          " + file);
    print_line("trust domain  " + printable(summary.header.trust_domain));
    print_line(std::format("index         {}", summary.header.base.position.index));
    print_line(std::format("made          {}, by hawser {}", time_text(summary.header.made_at),
                           printable(summary.header.made_by)));
    print_line(std::format("size          {} bytes", summary.bytes));
    print_line("sha256        " + to_hex(as_bytes(summary.sha256)));
    print_line("rows          " + rows);
}

int show(const std::string& file, bool as_json) {
    const Result<store::SnapshotSummary> summary = store::inspect_snapshot(file);
    if (!summary) return report(summary.error().context(file));
    if (as_json) {
        print_json(to_json(file, *summary));
    } else {
        print(file, *summary);
    }
    return done;
}

// What came is checked as it stands on the disk, before it is believed to be there.
int save(const SaveOptions& options) {
    Result<store::SnapshotFile> file = store::SnapshotFile::create(options.file);
    if (!file) return report(file.error());
    DaemonClient client(options.target, {server_socket});
    bool whole = false;
    v1::SaveSnapshotRequest request;
    request.set_stale(options.stale);
    const Result<void> received = client.stream<v1::SnapshotPiece>(
        "/hawser.v1.Api/SaveSnapshot", request, [&](const v1::SnapshotPiece& piece) {
            whole = piece.last();
            return file->append(piece.data());
        });
    if (!received) return client.report(received.error());
    if (!whole) return report({ErrorCode::unavailable, "the server ended before the snapshot did"});
    if (const auto checked = store::inspect_snapshot(file->partial_path()); !checked)
        return report(checked.error());
    if (const Result<void> kept = file->keep(); !kept) return report(kept.error());
    return show(options.file, options.json);
}

int inspect(const InspectOptions& options) {
    return show(options.file, options.json);
}

int restore(const RestoreOptions& options) {
    const Result<config::ServerConfig> config = config::load_server_config(options.config);
    if (!config) return report_config(config.error());
    const std::string ca = options.ca.empty() ? config->data_dir + "/ca" : options.ca;
    const Result<server::RestoreResult> restored =
        server::restore_snapshot(*config, options.file, ca);
    if (!restored) return report(restored.error());
    if (options.json) {
        print_json({{"trust_domain", restored->trust_domain},
                    {"index", restored->index},
                    {"made_at", time_json(restored->made_at)},
                    {"data_dir", restored->data_dir}});
        return done;
    }
    print_line(std::format("{} is the registry of {} as it was at {}, index {}", restored->data_dir,
                           restored->trust_domain, time_text(restored->made_at), restored->index));
    print_line("What was written later is not in it. Agents that still serve from later state");
    print_line("take this one over when they reach this server: hawser server");
    return done;
}

} // namespace

void add_snapshot(CLI::App& root, Action& chosen) {
    CLI::App& snapshot =
        *root.add_subcommand("snapshot", "Save the registry to a file, look at one, restore one");
    snapshot.require_subcommand(1);
    snapshot.footer("Example:\n  hawser snapshot save /backup/mesh.snapshot");

    auto save_options = std::make_shared<SaveOptions>();
    CLI::App& save_verb =
        *snapshot.add_subcommand("save", "Save the registry of a running server to a file");
    add_target_options(save_verb, save_options->target, Reach::network_too);
    save_verb.add_option("FILE", save_options->file)->required();
    save_verb.add_flag("--stale", save_options->stale,
                       "what this server has, also without a majority of the servers");
    save_verb.add_flag("--json", save_options->json, "print JSON");
    save_verb.footer(
        "The keys of the certificate authority are in it only sealed: keep the sealing key too\n"
        "(ca/sealing.key in the data directory, unless you brought your own), in another place.\n"
        "Example:\n  hawser snapshot save /backup/mesh.snapshot");
    on_chosen(save_verb, chosen, save_options, save);

    auto inspect_options = std::make_shared<InspectOptions>();
    CLI::App& inspect_verb =
        *snapshot.add_subcommand("inspect", "Check a snapshot and say what is in it");
    inspect_verb.add_option("FILE", inspect_options->file)->required();
    inspect_verb.add_flag("--json", inspect_options->json, "print JSON");
    inspect_verb.footer("Example:\n  hawser snapshot inspect /backup/mesh.snapshot");
    on_chosen(inspect_verb, chosen, inspect_options, inspect);

    auto restore_options = std::make_shared<RestoreOptions>();
    CLI::App& restore_verb = *snapshot.add_subcommand(
        "restore", "Make the first server of a new cluster from a snapshot");
    restore_verb.add_option("FILE", restore_options->file)->required();
    restore_verb.add_option("-c,--config", restore_options->config, "server.toml")
        ->type_name("FILE")
        ->capture_default_str();
    restore_verb
        .add_option("--ca", restore_options->ca,
                    "the folder with the file sealing.key (default: 'ca' in the data directory)")
        ->type_name("DIR");
    restore_verb.add_flag("--json", restore_options->json, "print JSON");
    restore_verb.footer(
        "Offline, into a data directory that holds no registry. Hosts stay joined, tokens and\n"
        "policies are as they were; whatever was written after the snapshot is lost.\n"
        "Example:\n  sudo -u hawser hawser snapshot restore /backup/mesh.snapshot --ca /backup/ca");
    on_chosen(restore_verb, chosen, restore_options, restore);
}

} // namespace hawser::cmd
