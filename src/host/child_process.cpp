#include "host/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/posix/basic_stream_descriptor.hpp>
#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>

#include "io/signal.h"

extern char** environ;

namespace hawser::host {
namespace {

using Descriptor = asio::posix::basic_stream_descriptor<io::Executor>;

class OwnedDescriptor {
  public:
    OwnedDescriptor() = default;
    explicit OwnedDescriptor(int descriptor) : descriptor_(descriptor) {}
    OwnedDescriptor(OwnedDescriptor&& other) noexcept : descriptor_(other.release()) {}
    OwnedDescriptor& operator=(OwnedDescriptor&& other) noexcept {
        std::swap(descriptor_, other.descriptor_);
        return *this;
    }
    ~OwnedDescriptor() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }
    [[nodiscard]] int get() const { return descriptor_; }
    int release() { return std::exchange(descriptor_, -1); }

  private:
    int descriptor_ = -1;
};

// The program's standard input as a file in memory: nothing to feed while it runs.
Result<OwnedDescriptor> input_file(std::string_view input) {
    OwnedDescriptor file(::memfd_create("input", MFD_CLOEXEC));
    if (file.get() < 0) return fail_errno(errno, "memfd_create");
    while (!input.empty()) {
        const ssize_t written = ::write(file.get(), input.data(), input.size());
        if (written < 0) return fail_errno(errno, "writing the program's input");
        input.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::lseek(file.get(), 0, SEEK_SET) != 0) return fail_errno(errno, "lseek");
    return file;
}

// What this daemon's service manager told this daemon is not for its children.
std::vector<char*> child_environment() {
    constexpr std::array<std::string_view, 6> own = {
        "NOTIFY_SOCKET=",         "WATCHDOG_", "LISTEN_",
        "CREDENTIALS_DIRECTORY=", "FDSTORE=",  "INVOCATION_ID="};
    std::vector<char*> kept;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        if (std::ranges::none_of(own, [&](auto prefix) { return text.starts_with(prefix); }))
            kept.push_back(*entry);
    }
    kept.push_back(nullptr);
    return kept;
}

// Attributes and file actions of posix_spawn, freed at the end.
class SpawnSettings {
  public:
    SpawnSettings() {
        ::posix_spawnattr_init(&attributes);
        ::posix_spawn_file_actions_init(&actions);
        sigset_t none, all;
        ::sigemptyset(&none);
        ::sigfillset(&all);
        ::posix_spawnattr_setsigmask(&attributes, &none);
        ::posix_spawnattr_setsigdefault(&attributes, &all);
        ::posix_spawnattr_setpgroup(&attributes, 0);
        ::posix_spawnattr_setflags(
            &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    }
    SpawnSettings(const SpawnSettings&) = delete;
    SpawnSettings& operator=(const SpawnSettings&) = delete;
    ~SpawnSettings() {
        ::posix_spawn_file_actions_destroy(&actions);
        ::posix_spawnattr_destroy(&attributes);
    }
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
};

// A child gets the ambient capabilities of the thread that starts it: while this lives, none.
class WithoutCapabilities {
  public:
    explicit WithoutCapabilities(bool wanted) {
        if (!wanted) return;
        // The kernel has as many as it knows: the first unknown one ends the list.
        for (unsigned long each = 0;; ++each) {
            const int set = ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, each, 0, 0);
            if (set < 0) break;
            if (set == 1) taken_.push_back(each);
        }
        if (!taken_.empty()) (void)::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    }
    WithoutCapabilities(const WithoutCapabilities&) = delete;
    WithoutCapabilities& operator=(const WithoutCapabilities&) = delete;
    ~WithoutCapabilities() {
        for (const unsigned long each : taken_)
            (void)::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, each, 0, 0);
    }

  private:
    std::vector<unsigned long> taken_;
};

Result<pid_t> spawn(const ProgramOptions& options, int input, int output) {
    SpawnSettings settings;
    ::posix_spawn_file_actions_adddup2(&settings.actions, input, 0);
    ::posix_spawn_file_actions_adddup2(&settings.actions, output, 1);
    ::posix_spawn_file_actions_adddup2(&settings.actions, output, 2);
    ::posix_spawn_file_actions_addclosefrom_np(&settings.actions, 3);
    ::posix_spawn_file_actions_addchdir_np(&settings.actions, "/");
    std::vector<char*> arguments;
    for (const std::string& argument : options.arguments)
        arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    auto environment = child_environment();
    pid_t pid = -1;
    const WithoutCapabilities dropped(!options.keep_capabilities);
    const int error = ::posix_spawnp(&pid, arguments[0], &settings.actions, &settings.attributes,
                                     arguments.data(), environment.data());
    if (error != 0) return fail_errno(error, "starting " + options.arguments[0]);
    return pid;
}

// A running program. Its handlers share it, so that one that is still queued when the waiting
// task has gone finds it.
struct Child {
    Child(io::Executor executor, pid_t id)
        : pid(id), process(executor), output(executor), timer(executor), wake(executor) {}
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    pid_t pid;          // -1: reaped
    Descriptor process; // a pidfd: readable when it ended
    Descriptor output;  // the reading end of its stdout and stderr
    io::Timer timer;
    io::Signal wake;
    bool ended = false, readable = false, timed_out = false;
    int status = 0;
    std::string text;
};

