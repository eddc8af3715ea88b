#include "load.h"

#include <algorithm>
#include <memory>
#include <random>

#include "io/socket.h"
#include "io/task_group.h"

namespace hawser::bench {

namespace {

constexpr std::size_t connecting_at_once = 128; // handshakes
constexpr std::size_t filling_at_once = 64;
constexpr std::chrono::milliseconds connect_timeout{2000};
constexpr std::chrono::milliseconds pause_after_failure{10};

// What the clients share. Outlives them.
struct Run {
    Run(const System& under_load, LoadOptions chosen)
        : system(under_load), options(std::move(chosen)) {}

    const System& system;
    LoadOptions options;
    Clock::time_point begins, ends; // of what is measured
    std::uint64_t serial = static_cast<std::uint64_t>(Clock::now().time_since_epoch().count());
    Clock::time_point last_success;
    std::optional<Error> setup_failure;
    LoadResult result;

    void succeeded(Clock::time_point asked, Clock::time_point answered) {
        if (answered - last_success > result.longest_gap) {
            result.longest_gap = answered - last_success;
            result.gap_began = last_success;
        }
        last_success = answered;
        if (asked < begins || answered > ends) return;
        const auto took = std::chrono::duration_cast<std::chrono::microseconds>(answered - asked);
        result.latencies_us.push_back(static_cast<std::uint32_t>(took.count()));
    }
    void failed(const Error& error) {
        ++result.failed;
        if (result.first_failure.empty()) result.first_failure = error.message;
    }
};

class LoadClient {
  public:
    LoadClient(Run& run, std::size_t number)
        : run_(run),
          endpoint_(number % run.options.endpoints.size()),
          choice_(static_cast<std::minstd_rand::result_type>(number + 1)) {}

    // Also makes the first call: a server may close connections that say nothing.
    io::Task<Result<void>> prepare(std::size_t number) {
        Result<void> connected = co_await connect();
        if (!connected) co_return connected;
        const Call call = run_.system.write(number % run_.options.keys, ++run_.serial);
        const auto answer = co_await client_->call(call.path, call.request, run_.options.timeout);
        if (!answer) co_return fail(answer.error(), "the first write");
        co_return Result<void>();
    }

    io::Task<void> run() {
        while (Clock::now() < run_.ends) {
            if (client_ == nullptr || client_->broken()) {
                if (const auto connected = co_await connect(); !connected) {
                    co_await give_up(connected.error());
                    continue;
                }
            }
            const Call call = next_call();
            const Clock::time_point asked = Clock::now();
            const auto answer =
                co_await client_->call(call.path, call.request, run_.options.timeout);
            if (answer) {
                run_.succeeded(asked, Clock::now());
            } else {
                co_await give_up(answer.error());
            }
        }
        client_.reset();
    }

  private:
    io::Task<Result<void>> connect() {
        auto client =
            co_await run_.system.connect(run_.options.endpoints[endpoint_], connect_timeout);
        if (!client) co_return fail(std::move(client.error()));
        client_ = *std::move(client);
        co_return Result<void>();
    }

    // On to the next endpoint.
    io::Task<void> give_up(Error error) {
        run_.failed(error);
        client_.reset();
        endpoint_ = (endpoint_ + 1) % run_.options.endpoints.size();
        (void)co_await io::sleep(pause_after_failure);
    }

    Call next_call() {
        const std::size_t key = choice_() % run_.options.keys;
        return run_.options.operation == Operation::read ? run_.system.read(key)
                                                         : run_.system.write(key, ++run_.serial);
    }

    Run& run_;
    std::size_t endpoint_;
    std::minstd_rand choice_;
    std::unique_ptr<rpc::Client> client_;
};

using Clients = std::vector<std::unique_ptr<LoadClient>>;

io::Task<void> prepare_some(Run& run, Clients& clients, std::size_t first) {
    for (std::size_t i = first; i < clients.size() && !run.setup_failure; i += connecting_at_once) {
        if (auto ready = co_await clients[i]->prepare(i); !ready) run.setup_failure = ready.error();
    }
}

io::Task<void> fill_some(Run& run, rpc::Client& client, std::size_t first) {
    for (std::size_t key = first; key < run.options.keys && !run.setup_failure;
         key += filling_at_once) {
        const Call call = run.system.write(key, ++run.serial);
        const auto answer = co_await client.call(call.path, call.request);
        if (!answer) run.setup_failure = answer.error().context("writing a key");
    }
}

io::Task<Result<void>> fill(Run& run) {
    auto client = co_await run.system.connect(run.options.endpoints.front(), connect_timeout);
    if (!client) co_return fail(std::move(client.error()));
    io::TaskGroup filling(co_await asio::this_coro::executor);
    for (std::size_t i = 0; i < filling_at_once; ++i) filling.spawn(fill_some(run, **client, i));
    co_await filling.join();
    co_return Result<void>();
}

} // namespace

double LoadResult::per_second() const {
    return seconds > 0 ? static_cast<double>(completed) / seconds : 0;
}

std::uint32_t percentile(const std::vector<std::uint32_t>& sorted, double percent) {
    if (sorted.empty()) return 0;
    const auto rank = static_cast<std::size_t>(percent / 100 * static_cast<double>(sorted.size()));
    return sorted[std::min(rank, sorted.size() - 1)];
}

io::Task<Result<LoadResult>> run_load(const System& system, LoadOptions options) {
    const io::Executor executor = co_await asio::this_coro::executor;
    Run run(system, std::move(options));
    Clients clients;
    for (std::size_t i = 0; i < run.options.clients; ++i)
        clients.push_back(std::make_unique<LoadClient>(run, i));

    if (run.options.fill) {
        if (auto filled = co_await fill(run); !filled) co_return fail(std::move(filled.error()));
    }
    io::TaskGroup preparing(executor);
    for (std::size_t i = 0; i < connecting_at_once; ++i)
        preparing.spawn(prepare_some(run, clients, i));
    co_await preparing.join();
    if (run.setup_failure) co_return fail(std::move(*run.setup_failure));

    run.last_success = Clock::now();
    run.begins = run.last_success + run.options.warmup;
    run.ends = run.begins + run.options.duration;
    io::TaskGroup running(executor);
    for (const auto& client : clients) running.spawn(client->run());
    co_await running.join();

    LoadResult& result = run.result;
    result.completed = result.latencies_us.size();
    result.seconds = std::chrono::duration<double>(run.options.duration).count();
    std::ranges::sort(result.latencies_us);
    co_return std::move(result);
}

} // namespace hawser::bench
