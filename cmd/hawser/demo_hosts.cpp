#include "demo_hosts.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <format>
#include <fstream>
#include <vector>

namespace hawser::cmd::demo {

namespace {

namespace fs = std::filesystem;

constexpr auto name_start = "hawser-demo-";
constexpr auto folder_start = "/tmp/hawser-demo-";
constexpr auto gateway = "10.77.0.1";

using Words = std::vector<std::string>;

Result<void> run_ip(Processes& processes, Words words) {
    const auto program = find_program("ip");
    if (!program) return fail(ErrorCode::not_found, "the program `ip` (iproute2) is missing");
    std::string step = "ip";
    for (const auto& word : words) step += " " + word;
    words.insert(words.begin(), *program);
    const auto output = processes.run({}, words);
    if (!output) return fail(output.error(), step);
    if (output->exit_code == 0) return {};
    auto reason = output->text.substr(0, output->text.find('\n'));
    return fail(ErrorCode::failed_precondition, step + ": " + reason);
}

Result<void> run_all(Processes& processes, const std::vector<Words>& commands) {
    for (const auto& words : commands) {
        if (auto done = run_ip(processes, words); !done) return done;
    }
    return {};
}

// "hawser-demo-123-web" → 123.
pid_t owner_of(const std::string& name) {
    pid_t pid = 0;
    const auto start = std::string_view(name_start).size();
    if (name.starts_with(name_start)) {
        std::from_chars(name.data() + start, name.data() + name.size(), pid);
    }
    return pid;
}

bool alive(pid_t pid) {
    return kill(pid, 0) == 0 || errno == EPERM;
}

std::vector<std::string> names_in(const std::string& folder, const std::string& start) {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
        if (auto name = entry.path().filename().string(); name.starts_with(start)) {
            names.push_back(std::move(name));
        }
    }
    return names;
}

void remove_namespaces(Processes& processes, const std::string& prefix) {
    for (const auto& name : names_in("/run/netns", prefix + "-")) {
        (void)run_ip(processes, {"netns", "del", name});
    }
    std::error_code error;
    for (const auto& name : names_in("/etc/netns", prefix + "-")) {
        fs::remove_all("/etc/netns/" + name, error);
    }
    fs::remove("/etc/netns", error); // only if it is empty
}

} // namespace

Hosts::Hosts(std::string directory, std::string prefix, bool keep)
    : directory_(std::move(directory)), prefix_(std::move(prefix)), processes_(directory_, keep) {}

Result<std::unique_ptr<Hosts>> Hosts::make(bool keep) {
    const auto directory = std::format("{}{}", folder_start, getpid());
    if (mkdir(directory.c_str(), 0700) != 0) return fail_errno(errno, "making " + directory);
    for (const auto* host : {"server", "web", "api"}) {
        if (mkdir((directory + "/" + host).c_str(), 0700) != 0) {
            return fail_errno(errno, "making " + directory + "/" + host);
        }
    }
    return std::unique_ptr<Hosts>(
        new Hosts(directory, std::format("{}{}", name_start, getpid()), keep));
}

Hosts::~Hosts() {
    Interruption::begin_cleanup();
    if (keep_) {
        processes_.forget_all();
        return;
    }
    processes_.stop_all();
    remove_namespaces(processes_, prefix_);
    std::error_code error;
    fs::remove_all(directory_, error);
}

void Hosts::keep() {
    keep_ = true;
    std::ofstream(directory_ + "/kept") << "by --keep\n";
}

Plan Hosts::namespace_plan() const {
    return plan_namespaces(directory_, prefix_);
}

Result<void> Hosts::make_namespaces(const Plan& plan) {
    if (geteuid() != 0) return fail(ErrorCode::permission_denied, "that needs root");
    if (!find_program("nft")) {
        return fail(ErrorCode::not_found, "the program `nft` (nftables) is missing");
    }
    auto done = add_switch(plan);
    for (const auto* host : {&plan.server, &plan.web, &plan.api}) {
        if (done) done = add_host(plan, *host);
    }
    // A kernel without nftables is found here and not in the middle of the story.
    if (done) done = try_rules(plan.web);
    if (!done && Interruption::signal_number() == 0) remove_namespaces(processes_, prefix_);
    return done;
}

Result<void> Hosts::try_rules(const HostPlan& host) {
    const Place place{.network_namespace = host.network_namespace, .uid = {}};
    const auto output = processes_.run(place, {*find_program("nft"), "list", "tables"});
    if (!output) return fail(output.error(), "nft");
    if (output->exit_code == 0) return {};
    return fail(ErrorCode::failed_precondition,
                "nft list tables: " + output->text.substr(0, output->text.find('\n')));
}

Result<void> Hosts::add_switch(const Plan& plan) {
    const auto name = plan.switch_namespace();
    return run_all(processes_,
                   {{"netns", "add", name},
                    {"-n", name, "link", "set", "lo", "up"},
                    {"-n", name, "link", "add", "br0", "type", "bridge", "forward_delay", "0"},
                    {"-n", name, "addr", "add", std::format("{}/24", gateway), "dev", "br0"},
                    {"-n", name, "link", "set", "br0", "up"}});
}

Result<void> Hosts::add_host(const Plan& plan, const HostPlan& host) {
    const auto& name = host.network_namespace;
    const auto net = plan.switch_namespace();
    const auto port = "to-" + host.name;
    // `ip netns exec` shows these files as /etc/resolv.conf and /etc/nsswitch.conf. Nobody answers
    // at the gateway: the agent does, for the mesh's names.
    const auto folder = "/etc/netns/" + name;
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) return fail(ErrorCode::unavailable, folder + ": " + error.message());
    std::ofstream(folder + "/resolv.conf") << "nameserver " << gateway << "\n";
    if (fs::exists("/etc/nsswitch.conf")) {
        std::ofstream(folder + "/nsswitch.conf") << "hosts: files dns\n";
    }
    return run_all(processes_, {{"netns", "add", name},
                                {"-n", name, "link", "set", "lo", "up"},
                                {"-n", net, "link", "add", port, "type", "veth", "peer", "name",
                                 "eth0", "netns", name},
                                {"-n", net, "link", "set", port, "master", "br0", "up"},
                                {"-n", name, "addr", "add", host.address + "/24", "dev", "eth0"},
                                {"-n", name, "link", "set", "eth0", "up"},
                                {"-n", name, "route", "add", "default", "via", gateway}});
}

int remove_leftovers(bool kept_too) {
    Processes processes("/tmp", false);
    std::vector<pid_t> owners;
    for (const auto* folder : {"/run/netns", "/tmp"}) {
        for (const auto& name : names_in(folder, name_start)) {
            const auto pid = owner_of(name);
            if (pid > 0 && !alive(pid)) owners.push_back(pid);
        }
    }
    std::ranges::sort(owners);
    owners.erase(std::ranges::unique(owners).begin(), owners.end());
    int removed = 0;
    for (const auto pid : owners) {
        const auto directory = std::format("{}{}", folder_start, pid);
        struct stat folder{};
        const bool ours = lstat(directory.c_str(), &folder) == 0 && S_ISDIR(folder.st_mode) &&
                          folder.st_uid == geteuid();
        if (ours && fs::exists(directory + "/kept") && !kept_too) continue;
        if (ours) kill_listed_processes(directory);
        if (geteuid() == 0) remove_namespaces(processes, std::format("{}{}", name_start, pid));
        std::error_code error;
        if (ours) fs::remove_all(directory, error);
        removed += ours ? 1 : 0;
    }
    return removed;
}

} // namespace hawser::cmd::demo