void watch_exit(const std::shared_ptr<Child>& child) {
    child->process.async_wait(Descriptor::wait_read, [child](const std::error_code& error) {
        if (error) return;
        child->ended = true;
        child->wake.notify();
    });
}
void watch_output(const std::shared_ptr<Child>& child) {
    child->output.async_wait(Descriptor::wait_read, [child](const std::error_code& error) {
        if (error) return;
        child->readable = true;
        child->wake.notify();
    });
}
void watch_time(const std::shared_ptr<Child>& child, std::chrono::milliseconds time) {
    child->timer.expires_after(time);
    child->timer.async_wait([child](const std::error_code& error) {
        if (error) return;
        child->timed_out = true;
        child->wake.notify();
    });
}

// Takes what is there, a bounded part of it at a time. False at its end.
bool read_output(Child& child, std::size_t max_output) {
    std::array<char, 4096> buffer;
    for (int round = 0; round < 64; ++round) {
        const ssize_t got = ::read(child.output.native_handle(), buffer.data(), buffer.size());
        if (got < 0) return errno == EAGAIN || errno == EINTR;
        if (got == 0) return false;
        const std::size_t room = max_output - std::min(max_output, child.text.size());
        child.text.append(buffer.data(), std::min(room, static_cast<std::size_t>(got)));
    }
    return true;
}

void reap(Child& child) {
    pid_t result;
    do result = ::waitpid(child.pid, &child.status, WNOHANG);
    while (result < 0 && errno == EINTR);
    if (result != 0) child.pid = -1;
}

// Whatever way the waiting ends, no process stays behind and no handler is left armed.
class ChildGuard {
  public:
    explicit ChildGuard(std::shared_ptr<Child> child) : child_(std::move(child)) {}
    ChildGuard(const ChildGuard&) = delete;
    ChildGuard& operator=(const ChildGuard&) = delete;
    ~ChildGuard() {
        if (child_->pid > 0) {
            ::kill(-child_->pid, SIGKILL);
            // A killed process ends at once unless the kernel holds it; then init will have it.
            pollfd ended{.fd = child_->process.native_handle(), .events = POLLIN, .revents = 0};
            (void)::poll(&ended, 1, 200);
            reap(*child_);
        }
        std::error_code ignored;
        child_->timer.cancel();
        child_->process.close(ignored);
        child_->output.close(ignored);
    }

  private:
    std::shared_ptr<Child> child_;
};

Result<std::shared_ptr<Child>> start(io::Executor executor, const ProgramOptions& options) {
    if (options.arguments.empty()) return fail(ErrorCode::invalid, "no program given");
    auto input = input_file(options.input);
    if (!input) return fail(std::move(input.error()));
    std::array<int, 2> ends;
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
    OwnedDescriptor reading(ends[0]), writing(ends[1]);
    // Only our end must not block; the program's is an ordinary pipe.
    if (::fcntl(reading.get(), F_SETFL, O_NONBLOCK) != 0) return fail_errno(errno, "fcntl");

    auto pid = spawn(options, input->get(), writing.get());
    if (!pid) return fail(std::move(pid.error()));
    auto child = std::make_shared<Child>(executor, *pid);
    OwnedDescriptor process(static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0)));
    const int pidfd_error = errno;
    std::error_code error;
    if (process.get() >= 0) child->process.assign(process.release(), error);
    if (!error) child->output.assign(reading.release(), error);
    if (!error && child->process.is_open()) return child;
    ::kill(-*pid, SIGKILL);
    (void)::waitpid(*pid, nullptr, 0);
    return fail_errno(error ? error.value() : pidfd_error, "watching " + options.arguments[0]);
}

ProgramResult result_of(Child& child) {
    ProgramResult result;
    result.timed_out = child.timed_out;
    if (WIFEXITED(child.status)) result.exit_code = WEXITSTATUS(child.status);
    if (WIFSIGNALED(child.status)) result.signal = WTERMSIG(child.status);
    result.output = std::move(child.text);
    return result;
}

} // namespace

io::Task<Result<ProgramResult>> run_program(io::Executor executor, ProgramOptions options) {
    auto started = start(executor, options);
    if (!started) co_return fail(std::move(started.error()));
    const std::shared_ptr<Child> child = std::move(*started);
    ChildGuard guard(child);
    watch_exit(child);
    watch_output(child);
    watch_time(child, options.timeout);

    // Its end counts, not the end of its output: a background process may keep that open.
    while (!child->ended && !child->timed_out) {
        co_await child->wake.wait();
        if (std::exchange(child->readable, false) && read_output(*child, options.max_output))
            watch_output(child);
    }
    if (!child->ended) {
        ::kill(-child->pid, SIGKILL);
        // Its output ends too, and may wake us first.
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(1);
        while (!child->ended && std::chrono::steady_clock::now() < deadline)
            (void)co_await child->wake.wait_for(std::chrono::milliseconds(100));
    }
    reap(*child);
    (void)read_output(*child, options.max_output);
    co_return result_of(*child);
}

} // namespace hawser::host
