// Propose, persist, apply, over a real disk.
#include "server/raft_node.h"

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <format>

#include "io/task_group.h"
#include "raft/bootstrap.h"
#include "server/cluster_fixture.h"
#include "server/loop_runner.h"
#include "store/temporary_directory.h"

namespace hawser::server::test {

namespace {

using store::test::TemporaryDirectory;

constexpr raft::ServerId self = 42;

RestoredServer restore(const std::string& path, raft::Options options = {}) {
    Result<Storage> storage = open_storage(path);
    if (!storage) FAIL(storage.error().message);
    if (storage->log.id() == raft::no_server) {
        REQUIRE(storage->log.bootstrap(self, raft::bootstrap({self})).has_value());
    }
    Result<RestoredServer> restored = restore_server(std::move(*storage), options);
    if (!restored) FAIL(restored.error().message);
    return std::move(*restored);
}

// A started node over a directory. Dropping it is a crash: nothing is flushed.
struct Node {
    LoopRunner& runner;
    RaftNode raft;

    Node(LoopRunner& on, const std::string& path, RaftOptions options = {},
         raft::Options core_options = {})
        : runner(on), raft(on.executor(), restore(path, core_options), options) {
        const Result<void> started = runner.run(raft.start(patience));
        if (!started) FAIL(started.error().message);
    }
    Result<registry::Outcome> propose(model::Command command) {
        return runner.run(raft.propose(envelope(std::move(command))));
    }
    std::size_t count(model::Kind kind) { return raft.registry().tables().rows(kind).size(); }
};

io::Task<void> propose_into(RaftNode& raft, std::string name, std::vector<std::uint64_t>& indexes) {
    const Result<registry::Outcome> outcome = co_await raft.propose(envelope(services({name})));
    if (outcome) indexes.push_back(outcome->index);
}

io::Task<void> propose_for_outcome(RaftNode& raft, std::string name,
                                   std::vector<Result<registry::Outcome>>& outcomes) {
    outcomes.push_back(co_await raft.propose(envelope(services({std::move(name)}))));
}

} // namespace

TEST_CASE("a node elects itself and carries out what is proposed") {
    const TemporaryDirectory directory;
    LoopRunner runner;
    Node node(runner, directory.file("data"));
    CHECK(node.raft.status().role == raft::Role::leader);
    const Result<registry::Outcome> first = node.propose(init_trust());
    REQUIRE(first.has_value());
    const Result<registry::Outcome> second = node.propose(services({"api"}));
    REQUIRE(second.has_value());
    CHECK(second->index == first->index + 1);
    CHECK(describe(*second) == std::vector<std::string>{"service/api created"});
    CHECK(node.raft.registry().index() == second->index);
}

TEST_CASE("a refusal that can be foreseen, and a write of nothing, cost no entry") {
    const TemporaryDirectory directory;
    LoopRunner runner;
    Node node(runner, directory.file("data"));
    REQUIRE(node.propose(init_trust()).has_value());
    const Result<registry::Outcome> written = node.propose(services({"api"}));
    const raft::Index last = node.raft.status().last_index;
    CHECK(node.propose(init_trust()).error().code == ErrorCode::already_exists);
    const Result<registry::Outcome> again = node.propose(services({"api"}));
    REQUIRE(again.has_value());
    CHECK(again->index == written->index);
    CHECK(node.raft.status().last_index == last);
}

TEST_CASE("proposals that come together are all carried out, each with its own index") {
    const TemporaryDirectory directory;
    LoopRunner runner;
    Node node(runner, directory.file("data"));
    REQUIRE(node.propose(init_trust()).has_value());
    io::TaskGroup tasks(runner.executor());
    std::vector<std::uint64_t> indexes;
    for (int i = 0; i < 500; ++i) {
        tasks.spawn(propose_into(node.raft, "s" + std::to_string(i), indexes));
    }
    runner.run(tasks.join());
    REQUIRE(indexes.size() == 500);
    CHECK(std::ranges::is_sorted(indexes));
    CHECK(std::ranges::adjacent_find(indexes) == indexes.end());
    CHECK(node.count(model::Kind::service) == 500);
}

TEST_CASE("more proposals than may wait are refused at once") {
    const TemporaryDirectory directory;
    LoopRunner runner;
    Node node(runner, directory.file("data"), {.proposals_in_flight = 3});
    REQUIRE(node.propose(init_trust()).has_value());
    io::TaskGroup tasks(runner.executor());
    std::vector<std::uint64_t> indexes;
    for (int i = 0; i < 10; ++i) {
        tasks.spawn(propose_into(node.raft, "s" + std::to_string(i), indexes));
    }
    runner.run(tasks.join());
    CHECK(indexes.size() == 3);
    CHECK(node.propose(services({"later"})).has_value());
}

TEST_CASE("a crash keeps everything that was confirmed, with or without stored rows") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("data");
    LoopRunner runner;
    std::uint64_t index = 0;
    for (int life = 0; life < 5; ++life) {
        Node node(runner, path);
        if (life == 0) REQUIRE(node.propose(init_trust()).has_value());
        CHECK(node.raft.registry().index() >= index);
        CHECK(node.count(model::Kind::service) == static_cast<std::size_t>(life) * 2);
        const Result<registry::Outcome> outcome =
            node.propose(services({"a" + std::to_string(life), "b" + std::to_string(life)}));
        REQUIRE(outcome.has_value());
        index = outcome->index;
        if (life % 2 == 0) runner.run(node.raft.stop(patience));
    }
}

