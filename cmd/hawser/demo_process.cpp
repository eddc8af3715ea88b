#include "demo_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <format>
#include <fstream>
#include <sstream>
#include <thread>

extern char** environ;

namespace hawser::cmd::demo {

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr std::array handled_signals = {SIGINT, SIGTERM, SIGHUP};
constexpr std::size_t output_limit = 1 << 20;
std::atomic<int> received_signal = 0; // a handler cannot be given anything

void note_signal(int number) {
    received_signal = number;
}

void set_handlers(void (*handler)(int)) {
    struct sigaction action{};
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    for (const int number : handled_signals) sigaction(number, &action, nullptr);
}

int exit_code_of(int status) {
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Field 22 of /proc/PID/stat: with it a pid names one process for ever.
std::string start_time(pid_t pid) {
    std::ifstream file(std::format("/proc/{}/stat", pid));
    std::string text((std::istreambuf_iterator<char>(file)), {});
    const auto end_of_name = text.rfind(')');
    if (end_of_name == std::string::npos) return {};
    std::istringstream fields(text.substr(end_of_name + 1));
    std::string field;
    for (int number = 3; number <= 22 && fields >> field; ++number) {
    }
    return field;
}

std::string processes_file(const std::string& directory) {
    return directory + "/processes";
}

} // namespace

Interruption::Interruption() {
    received_signal = 0;
    set_handlers(note_signal);
    signal(SIGPIPE, SIG_IGN); // `hawser demo | head` shall clean up like any other
}

Interruption::~Interruption() {
    set_handlers(SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
}

int Interruption::signal_number() {
    return received_signal;
}

void Interruption::begin_cleanup() {
    set_handlers(SIG_IGN);
    received_signal = 0;
}

Result<void> wait_until(const std::function<bool()>& holds, std::chrono::milliseconds timeout,
                        const std::string& what) {
    const auto deadline = Clock::now() + timeout;
    while (!holds()) {
        if (Interruption::signal_number() != 0) return fail(ErrorCode::cancelled, "interrupted");
        if (Clock::now() >= deadline) {
            return fail(ErrorCode::deadline_exceeded,
                        std::format("not within {} ms: {}", timeout.count(), what));
        }
        std::this_thread::sleep_for(10ms);
    }
    return {};
}

std::optional<std::string> find_program(const std::string& name) {
    const char* path = std::getenv("PATH");
    std::istringstream folders(std::string(path != nullptr ? path : "") +
                               ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin");
    for (std::string folder; std::getline(folders, folder, ':');) {
        const std::string candidate = folder + "/" + name;
        if (!folder.empty() && access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    return std::nullopt;
}

Processes::Processes(std::string directory, bool outlive)
    : directory_(std::move(directory)), outlive_(outlive) {
    std::error_code error;
    binary_ = std::filesystem::read_symlink("/proc/self/exe", error).string();
    ip_ = find_program("ip").value_or("ip");
}

Processes::~Processes() {
    stop_all();
}

Result<pid_t> Processes::spawn(const Place& place, const std::vector<std::string>& arguments,
                               int output, bool outlive) {
    std::vector<std::string> words;
    if (!place.network_namespace.empty()) {
        words = {ip_, "netns", "exec", place.network_namespace};
    }
    // Our own "run" role changes the user and ties the child's life to ours, then becomes it.
    words.insert(words.end(), {binary_, "demo", "--internal", "run",
                               place.uid ? std::to_string(*place.uid) : "-",
                               outlive ? "-" : std::to_string(getpid())});
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, 1);
    posix_spawn_file_actions_adddup2(&actions, output, 2);
    // A session of its own: Ctrl-C is for us, and we stop the children in order.
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF);
    sigset_t usual; // what is ignored here would be ignored there
    sigemptyset(&usual);
    for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) sigaddset(&usual, number);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    pid_t pid = 0;
    const int error = posix_spawn(&pid, argv[0], &actions, &attributes, argv.data(), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) return fail_errno(error, "starting " + words[0]);
    return pid;
}

Result<pid_t> Processes::start(const Place& place, const std::vector<std::string>& arguments,
                               const std::string& name) {
    const std::string path = directory_ + "/" + name + ".log";
    const int log = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0) return fail_errno(errno, "opening " + path);
    auto pid = spawn(place, arguments, log, outlive_);
    close(log);
    if (!pid) return fail(pid.error(), name);
    children_.push_back({.pid = *pid});
    remember(*pid);
    return pid;
}

Result<Output> Processes::run(const Place& place, const std::vector<std::string>& arguments,
                              std::chrono::milliseconds timeout) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno(errno, "making a pipe");
    const auto deadline = Clock::now() + timeout;
    auto pid = spawn(place, arguments, ends[1], false);
    close(ends[1]);
    if (!pid) {
        close(ends[0]);
        return fail(pid.error());
    }
    Output output;
    bool open = true, in_time = true;
    while (open && in_time && Interruption::signal_number() == 0) {
        pollfd ready{.fd = ends[0], .events = POLLIN, .revents = 0};
        if (poll(&ready, 1, 50) > 0) {
            std::array<char, 4096> buffer{};
            const auto size = read(ends[0], buffer.data(), buffer.size());
            open = size > 0;
            if (open && output.text.size() < output_limit) {
                output.text.append(buffer.data(), static_cast<std::size_t>(size));
            }
        }
        in_time = Clock::now() < deadline;
    }
    close(ends[0]);
    children_.push_back({.pid = *pid});
    auto code = stop(*pid, open ? SIGKILL : 0, 5s);
    std::erase_if(children_, [&](const Child& child) { return child.pid == *pid; });
    if (Interruption::signal_number() != 0) return fail(ErrorCode::cancelled, "interrupted");
    if (!in_time) {
        return fail(ErrorCode::deadline_exceeded,
                    std::format("{} did not end within {} ms", arguments[0], timeout.count()));
    }
    if (!code) return fail(code.error());
    output.exit_code = *code;
    return output;
}

