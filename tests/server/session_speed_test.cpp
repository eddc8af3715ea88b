// How fast a change reaches many agents: not a check, and left out of the suite. Run with
//   test-server --no-skip --test-case='speed*'
#include <algorithm>
#include <chrono>
#include <format>
#include <print>

#include "server/mesh_fixture.h"

namespace hawser::server::test {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int agents = 1000;
constexpr int changes = 50;
constexpr std::chrono::milliseconds patience_of_agents{600'000};

// An agent's session over a connection of its own, on the same thread as the server and all others:
// what is measured is the work of both sides of all of them.
struct Follower {
    std::unique_ptr<rpc::Client> client;
    std::unique_ptr<rpc::MessageStream> stream;
    std::uint64_t index = 0;
    Clock::time_point at; // when the index came
};

io::Task<void> follow(Follower& follower) {
    v1::AgentMessage hello;
    hello.mutable_hello()->set_version("test");
    if (!co_await follower.stream->write(hello.SerializeAsString(), patience_of_agents)) co_return;
    while (true) {
        const auto bytes = co_await follower.stream->read(patience_of_agents);
        if (!bytes || !*bytes) co_return;
        v1::ServerMessage message;
        if (!message.ParseFromString(**bytes) || !message.changes().complete()) continue;
        follower.index = message.changes().index();
        follower.at = Clock::now();
    }
}

void connect_all(MeshFixture& mesh, std::vector<Follower>& followers, io::TaskGroup& tasks) {
    for (std::size_t at = 0; at < followers.size(); ++at) {
        const Host host = mesh.must_join(std::format("node-{:04}", at), {"web"});
        followers[at].client = mesh.connect(host);
        auto stream = mesh.runner.run(followers[at].client->open_stream("/hawser.v1.Mesh/Session"));
        REQUIRE(stream.has_value());
        followers[at].stream = std::move(*stream);
        tasks.spawn(follow(followers[at]));
    }
}

void reach(MeshFixture& mesh, const std::vector<Follower>& followers, std::uint64_t index) {
    mesh.runner.until([&] {
        return std::ranges::all_of(followers,
                                   [index](const Follower& each) { return each.index >= index; });
    });
}

} // namespace

TEST_CASE("speed of one change to many agents" * doctest::skip()) {
    MeshFixture mesh(patience_of_agents); // they say nothing
    std::vector<Follower> followers(agents);
    io::TaskGroup tasks(mesh.runner.executor());
    const auto begin = Clock::now();
    connect_all(mesh, followers, tasks);
    std::println("{} agents joined and connected: {:.1f} s", agents,
                 std::chrono::duration<double>(Clock::now() - begin).count());
    std::vector<double> milliseconds;
    for (int change = 0; change < changes; ++change) {
        model::Policy policy = make_policy("p", "api");
        policy.from = {std::format("c{}", change)};
        const auto from = Clock::now();
        const auto applied = mesh.apply({}, {policy});
        REQUIRE(applied.has_value());
        reach(mesh, followers, applied->index());
        for (const Follower& follower : followers) {
            milliseconds.push_back(
                std::chrono::duration<double, std::milli>(follower.at - from).count());
        }
    }
    std::ranges::sort(milliseconds);
    std::println("from apply to {} agents: median {:.0f} ms, p99 {:.0f} ms, worst {:.0f} ms",
                 agents, milliseconds[milliseconds.size() / 2],
                 milliseconds[milliseconds.size() * 99 / 100], milliseconds.back());
    tasks.cancel();
    mesh.runner.run(tasks.join());
}

} // namespace hawser::server::test
