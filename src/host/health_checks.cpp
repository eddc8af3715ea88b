#include "host/health_checks.h"

#include <algorithm>
#include <asio/post.hpp>
#include <cctype>
#include <optional>

#include "base/limits.h"
#include "host/child_process.h"
#include "http/h1_client.h"
#include "io/socket.h"

namespace hawser::host {

using model::Health;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// An interval of zero would spin.
constexpr milliseconds shortest_interval{100};

CheckOutcome outcome_of(Result<http::H1Answer> answer) {
    if (!answer) return {.health = Health::critical, .output = std::move(answer.error().message)};
    CheckOutcome outcome{.health = Health::critical,
                         .output = "status " + std::to_string(answer->status)};
    if (answer->status >= 200 && answer->status < 300) outcome.health = Health::passing;
    if (answer->status == 429) outcome.health = Health::warning;
    if (!answer->body.empty()) outcome.output += ": " + answer->body;
    return outcome;
}

CheckOutcome outcome_of(Result<ProgramResult> result) {
    if (!result) return {.health = Health::critical, .output = std::move(result.error().message)};
    CheckOutcome outcome{.health = Health::critical, .output = std::move(result->output)};
    if (result->timed_out)
        outcome.output.insert(0, "timed out: ");
    else if (result->exit_code == 0)
        outcome.health = Health::passing;
    else if (result->exit_code == 1)
        outcome.health = Health::warning;
    if (outcome.output.empty())
        outcome.output = result->signal != 0 ? "ended by signal " + std::to_string(result->signal)
                                             : "exit code " + std::to_string(result->exit_code);
    return outcome;
}

// What a person reads in a table: one line.
std::string first_line(std::string_view text) {
    std::string line(text.substr(0, std::min({text.find('\n'), text.size(), std::size_t{200}})));
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back()))) line.pop_back();
    return line;
}

} // namespace

std::string describe(const Check& check) {
    switch (check.kind) {
        case CheckKind::http: return "http GET " + check.http_path;
        case CheckKind::tcp: return "tcp " + check.target.to_string();
        case CheckKind::exec: return "exec " + (check.command.empty() ? "" : check.command.front());
    }
    return "check";
}

io::Task<CheckOutcome> run_check(io::Executor executor, Check check) {
    switch (check.kind) {
        case CheckKind::http: {
            http::H1Request request;
            request.endpoint = check.target;
            request.host = check.http_host.empty() ? check.target.to_string() : check.http_host;
            request.path = check.http_path;
            request.timeout = check.timeout;
            request.max_body = limits::health_output_bytes;
            auto answer = co_await http::request_h1(std::move(request));
            co_return outcome_of(std::move(answer));
        }
        case CheckKind::exec: {
            ProgramOptions program;
            program.arguments = check.command;
            program.timeout = check.timeout;
            program.max_output = limits::health_output_bytes;
            auto result = co_await run_program(executor, std::move(program));
            co_return outcome_of(std::move(result));
        }
        case CheckKind::tcp: break;
    }
    const io::ConnectOptions options{.timeout = check.timeout};
    auto socket = co_await io::connect_tcp(executor, check.target, options);
    if (!socket)
        co_return CheckOutcome{.health = Health::critical, .output = socket.error().message};
    // A FIN right after the handshake looks like a client that went away; servers log that less
    // than a reset.
    io::close(*socket);
    co_return CheckOutcome{.health = Health::passing, .output = "connected"};
}

struct HealthChecks::Entry {
    Entry(io::Executor executor, std::string name, std::vector<Check> list)
        : instance(std::move(name)), checks(std::move(list)), tasks(executor) {
        for (const Check& check : checks) states.emplace_back(check.thresholds);
    }
    std::string instance;
    std::vector<Check> checks;
    std::vector<CheckState> states;
    InstanceHealth health;
    bool told = false;
    io::TaskGroup tasks;
};

HealthChecks::HealthChecks(io::Executor executor, OnChange on_change, std::uint64_t seed)
    : executor_(executor), on_change_(std::move(on_change)), random_(seed), tasks_(executor) {}