TEST_CASE("stopping stores the rows and refuses what comes after") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("data");
    LoopRunner runner;
    raft::Index applied = 0;
    {
        Node node(runner, path);
        REQUIRE(node.propose(init_trust()).has_value());
        runner.run(node.raft.stop(patience));
        applied = node.raft.status().applied_index;
        CHECK(node.propose(services({"api"})).error().code == ErrorCode::unavailable);
    }
    const RestoredServer restored = restore(path);
    CHECK(restored.applied.position.index == applied);
    CHECK(restored.registry.tables().trust() != nullptr);
}

TEST_CASE("the log is cut, and what was cut lives on in the rows") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("data");
    LoopRunner runner;
    {
        Node node(runner, path, {}, {.trailing_entries = 20});
        REQUIRE(node.propose(init_trust()).has_value());
        for (int i = 0; i < 100; ++i) {
            REQUIRE(node.propose(services({"s" + std::to_string(i)})).has_value());
        }
        runner.until([&] { return node.raft.status().first_index > 40; });
        const RaftStatus status = node.raft.status();
        CHECK(status.last_index - status.first_index <= 60);
    }
    Node node(runner, path);
    CHECK(node.count(model::Kind::service) == 100);
    CHECK(node.propose(services({"more"})).has_value());
}

TEST_CASE("a log of few large entries is cut as well") {
    const TemporaryDirectory directory;
    LoopRunner runner;
    Node node(runner, directory.file("data"), {}, {.trailing_bytes = 10'000});
    REQUIRE(node.propose(init_trust()).has_value());
    for (int i = 0; i < 20; ++i) {
        std::vector<std::string> names;
        for (int j = 0; j < 100; ++j) names.push_back(std::format("s{}-{}-{:040}", i, j, 0));
        REQUIRE(node.propose(services(names)).has_value());
    }
    runner.until([&] { return node.raft.status().first_index > 15; });
    CHECK(node.raft.status().last_index < 100); // which is far from many
}

TEST_CASE("writes that wait are bounded in bytes") {
    const TemporaryDirectory directory;
    LoopRunner runner;
    Node node(runner, directory.file("data"), {.queued_bytes = 500});
    REQUIRE(node.propose(init_trust()).has_value());
    io::TaskGroup tasks(runner.executor());
    std::vector<Result<registry::Outcome>> outcomes;
    for (int i = 0; i < 50; ++i)
        tasks.spawn(propose_for_outcome(node.raft, std::format("s{}", i), outcomes));
    runner.run(tasks.join());
    REQUIRE(outcomes.size() == 50);
    std::size_t written = 0;
    for (const Result<registry::Outcome>& outcome : outcomes) {
        if (outcome)
            ++written;
        else
            CHECK(outcome.error().code == ErrorCode::resource_exhausted);
    }
    CHECK(written >= 1);
    CHECK(written < 50);
    CHECK(node.count(model::Kind::service) == written);
    CHECK(node.propose(services({"later"})).has_value()); // nothing waits any more
}

TEST_CASE("a command that is too large is refused, and says what to do") {
    const TemporaryDirectory directory;
    LoopRunner runner;
    Node node(runner, directory.file("data"));
    REQUIRE(node.propose(init_trust()).has_value());
    model::ApplyResources apply;
    for (int i = 0; i < 400; ++i) {
        model::Policy& policy = apply.policies.emplace_back();
        policy.name = std::format("p{}", i);
        policy.service = "api";
        for (int j = 0; j < 256; ++j) policy.from.push_back(std::format("s{:03}{:058}", j, i));
    }
    apply.services.emplace_back().name = "api";
    const Error refused = node.propose(apply).error();
    CHECK(refused.code == ErrorCode::invalid);
    CHECK(refused.message.find("the most is 4194304; split it into several") != std::string::npos);
}

TEST_CASE("changes are told before the proposer goes on, with their index") {
    const TemporaryDirectory directory;
    LoopRunner runner;
    Node node(runner, directory.file("data"));
    std::vector<std::string> told;
    node.raft.on_applied([&](std::uint64_t index, const std::vector<model::Change>& changes) {
        for (const model::Change& change : changes) {
            if (change.kind == model::Kind::history) continue;
            told.push_back(change.key + "@" + std::to_string(index));
        }
    });
    REQUIRE(node.propose(init_trust()).has_value());
    const Result<registry::Outcome> outcome = node.propose(services({"api"}));
    REQUIRE(told.size() == 3);
    CHECK(told[2] == "api@" + std::to_string(outcome->index));
}

TEST_CASE("a disk without room refuses writes, says so, and recovers by itself") {
    const TemporaryDirectory directory;
    LoopRunner runner;
    Node node(runner, directory.file("data"), {.retry_interval = std::chrono::milliseconds(20)});
    REQUIRE(node.propose(init_trust()).has_value());

    // No file may grow beyond what it has: the kernel says so as a full disk would.
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit none{.rlim_cur = 1, .rlim_max = before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &none) == 0);
    io::TaskGroup tasks(runner.executor());
    std::vector<std::uint64_t> indexes;
    tasks.spawn(propose_into(node.raft, "during", indexes));
    runner.until([&] { return !node.raft.status().trouble.empty(); });
    const Result<registry::Outcome> refused = node.propose(services({"refused"}));
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
    std::signal(SIGXFSZ, ignored);

    CHECK(refused.error().code == ErrorCode::resource_exhausted);
    CHECK(refused.error().message.find("File too large") != std::string::npos);
    CHECK(node.count(model::Kind::trust_domain) == 1); // reads go on
    runner.run(tasks.join());
    CHECK(indexes.size() == 1); // the one that was under way is written after all
    runner.until([&] { return node.raft.status().trouble.empty(); });
    CHECK(node.propose(services({"after"})).has_value());
    CHECK_FALSE(node.raft.failure().has_value());
}

TEST_CASE("an entry that cannot be applied stops the server rather than being passed over") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("data");
    LoopRunner runner;
    {
        Node node(runner, path);
        REQUIRE(node.propose(init_trust()).has_value());
        runner.run(node.raft.stop(patience));
    }
    {
        Result<Storage> storage = open_storage(path);
        REQUIRE(storage.has_value());
        const raft::Restored log = *storage->log.load();
        const raft::Persist write{
            .sequence = 1,
            .hard_state = log.hard_state,
            .entries = {{.index = log.entries.back().index + 1,
                         .term = log.hard_state.term,
                         .kind = raft::EntryKind::command,
                         .data = raft::make_payload("a command of a later version")}}};
        REQUIRE(storage->log.persist(std::vector{write}).has_value());
    }
    RaftNode raft(runner.executor(), restore(path));
    const Result<void> started = runner.run(raft.start(patience));
    REQUIRE_FALSE(started.has_value());
    CHECK(started.error().message.find("cannot be applied") != std::string::npos);
    CHECK(runner.run(raft.propose(envelope(services({"api"})))).error().code ==
          ErrorCode::unavailable);
}

TEST_CASE("a directory has one server") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("data");
    LoopRunner runner;
    Node node(runner, path);
    const Result<Storage> second = open_storage(path);
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().message.find("another server (pid ") != std::string::npos);
}

} // namespace hawser::server::test
