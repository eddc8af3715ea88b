// The demo's programs: started with posix_spawn, optionally inside a network namespace and as
// another user, never left behind. Main thread only: a child dies with the thread that made it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace hawser::cmd::demo {

// While one exists, SIGINT, SIGTERM and SIGHUP only set a flag, which every wait here looks at.
class Interruption {
  public:
    Interruption();
    ~Interruption();
    Interruption(const Interruption&) = delete;
    Interruption& operator=(const Interruption&) = delete;
    [[nodiscard]] static int signal_number(); // 0: none came
    static void begin_cleanup();              // from here on, nothing interrupts
};

// Looks until `holds` is true; fails when time is up or the user interrupts.
[[nodiscard]] Result<void> wait_until(const std::function<bool()>& holds,
                                      std::chrono::milliseconds timeout, const std::string& what);

struct Place {
    std::string network_namespace;    // empty: ours
    std::optional<std::uint32_t> uid; // empty: ours
};

struct Output {
    int exit_code = 0; // 128 + signal when killed
    std::string text;  // stdout and stderr
};

// The full path of a program, also in the sbin folders that a user's PATH leaves out.
[[nodiscard]] std::optional<std::string> find_program(const std::string& name);

class Processes {
  public:
    // `directory` takes logs and the list of processes, by which a later demo finds the leftovers
    // of a killed one. `outlive` is for --keep: children stay when we end.
    Processes(std::string directory, bool outlive);
    ~Processes();
    Processes(const Processes&) = delete;
    Processes& operator=(const Processes&) = delete;

    // Starts a program that stays; its output goes to DIRECTORY/NAME.log.
    Result<pid_t> start(const Place& place, const std::vector<std::string>& arguments,
                        const std::string& name);
    // Runs a program to its end.
    Result<Output> run(const Place& place, const std::vector<std::string>& arguments,
                       std::chrono::milliseconds timeout = std::chrono::seconds(20));
    // Our own binary, e.g. {"status", "--json"}.
    Result<Output> hawser(const Place& place, std::vector<std::string> arguments,
                          std::chrono::milliseconds timeout = std::chrono::seconds(20));
    [[nodiscard]] const std::string& binary() const { return binary_; }

    [[nodiscard]] bool running(pid_t pid);
    // Sends the signal and waits for the end; SIGKILL when it takes too long. The exit code.
    Result<int> stop(pid_t pid, int signal_number, std::chrono::milliseconds timeout);
    void stop_all();
    void forget_all() { children_.clear(); } // they stay
    [[nodiscard]] std::string log_tail(const std::string& name) const;

  private:
    struct Child {
        pid_t pid = 0;
        bool ended = false;
        int exit_code = 0;
    };
    Result<pid_t> spawn(const Place& place, const std::vector<std::string>& arguments, int output,
                        bool outlive);
    bool reap(Child& child);
    void remember(pid_t pid) const;

    std::string directory_;
    std::string binary_;
    std::string ip_;
    bool outlive_;
    std::vector<Child> children_;
};

// Kills what the list in `directory` names and is still the same process.
void kill_listed_processes(const std::string& directory);

} // namespace hawser::cmd::demo