Result<Output> Processes::hawser(const Place& place, std::vector<std::string> arguments,
                                 std::chrono::milliseconds timeout) {
    arguments.insert(arguments.begin(), binary_);
    return run(place, arguments, timeout);
}

bool Processes::reap(Child& child) {
    if (child.ended) return true;
    int status = 0;
    const pid_t result = waitpid(child.pid, &status, WNOHANG);
    if (result == 0) return false;
    child.ended = true;
    child.exit_code = result > 0 ? exit_code_of(status) : 0;
    return true;
}

bool Processes::running(pid_t pid) {
    for (auto& child : children_) {
        if (child.pid == pid) return !reap(child);
    }
    return false;
}

Result<int> Processes::stop(pid_t pid, int signal_number, std::chrono::milliseconds timeout) {
    for (auto& child : children_) {
        if (child.pid != pid) continue;
        if (!reap(child) && signal_number != 0) kill(pid, signal_number);
        const auto deadline = Clock::now() + timeout;
        bool late = false;
        while (!reap(child)) {
            if (!late && Clock::now() >= deadline) {
                late = true;
                kill(pid, SIGKILL);
            }
            std::this_thread::sleep_for(2ms);
        }
        if (late) return fail(ErrorCode::deadline_exceeded, "had to be killed");
        return child.exit_code;
    }
    return fail(ErrorCode::not_found, "no such process");
}

void Processes::stop_all() {
    for (auto& child : children_) {
        if (!reap(child)) kill(child.pid, SIGTERM);
    }
    for (auto& child : children_) (void)stop(child.pid, 0, 5s);
    children_.clear();
}

std::string Processes::log_tail(const std::string& name) const {
    constexpr std::size_t tail = 2000;
    std::ifstream file(directory_ + "/" + name + ".log");
    std::string text((std::istreambuf_iterator<char>(file)), {});
    if (text.size() <= tail) return text;
    const auto line = text.find('\n', text.size() - tail);
    return text.substr(line == std::string::npos ? text.size() - tail : line + 1);
}

void Processes::remember(pid_t pid) const {
    std::ofstream(processes_file(directory_), std::ios::app)
        << pid << ' ' << start_time(pid) << '\n';
}

void kill_listed_processes(const std::string& directory) {
    std::ifstream file(processes_file(directory));
    pid_t pid = 0;
    for (std::string time; file >> pid >> time;) {
        if (pid > 1 && start_time(pid) == time) kill(pid, SIGKILL);
    }
}

} // namespace hawser::cmd::demo