HealthChecks::~HealthChecks() = default;

void HealthChecks::set(const std::string& instance, std::vector<Check> checks) {
    InstanceHealth known{.health = Health::critical, .reason = "not checked yet"};
    if (auto old = entries_.find(instance); old != entries_.end()) {
        if (old->second->checks == checks) return;
        known = old->second->health;
        remove(instance);
    }
    auto entry = std::make_shared<Entry>(executor_, instance, std::move(checks));
    entry->health = known;
    entries_.emplace(instance, entry);
    for (std::size_t i = 0; i < entry->checks.size(); ++i) entry->tasks.spawn(run(entry, i));
    if (entry->checks.empty())
        asio::post(executor_, [this, waiting = std::weak_ptr(entry)] { tell(waiting); });
}

void HealthChecks::remove(const std::string& instance) {
    auto found = entries_.find(instance);
    if (found == entries_.end()) return;
    found->second->tasks.cancel();
    tasks_.spawn(retire(std::move(found->second)));
    entries_.erase(found);
}

io::Task<void> HealthChecks::retire(std::shared_ptr<Entry> entry) {
    co_await entry->tasks.join();
}

io::Task<void> HealthChecks::stop() {
    while (!entries_.empty()) remove(std::string(entries_.begin()->first));
    co_await tasks_.join();
}

io::Task<void> HealthChecks::run(std::shared_ptr<Entry> entry, std::size_t position) {
    const Check& check = entry->checks[position];
    const milliseconds interval = std::max(check.interval, shortest_interval);
    // The first wait gives the check its phase.
    milliseconds pause(random_.below(static_cast<std::uint64_t>(interval.count())) + 1);
    while (!entry->tasks.cancelled()) {
        const auto begun = steady_clock::now();
        auto outcome = co_await run_check(executor_, check);
        if (entry->tasks.cancelled()) co_return;
        observed(*entry, position, std::move(outcome));
        const auto spent = std::chrono::duration_cast<milliseconds>(steady_clock::now() - begun);
        if (!co_await io::sleep(std::max(pause - spent, milliseconds(1)))) co_return;
        pause = interval;
    }
}

void HealthChecks::observed(Entry& entry, std::size_t position, CheckOutcome outcome) {
    entry.states[position].observe(std::move(outcome));
    const auto it = entries_.find(entry.instance);
    if (it != entries_.end() && it->second.get() == &entry) tell(it->second);
}

void HealthChecks::tell(const std::weak_ptr<Entry>& waiting) {
    const auto entry = waiting.lock();
    if (!entry || entry->tasks.cancelled()) return;
    if (!std::ranges::all_of(entry->states, &CheckState::observed)) return;
    std::vector<Health> states;
    for (const CheckState& state : entry->states) states.push_back(state.health());
    const Health now = worst(states);
    if (entry->told && now == entry->health.health) return;
    InstanceHealth changed{.health = now, .reason = {}};
    const auto culprit = std::ranges::find(states, now);
    if (now != Health::passing) {
        const auto position = static_cast<std::size_t>(culprit - states.begin());
        changed.reason =
            describe(entry->checks[position]) + ": " + first_line(entry->states[position].output());
    }
    const bool same = entry->health == changed;
    entry->health = std::move(changed);
    if (std::exchange(entry->told, true) && same) return;
    on_change_(entry->instance, entry->health);
}

InstanceHealth HealthChecks::health(const std::string& instance) const {
    const auto found = entries_.find(instance);
    return found == entries_.end() ? InstanceHealth{} : found->second->health;
}

std::vector<HealthChecks::CheckReport> HealthChecks::report() const {
    std::vector<CheckReport> all;
    for (const auto& [instance, entry] : entries_)
        for (std::size_t i = 0; i < entry->checks.size(); ++i)
            all.push_back({.instance = instance,
                           .check = describe(entry->checks[i]),
                           .health = entry->states[i].health(),
                           .output = entry->states[i].output()});
    return all;
}

} // namespace hawser::host
