#include "host/child_process.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <thread>

#include "host/files.h"
#include "io/task_group.h"
#include "loop_runner.h"

using namespace hawser;
using namespace hawser::host;
using namespace hawser::host::test;
using std::chrono::milliseconds;

namespace {

ProgramResult run_script(const std::string& script, ProgramOptions options = {}) {
    LoopRunner loop;
    options.arguments = {"sh", "-c", script};
    auto result = loop.run(run_program(loop.executor(), std::move(options)));
    REQUIRE_MESSAGE(result.has_value(), result.error().message);
    return *result;
}

bool alive(pid_t pid) {
    return ::kill(pid, 0) == 0;
}

io::Task<void> run_into(io::Executor executor, ProgramOptions options, bool* ended) {
    (void)co_await run_program(executor, std::move(options));
    *ended = true;
}

} // namespace

TEST_CASE("a program gets no descriptors but its own three") {
    const int ours = ::fcntl(STDERR_FILENO, F_DUPFD, 50); // not close-on-exec
    REQUIRE(ours >= 50);
    const std::string open = run_script("for f in /proc/self/fd/*; do echo ${f##*/}; done").output;
    ::close(ours);
    CHECK_FALSE(open.contains(std::to_string(ours)));
}

TEST_CASE("a program gets our ambient capabilities only if it works for us") {
    bool allowed = true;
    std::string without, with, after;
    std::thread([&] { // capabilities are a thread's
        __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
        __user_cap_data_struct sets[2] = {};
        (void)::syscall(SYS_capget, &header, sets);
        sets[0].inheritable |= 1U << CAP_NET_ADMIN;
        allowed = ::syscall(SYS_capset, &header, sets) == 0 &&
                  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0) == 0;
        if (!allowed) return;
        const std::string script = "grep CapAmb /proc/self/status";
        without = run_script(script).output;
        ProgramOptions ours;
        ours.keep_capabilities = true;
        with = run_script(script, std::move(ours)).output;
        after = std::to_string(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_ADMIN, 0, 0));
    })
        .join();
    if (!allowed) {
        MESSAGE("skipped: needs CAP_NET_ADMIN");
        return;
    }
    CHECK(without.contains("0000000000000000"));
    CHECK(with.contains("0000000000001000"));
    CHECK(after == "1");
}

TEST_CASE("a program's exit code, signal and output come back") {
    const ProgramResult good = run_script("echo out; echo err >&2");
    CHECK(good.exit_code == 0);
    CHECK(good.output == "out\nerr\n");
    CHECK(run_script("exit 3").exit_code == 3);
    const ProgramResult killed = run_script("kill -9 $$");
    CHECK(killed.exit_code == -1);
    CHECK(killed.signal == SIGKILL);
    CHECK_FALSE(killed.timed_out);
}

TEST_CASE("it reads its input, and starts in a neutral state") {
    std::string input(1 << 20, 'x');
    CHECK(run_script("wc -c", {.input = input}).output == "1048576\n");
    ::setenv("NOTIFY_SOCKET", "/run/x", 1);
    ::signal(SIGPIPE, SIG_IGN);
    const ProgramResult result =
        run_script("pwd; echo [$NOTIFY_SOCKET]; grep SigIgn /proc/self/status");
    ::unsetenv("NOTIFY_SOCKET");
    ::signal(SIGPIPE, SIG_DFL);
    CHECK(result.output == "/\n[]\nSigIgn:\t0000000000000000\n");
}

TEST_CASE("output beyond the limit is dropped without holding the program up") {
    const ProgramResult result =
        run_script("head -c 1000000 /dev/zero; echo end >&2", {.max_output = 100});
    CHECK(result.exit_code == 0);
    CHECK(result.output == std::string(100, '\0'));
}

TEST_CASE("a program that takes too long is killed with everything it started") {
    const std::string file = "/tmp/hawser-child-" + std::to_string(::getpid());
    const auto begun = std::chrono::steady_clock::now();
    const ProgramResult result = run_script("sleep 60 & echo $! > " + file + "; echo begun; wait",
                                            {.timeout = milliseconds(300)});
    CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(10));
    CHECK(result.timed_out);
    CHECK(result.signal == SIGKILL);
    CHECK(result.output == "begun\n");
    const auto text = read_file(file, 100);
    REQUIRE(text.has_value());
    const pid_t sleeper = std::atoi(text->c_str());
    LoopRunner loop;
    CHECK(loop.until([&] {
        // Killed and waiting for init to collect it counts as gone.
        const auto stat = read_file("/proc/" + std::to_string(sleeper) + "/stat", 4096);
        return !alive(sleeper) || !stat || stat->contains(") Z");
    }));
    REQUIRE(remove_file(file).has_value());
}

TEST_CASE("a background process that keeps the output open does not hold up the result") {
    const ProgramResult result =
        run_script("setsid sleep 3 & echo done", {.timeout = milliseconds(60'000)});
    CHECK_FALSE(result.timed_out);
    CHECK(result.output == "done\n");
}

TEST_CASE("what cannot be started is an error with its reason") {
    LoopRunner loop;
    const auto missing = loop.run(run_program(loop.executor(), {.arguments = {"/nonexistent/x"}}));
    REQUIRE_FALSE(missing.has_value());
    CHECK(missing.error().code == ErrorCode::not_found);
    CHECK(missing.error().message.contains("/nonexistent/x"));
    CHECK_FALSE(loop.run(run_program(loop.executor(), {})).has_value());
    CHECK_FALSE(loop.run(run_program(loop.executor(), {.arguments = {"/etc"}})).has_value());
}

TEST_CASE("a cancelled task kills its program and leaves no descriptor") {
    const auto descriptors = [] {
        const std::filesystem::directory_iterator folder("/proc/self/fd");
        return std::distance(begin(folder), end(folder));
    };
    LoopRunner loop;
    const auto before = descriptors();
    bool ended = false;
    {
        io::TaskGroup tasks(loop.executor());
        tasks.spawn(run_into(loop.executor(), {.arguments = {"sleep", "60"}}, &ended));
        CHECK_FALSE(loop.until([&] { return ended; }, milliseconds(100)));
        tasks.cancel();
        loop.run(tasks.join());
    }
    CHECK(descriptors() <= before + 3); // the loop's own epoll, timer and event descriptors
}
