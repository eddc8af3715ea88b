#include <nlohmann/json.hpp>

#include "agent/interception.h"
#include "base/bytes.h"
#include "console.h"
#include "daemon_client.h"
#include "leftovers.h"
#include "lifecycle.h"
#include "model/proto/control.pb.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

struct Options {
    TargetOptions target;
    bool json = false;
};

void print_lines(const std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        print_line("  " + printable(text.substr(at, end - at), 500));
        at = end + 1;
    }
}

void print(const v1::InterceptStatusResponse& status) {
    const bool transparent = status.mode() != "explicit";
    if (status.matches() && !transparent)
        return print_line("explicit mode: no kernel rules, none intended");
    if (status.matches()) {
        print_line("transparent mode: the kernel's rules " + toned("match", Tone::good) +
                   " what is intended");
        return;
    }
    print_line(
        transparent
            ? "transparent mode: the kernel's rules are " + toned("not what is intended", Tone::bad)
            : "explicit mode, but there are " + toned("rules nobody looks after", Tone::bad) +
                  " (to remove them: nft delete table inet hawser)");
    print_lines(status.difference());
}

int run(const Options& options) {
    DaemonClient client(options.target, {agent_socket});
    const auto status = client.call<v1::InterceptStatusResponse>("/hawser.v1.Agent/InterceptStatus",
                                                                 v1::InterceptStatusRequest());
    if (!status) {
        const int code = client.report(status.error());
        warn_of_leftovers(status.error());
        return code;
    }
    if (options.json) {
        print_json({{"mode", status->mode()},
                    {"matches", status->matches()},
                    {"intended", status->intended()},
                    {"actual", status->actual()},
                    {"difference", status->difference()}});
    } else {
        print(*status);
    }
    return status->matches() ? done : failed;
}

struct NoOptions {};

io::Task<void> leave(Result<void>& left, io::Loop& loop) {
    left = co_await agent::leave_kernel(loop.executor());
    loop.stop();
}

// For the service manager, when the agent has ended in whatever way.
int run_leave(const NoOptions&) {
    Result<void> left;
    io::Loop loop("intercept");
    run_to_end(loop, leave(left, loop));
    return left ? done : report(left.error());
}

} // namespace

void add_intercept(CLI::App& root, Action& chosen) {
    CLI::App& intercept =
        *root.add_subcommand("intercept", "Look at the kernel rules of this host's agent");
    intercept.require_subcommand(1);
    intercept.footer("Example:\n  hawser intercept status");
    auto options = std::make_shared<Options>();
    CLI::App& verb =
        *intercept.add_subcommand("status", "Compare the kernel's rules with what they should be");
    add_target_options(verb, options->target, Reach::socket_only);
    verb.add_flag("--json", options->json, "print JSON");
    verb.footer(
        "Exits with 1 if they differ: '-' is missing, '+' is there but not ours.\n"
        "Example:\n  hawser intercept status");
    on_chosen(verb, chosen, options, run);
    CLI::App& left = *intercept.add_subcommand(
        "leave", "Remove (or close, as on_exit says) the rules that a killed agent left behind");
    left.footer("The agent's unit does this by itself.\nExample:\n  hawser intercept leave");
    on_chosen(left, chosen, std::make_shared<NoOptions>(), run_leave);
}

} // namespace hawser::cmd
