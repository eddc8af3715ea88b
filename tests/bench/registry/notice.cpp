#include "notice.h"

#include <algorithm>
#include <optional>

#include "io/signal.h"
#include "io/socket.h"
#include "io/task_group.h"
#include "load.h"

namespace hawser::bench {

namespace {

constexpr std::size_t connecting_at_once = 16;
constexpr std::chrono::milliseconds keep_alive_interval{2'000};
constexpr std::chrono::milliseconds patience{30'000}; // for a change to reach everybody

// What the followers share. Outlives them.
struct Run {
    Run(Mesh& under_test, NoticeOptions chosen, io::Executor executor)
        : mesh(under_test),
          options(chosen),
          streams(chosen.streams),
          all_noticed(executor),
          following(executor) {}

    Mesh& mesh;
    NoticeOptions options;
    std::vector<std::unique_ptr<Mesh::Stream>> streams;
    std::uint64_t change = 0; // the current one
    Clock::time_point changed_at;
    std::size_t noticed = 0;
    io::Signal all_noticed;
    std::optional<Error> failure;
    NoticeResult result;
    io::TaskGroup following;

    void fail_with(Error error) {
        if (!failure) failure = std::move(error);
        all_noticed.notify();
    }
};

io::Task<void> follow(Run& run, Mesh::Stream& stream) {
    while (true) {
        const auto seen = co_await stream.next();
        if (!seen) co_return run.fail_with(seen.error());
        if (run.change == 0 || *seen != run.change) continue;
        const auto took =
            std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - run.changed_at);
        run.result.latencies_us.push_back(static_cast<std::uint32_t>(took.count()));
        if (++run.noticed == run.streams.size()) run.all_noticed.notify();
    }
}

io::Task<void> connect_some(Run& run, std::size_t first) {
    for (std::size_t i = first; i < run.streams.size() && !run.failure; i += connecting_at_once) {
        auto stream = co_await run.mesh.follow(i);
        if (!stream) co_return run.fail_with(std::move(stream.error()).context("following"));
        run.streams[i] = *std::move(stream);
        run.following.spawn(follow(run, *run.streams[i]));
    }
}

io::Task<void> keep_alive(Run& run) {
    while (co_await io::sleep(keep_alive_interval)) {
        for (const auto& stream : run.streams) {
            if (stream == nullptr) continue; // not connected yet
            if (auto sent = co_await stream->keep_alive(); !sent)
                co_return run.fail_with(std::move(sent.error()));
        }
    }
}

io::Task<Result<void>> change_and_wait(Run& run) {
    for (std::size_t i = 0; i <= run.options.changes; ++i) {
        if (i == 1) run.result.latencies_us.clear(); // the first change is to warm up
        run.noticed = 0;
        run.changed_at = Clock::now();
        if (auto made = co_await run.mesh.change(++run.change); !made) co_return made;
        if (run.noticed < run.streams.size() && !co_await run.all_noticed.wait_for(patience))
            co_return fail(ErrorCode::deadline_exceeded, "a change did not reach all streams");
        if (run.failure) co_return fail(*run.failure);
        (void)co_await run.all_noticed.wait_for(run.options.pause);
    }
    co_return Result<void>();
}

} // namespace

io::Task<Result<NoticeResult>> measure_notice(Mesh& mesh, NoticeOptions options) {
    const io::Executor executor = co_await asio::this_coro::executor;
    Run run(mesh, options, executor);
    if (auto prepared = co_await mesh.prepare(); !prepared) co_return fail(prepared.error());
    run.following.spawn(keep_alive(run));
    io::TaskGroup connecting(executor);
    for (std::size_t i = 0; i < connecting_at_once; ++i) connecting.spawn(connect_some(run, i));
    co_await connecting.join();
    Result<void> done;
    if (!run.failure) done = co_await change_and_wait(run);
    run.following.cancel();
    co_await run.following.join();
    if (run.failure) co_return fail(std::move(*run.failure));
    if (!done) co_return fail(done.error());
    std::ranges::sort(run.result.latencies_us);
    co_return std::move(run.result);
}

} // namespace hawser::bench
