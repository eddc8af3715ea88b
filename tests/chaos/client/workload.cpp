#include "workload.h"

#include <algorithm>
#include <format>
#include <memory>
#include <random>

#include "io/socket.h"
#include "io/task_group.h"
#include "model/codec.h"
#include "model/proto/control.pb.h"
#include "rpc/client.h"
#include "watcher.h"

namespace hawser::chaos {

namespace {

using std::chrono::milliseconds;

constexpr std::size_t calls_per_register = 150;
constexpr std::size_t unknown_per_register = 6;

std::int64_t now() {
    return std::chrono::steady_clock::now().time_since_epoch().count();
}

struct Register {
    std::string name;
    std::size_t calls = 0, unknown = 0;
};

using Watchers = std::vector<std::unique_ptr<Watcher>>;

// What the clients share. Outlives them.
struct Shared {
    Shared(WorkloadOptions chosen, History& record, const bool& stop)
        : options(std::move(chosen)), history(record), stopped(stop) {
        for (std::size_t i = 0; i < options.registers; ++i) add_register();
    }

    void add_register() {
        all.push_back(std::format("register-{}", all.size()));
        current.push_back({.name = all.back()});
    }
    void record(const Call& call) {
        history.add(call);
        if (call.operation != Operation::read && call.outcome == Outcome::ok)
            newest = std::max(newest, call.index);
        for (std::size_t i = 0; i < current.size(); ++i) {
            Register& one = current[i];
            if (one.name != call.key) continue;
            one.unknown += call.outcome == Outcome::unknown ? 1 : 0;
            if (++one.calls < calls_per_register && one.unknown < unknown_per_register) return;
            current.erase(current.begin() + static_cast<std::ptrdiff_t>(i));
            return add_register();
        }
    }

    WorkloadOptions options;
    History& history;
    const bool& stopped;
    std::vector<Register> current;
    std::vector<std::string> all; // registers that ever were
    std::int64_t last_value = 0;
    std::uint64_t newest = 0;     // index of what was acknowledged
    std::optional<Error> failure; // ends all clients
};

// The registry said that the condition does not hold. ("aborted" has another use: the entry of a
// deposed leader was replaced.)
bool says_condition_failed(const Error& error) {
    return error.code == ErrorCode::already_exists ||
           (error.code == ErrorCode::aborted && error.message.contains("index"));
}

class Client {
  public:
    Client(Shared& shared, std::size_t number)
        : shared_(shared),
          number_(number),
          server_(number % shared.options.servers.endpoints.size()),
          random_(shared.options.seed * 1000 + static_cast<std::uint32_t>(number)) {}

    io::Task<void> run() {
        while (!shared_.stopped && !shared_.failure) {
            if (!co_await perform(next_call())) co_await step_aside();
            (void)co_await io::sleep(milliseconds(below(20)));
        }
        connection_.reset();
    }

    // Every register, until each was read or the time is up.
    io::Task<void> read_all() {
        const auto deadline = std::chrono::steady_clock::now() + shared_.options.final_timeout;
        for (const std::string& name : std::vector(shared_.all)) {
            while (!co_await perform({.client = number_, .key = name})) {
                if (shared_.failure) co_return;
                if (std::chrono::steady_clock::now() > deadline) {
                    shared_.failure = Error{
                        .code = ErrorCode::deadline_exceeded,
                        .message = "reads fail after all faults ended: " + last_error_.message};
                    co_return;
                }
                co_await step_aside();
            }
        }
        connection_.reset();
    }

  private:
    std::uint32_t below(std::uint32_t limit) {
        return static_cast<std::uint32_t>(random_() % limit);
    }

    Call next_call() {
        Call call{
            .client = number_,
            .key = shared_.current[below(static_cast<std::uint32_t>(shared_.current.size()))].name};
        const std::uint32_t die = below(10);
        if (die < 4) return call;
        call.operation = die < 7 ? Operation::write : Operation::compare_and_set;
        call.value = ++shared_.last_value;
        // Of what this client saw last, which may be long ago.
        if (call.operation == Operation::compare_and_set && call.key == seen_key_)
            call.if_index = seen_index_;
        return call;
    }

    // false: it failed, and the connection with it.
    io::Task<bool> perform(Call call) {
        if (connection_ == nullptr || connection_->broken()) {
            auto connected = co_await shared_.options.servers.connect(server_);
            if (!connected) { // nothing was asked
                last_error_ = std::move(connected.error());
                co_return false;
            }
            connection_ = *std::move(connected);
        }
        call.called_at = now();
        const Result<void> answered =
            call.operation == Operation::read ? co_await read(call) : co_await write(call);
        call.returned_at = now();
        if (answered) {
            call.outcome = Outcome::ok;
            seen_key_ = call.key;
            seen_index_ = call.index;
        } else if (is_fault(answered.error())) {
            shared_.failure = answered.error().context("an answer that no fault explains");
        } else if (call.operation == Operation::compare_and_set &&
                   says_condition_failed(answered.error())) {
            call.outcome = Outcome::refused;
        } else {
            last_error_ = answered.error();
            connection_.reset();
        }
        const bool unknown = call.outcome == Outcome::unknown;
        if (!unknown || call.operation != Operation::read) shared_.record(call);
        co_return !unknown;
    }

