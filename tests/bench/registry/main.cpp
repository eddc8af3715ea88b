// registry-load: the load of the registry bench, on hawser or on etcd. Prints one JSON object.
// Started by tests/bench/bench_registry.py.
//   load     closed-loop clients that read or write
//   grow     fills the registry with services, instances and nodes
//   notice   how soon many streams see a change; hawser: after grow
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <string>
#include <vector>

#include "fleet.h"
#include "io/loop.h"
#include "io/task_group.h"
#include "load.h"
#include "log/log.h"
#include "notice.h"
#include "system.h"

namespace {

using namespace hawser;
using namespace hawser::bench;
using nlohmann::json;

struct Options {
    std::string system = "hawser";
    std::vector<std::string> endpoint_texts;
    std::vector<Endpoint> endpoints;
    std::string root;  // hawser: the root's fingerprint; etcd: its file
    std::string token; // hawser
    std::string operation = "write";
    std::int64_t warmup_ms = 500, duration_ms = 3000, timeout_ms = 5000;
    LoadOptions load;
    FleetOptions fleet;
    std::string nodes_file; // hawser: grow writes it, notice reads it
    NoticeOptions notice;
};

void add_load(CLI::App& app, Options& options) {
    CLI::App& load = *app.add_subcommand("load");
    load.add_option("--operation", options.operation)->check(CLI::IsMember({"read", "write"}));
    load.add_option("--clients", options.load.clients);
    load.add_option("--keys", options.load.keys);
    load.add_flag("--fill", options.load.fill);
    load.add_option("--warmup-ms", options.warmup_ms);
    load.add_option("--duration-ms", options.duration_ms);
    load.add_option("--timeout-ms", options.timeout_ms);
}

void add_fleet(CLI::App& command, Options& options) {
    command.add_option("--services", options.fleet.services);
    command.add_option("--instances", options.fleet.instances);
    command.add_option("--nodes", options.fleet.nodes);
    command.add_option("--nodes-file", options.nodes_file);
}

void add_options(CLI::App& app, Options& options) {
    app.require_subcommand(1);
    app.add_option("--system", options.system)->check(CLI::IsMember({"hawser", "etcd"}));
    app.add_option("--endpoint", options.endpoint_texts)->required();
    app.add_option("--root", options.root)->required();
    app.add_option("--token", options.token);
    add_load(app, options);
    add_fleet(*app.add_subcommand("grow"), options);
    CLI::App& notice = *app.add_subcommand("notice");
    add_fleet(notice, options);
    notice.add_option("--streams", options.notice.streams);
    notice.add_option("--changes", options.notice.changes);
}

double milliseconds(Clock::duration duration) {
    return std::chrono::duration<double, std::milli>(duration).count();
}

io::Task<Result<json>> load(const System& system, Options options) {
    LoadOptions load = options.load;
    load.endpoints = options.endpoints;
    load.operation = options.operation == "read" ? Operation::read : Operation::write;
    load.warmup = std::chrono::milliseconds(options.warmup_ms);
    load.duration = std::chrono::milliseconds(options.duration_ms);
    load.timeout = std::chrono::milliseconds(options.timeout_ms);
    const auto result = co_await run_load(system, std::move(load));
    if (!result) co_return fail(result.error());
    co_return json{{"completed", result->completed},
                   {"failed", result->failed},
                   {"first_failure", result->first_failure},
                   {"per_second", result->per_second()},
                   {"p50_us", percentile(result->latencies_us, 50)},
                   {"p99_us", percentile(result->latencies_us, 99)},
                   {"longest_gap_ms", milliseconds(result->longest_gap)},
                   {"gap_began_ms", milliseconds(result->gap_began.time_since_epoch())}};
}

io::Task<Result<json>> grow(const System& system, Options options) {
    options.fleet.endpoints = options.endpoints;
    if (options.system == "etcd") {
        const auto rows = co_await grow_etcd(system, options.fleet);
        if (!rows) co_return fail(rows.error());
        co_return json{{"rows", *rows}};
    }
    const auto nodes = co_await grow_mesh(system, options.fleet);
    if (!nodes) co_return fail(nodes.error());
    if (const auto saved = save(*nodes, options.nodes_file); !saved) co_return fail(saved.error());
    co_return json{
        {"rows", options.fleet.services * (1 + options.fleet.instances) + options.fleet.nodes}};
}

io::Task<Result<json>> notice(const System& system, Options options) {
    options.fleet.endpoints = options.endpoints;
    std::unique_ptr<Mesh> mesh;
    if (options.system == "etcd") {
        mesh = make_etcd_mesh(system, options.fleet);
    } else {
        auto nodes = load_nodes(options.nodes_file);
        if (!nodes) co_return fail(std::move(nodes.error()));
        mesh = make_hawser_mesh(system, options.fleet, *std::move(nodes));
    }
    const auto result = co_await measure_notice(*mesh, options.notice);
    if (!result) co_return fail(result.error());
    co_return json{{"p50_us", percentile(result->latencies_us, 50)},
                   {"p99_us", percentile(result->latencies_us, 99)},
                   {"max_us", percentile(result->latencies_us, 100)}};
}

// The arguments outlive the loop that runs this.
io::Task<void> perform(const System& system, std::string command, Options options,
                       Result<json>& result, io::Loop& loop) {
    if (command == "load") result = co_await load(system, std::move(options));
    if (command == "grow") result = co_await grow(system, std::move(options));
    if (command == "notice") result = co_await notice(system, std::move(options));
    loop.stop();
}

Result<json> run(const std::string& command, Options options) {
    for (const std::string& text : options.endpoint_texts) {
        Result<Endpoint> endpoint = Endpoint::parse(text);
        if (!endpoint) return fail(std::move(endpoint.error()), "--endpoint");
        options.endpoints.push_back(*endpoint);
    }
    const Result<std::unique_ptr<System>> system = options.system == "hawser"
                                                       ? make_hawser(options.root, options.token)
                                                       : make_etcd(options.root);
    if (!system) return fail(system.error());
    Result<json> result = fail(ErrorCode::internal, "the load did not end");
    io::Loop loop("load");
    io::TaskGroup tasks(loop.executor());
    tasks.spawn(perform(**system, command, std::move(options), result, loop));
    loop.run();
    return result;
}

} // namespace

int main(int argc, char** argv) {
    log::configure(log::Level::error, log::Format::text);
    Options options;
    CLI::App app("Puts load on a registry and prints what it measured", "registry-load");
    add_options(app, options);
    CLI11_PARSE(app, argc, argv);
    const Result<json> result = run(app.get_subcommands().front()->get_name(), options);
    if (!result) {
        std::fprintf(stderr, "%s\n", result.error().message.c_str());
        return 1;
    }
    std::puts(result->dump().c_str());
    return 0;
}
