// chaos-client: puts a workload on servers that somebody else breaks, and records what it saw.
// Started by tests/chaos/run; SIGTERM ends the load and begins the final reads.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <format>

#include "base/bytes.h"
#include "history.h"
#include "io/loop.h"
#include "io/task_group.h"
#include "log/log.h"
#include "workload.h"

namespace {

using namespace hawser;
using namespace hawser::chaos;

struct Options {
    std::vector<std::string> endpoints;
    std::string root;
    std::string history;
    WorkloadOptions workload;
};

void add_options(CLI::App& app, Options& options) {
    app.add_option("--endpoint", options.endpoints)->required();
    app.add_option("--root", options.root, "the root's fingerprint")->required();
    app.add_option("--token", options.workload.servers.bearer)->required();
    app.add_option("--history", options.history, "the file to write")->required();
    app.add_option("--clients", options.workload.clients);
    app.add_option("--watchers", options.workload.watchers);
    app.add_option("--registers", options.workload.registers);
    app.add_option("--seed", options.workload.seed);
}

Result<WorkloadOptions> workload_options(const Options& options) {
    WorkloadOptions workload = options.workload;
    for (const std::string& text : options.endpoints) {
        Result<Endpoint> endpoint = Endpoint::parse(text);
        if (!endpoint) return fail(std::move(endpoint.error()), "--endpoint");
        workload.servers.endpoints.push_back(*endpoint);
    }
    Result<std::string> pin = from_hex(options.root);
    if (!pin) return fail(std::move(pin.error()), "--root");
    auto credentials = tls::make_credentials({.alpn = {"h2"}, .root_pin = *std::move(pin)});
    if (!credentials) return fail(std::move(credentials.error()));
    workload.servers.credentials = *std::move(credentials);
    return workload;
}

// The arguments outlive the loop that runs this.
io::Task<void> perform(WorkloadOptions options, History& history, const bool& stopped,
                       Result<void>& result, io::Loop& loop) {
    result = co_await run_workload(std::move(options), history, stopped);
    loop.stop();
}

Result<void> run(const Options& options) {
    Result<WorkloadOptions> workload = workload_options(options);
    if (!workload) return fail(std::move(workload.error()));
    Result<History> history = History::create(options.history);
    if (!history) return fail(std::move(history.error()));
    Result<void> result = fail(ErrorCode::internal, "the workload did not end");
    bool stopped = false;
    io::Loop loop("chaos");
    asio::signal_set signals(loop.context(), SIGTERM, SIGINT);
    signals.async_wait([&stopped](std::error_code, int) { stopped = true; });
    io::TaskGroup tasks(loop.executor());
    tasks.spawn(perform(*std::move(workload), *history, stopped, result, loop));
    loop.run();
    std::puts(
        std::format("{} calls succeeded, {} conditions failed, {} outcomes unknown, {} changes "
                    "watched",
                    history->count(Outcome::ok), history->count(Outcome::refused),
                    history->count(Outcome::unknown), history->changes())
            .c_str());
    return result;
}

} // namespace

int main(int argc, char** argv) {
    log::configure(log::Level::error, log::Format::text);
    Options options;
    CLI::App app("Calls servers that are being broken, and records what they say", "chaos-client");
    add_options(app, options);
    CLI11_PARSE(app, argc, argv);
    const Result<void> result = run(options);
    if (!result) std::fprintf(stderr, "%s\n", result.error().message.c_str());
    return result ? 0 : 1;
}
