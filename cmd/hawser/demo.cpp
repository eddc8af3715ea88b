#include "demo.h"

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <format>
#include <memory>

#include "demo_hosts.h"
#include "demo_process.h"
#include "demo_report.h"
#include "demo_roles.h"
#include "demo_story.h"

namespace hawser::cmd {

namespace {

using namespace demo;

// Between namespaces where that is possible, and otherwise, after saying why not, on loopback.
Result<Plan> choose_stage(Hosts& hosts, const DemoOptions& options, Report& report) {
    if (!options.loopback) {
        report.working("making hosts");
        const auto plan = hosts.namespace_plan();
        const auto made = hosts.make_namespaces(plan);
        if (made) {
            report.note(
                "Three hosts on this machine, as network namespaces: server, web and api. "
                "Nothing else is touched.");
            return plan;
        }
        if (made.error().code == ErrorCode::cancelled) return fail(made.error());
        report.note("No network namespaces here: " + made.error().message + ".");
    }
    report.note(
        "The same story on loopback: programs dial their agent's listeners (explicit "
        "mode), each host is a set of ports.");
    return plan_loopback(hosts.directory());
}

void show_around(const Plan& plan, const std::string& binary, Report& report) {
    report.heading("Still up");
    if (plan.transparent) {
        report.command("",
                       std::format("ip netns exec {} setpriv --reuid {} --clear-groups curl "
                                   "http://api.mesh/",
                                   plan.web.network_namespace, web_uid),
                       "");
    } else {
        report.command("", std::format("curl http://127.0.0.1:{}/", plan.web_to_api_port), "");
    }
    report.command("", std::format("{} services --socket {}", binary, plan.server.socket("server")),
                   "");
    report.command("", std::format("{} status --socket {}", binary, plan.web.socket("agent")), "");
    report.note("  configuration, state and logs: " + plan.directory);
    report.note("  to remove all of it:");
    report.command("", binary + " demo --remove", "");
}

// Tells it, and cleans up or shows around. True if every step held.
bool perform(const DemoOptions& options, Hosts& hosts, Report& report, std::string& summary) {
    const auto plan = choose_stage(hosts, options, report);
    if (!plan) {
        report.failed("hosts", plan.error().message);
        return false;
    }
    Story story(hosts, *plan, report);
    auto told = story.tell();
    if (told) told = options.keep ? story.revive() : story.leave();
    summary = story.summary();
    if (told) {
        if (!options.keep) return true;
        show_around(*plan, hosts.processes().binary(), report);
        hosts.keep();
        return true;
    }
    report.failed(story.step(), told.error().message);
    if (Interruption::signal_number() == 0) std::fputs(("\n" + story.logs()).c_str(), stderr);
    return false;
}

bool is_gone(const std::string& directory, const std::string& prefix) {
    std::error_code error;
    if (std::filesystem::exists(directory, error)) return false;
    for (const auto& entry : std::filesystem::directory_iterator("/run/netns", error)) {
        if (entry.path().filename().string().starts_with(prefix + "-")) return false;
    }
    return true;
}

int remove_earlier() {
    const int removed = remove_leftovers(true);
    std::fputs(std::format("{} earlier demo{} removed\n", removed, removed == 1 ? "" : "s").c_str(),
               stdout);
    return 0;
}

} // namespace

int run_demo(const DemoOptions& options) {
    if (!options.internal.empty()) return run_role(options.internal);
    const Interruption interruption;
    if (options.remove) return remove_earlier();
    remove_leftovers(false);

    const auto began = std::chrono::steady_clock::now();
    Report report(options.no_color);
    report.title("hawser demo");
    auto hosts = Hosts::make(options.keep);
    if (!hosts) {
        report.failed("hosts", hosts.error().message);
        return 1;
    }
    const auto directory = (*hosts)->directory();
    const auto prefix = (*hosts)->namespace_plan().prefix;
    std::string summary;
    bool held = perform(options, **hosts, report, summary);
    const int interrupted_by = Interruption::signal_number();
    const bool kept = held && options.keep;
    hosts->reset();
    if (interrupted_by != 0) {
        report.end(false, "Interrupted; everything is cleaned up.");
        return 128 + interrupted_by;
    }
    if (!kept && !is_gone(directory, prefix)) {
        report.failed("cleaning", directory + " or a namespace is still there");
        held = false;
    }
    const auto time = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now() - began);
    report.end(held, held ? std::format("Every step held, in {}.{}", show_time(time),
                                        kept ? "" : " Nothing is left behind.")
                          : "A step did not hold; everything is cleaned up.");
    if (held) report.note(summary);
    return held ? 0 : 1;
}

} // namespace hawser::cmd