    io::Task<Result<void>> read(Call& call) {
        v1::GetRequest request;
        request.set_kind("service");
        request.set_name(call.key);
        const auto answer = co_await connection_->call<v1::GetResponse>(
            "/hawser.v1.Api/Get", request, shared_.options.servers.timeout);
        if (!answer && answer.error().code == ErrorCode::not_found) co_return Result<void>();
        if (!answer) co_return fail(answer.error());
        if (answer->rows_size() != 1)
            co_return fail(ErrorCode::corrupt, "the answer does not have one row");
        v1::Service service;
        if (!service.ParseFromString(answer->rows(0).value()) || service.name() != call.key)
            co_return fail(ErrorCode::corrupt, "the answer is another service");
        call.found = true;
        call.value = service.idle_timeout_ms();
        call.index = answer->rows(0).index();
        co_return Result<void>();
    }

    io::Task<Result<void>> write(Call& call) {
        v1::ApplyRequest request;
        const model::Service service{.name = call.key, .idle_timeout = Duration(call.value)};
        *request.mutable_resources()->add_services() = model::to_proto(service);
        if (call.operation == Operation::compare_and_set) {
            v1::Condition& condition = *request.mutable_resources()->add_conditions();
            condition.set_kind(static_cast<std::uint32_t>(model::Kind::service));
            condition.set_name(call.key);
            condition.set_index(call.if_index);
        }
        const auto answer = co_await connection_->call<v1::ApplyResponse>(
            "/hawser.v1.Api/Apply", request, shared_.options.servers.timeout);
        if (!answer) co_return fail(answer.error());
        call.index = answer->index();
        co_return Result<void>();
    }

    io::Task<void> step_aside() {
        server_ = shared_.options.servers.next(server_, below(2) == 0);
        (void)co_await io::sleep(milliseconds(100 + below(200)));
    }

    Shared& shared_;
    std::size_t number_;
    std::size_t server_;
    std::mt19937 random_;
    std::unique_ptr<rpc::Client> connection_;
    std::string seen_key_;
    std::uint64_t seen_index_ = 0;
    Error last_error_;
};

io::Task<void> watch(Shared& shared, Watcher& watcher) {
    if (auto ended = co_await watcher.run(); !ended) shared.failure = std::move(ended.error());
}

// Until each has seen all that was acknowledged, or the time is up.
io::Task<void> wait_for_watchers(Shared& shared, const Watchers& watchers) {
    const auto deadline = std::chrono::steady_clock::now() + shared.options.final_timeout;
    for (const auto& watcher : watchers) {
        while (watcher->seen() < shared.newest && !shared.failure) {
            if (std::chrono::steady_clock::now() > deadline) {
                shared.failure =
                    Error{.code = ErrorCode::deadline_exceeded,
                          .message = std::format("a watcher saw everything up to index {} only; {} "
                                                 "was acknowledged",
                                                 watcher->seen(), shared.newest)};
            }
            (void)co_await io::sleep(milliseconds(20));
        }
    }
}

} // namespace

io::Task<Result<void>> run_workload(WorkloadOptions options, History& history,
                                    const bool& stopped) {
    const io::Executor executor = co_await asio::this_coro::executor;
    Shared shared(std::move(options), history, stopped);
    std::vector<std::unique_ptr<Client>> clients;
    for (std::size_t i = 0; i < shared.options.clients; ++i)
        clients.push_back(std::make_unique<Client>(shared, i));
    Watchers watchers;
    for (std::size_t i = 0; i < shared.options.watchers; ++i)
        watchers.push_back(
            std::make_unique<Watcher>(shared.options.servers, history, shared.options.seed, i));
    io::TaskGroup tasks(executor), watching(executor);
    for (const auto& client : clients) tasks.spawn(client->run());
    for (const auto& watcher : watchers) watching.spawn(watch(shared, *watcher));
    co_await tasks.join();
    if (!shared.failure) {
        Client last(shared, clients.size());
        co_await last.read_all();
    }
    co_await wait_for_watchers(shared, watchers);
    watching.cancel();
    co_await watching.join();
    if (shared.failure) co_return fail(std::move(*shared.failure));
    co_return Result<void>();
}

} // namespace hawser::chaos
