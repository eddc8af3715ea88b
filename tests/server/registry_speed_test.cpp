// How fast and how large a full registry is: not a check, and left out of the suite. Run with
//   test-server --no-skip --test-case='speed*'
#include <doctest/doctest.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <print>

#include "model/command.h"
#include "registry/registry.h"
#include "store/snapshot_file.h"
#include "store/state_store.h"
#include "store/temporary_directory.h"

using namespace hawser;

namespace {

constexpr int nodes = 1000;
constexpr int services = 10'000;
constexpr int instances_of_service = 10;
constexpr int instances_of_node = services * instances_of_service / nodes;

double seconds(const std::function<void()>& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double resident_mib() {
    std::ifstream file("/proc/self/statm");
    std::size_t total = 0;
    std::size_t resident = 0;
    file >> total >> resident;
    return static_cast<double>(resident) * 4096 / (1 << 20);
}

// Commands as the log has them: what is measured begins with their bytes.
class Mesh {
  public:
    void send(model::Command command) {
        const std::string bytes = model::encode({.command = std::move(command),
                                                 .actor = "node:web-1",
                                                 .proposed_at = 1'767'323'045'000,
                                                 .source = "10.0.0.9:53122"});
        const Result<model::CommandEnvelope> envelope = model::decode_command(bytes);
        REQUIRE(envelope.has_value());
        const Result<registry::Outcome> outcome = registry.apply(++index, *envelope);
        if (!outcome) FAIL(outcome.error().message);
    }
    registry::Registry registry;
    std::uint64_t index = 0;
};

model::SyncNode registration(int node, int flapping) {
    model::SyncNode sync{.node = std::format("node-{:04}", node),
                         .zone = "eu-west-1/a",
                         .tunnel = *Endpoint::parse("10.0.0.7:15008"),
                         .version = "0.1.0",
                         .instances = {}};
    for (int i = 0; i < instances_of_node; ++i) {
        model::Instance instance;
        instance.node = sync.node;
        instance.service = std::format("service-{:05}", (node * instances_of_node + i) % services);
        instance.port = static_cast<std::uint16_t>(8000 + i);
        instance.labels = {{"version", "v2"}};
        instance.health = i == flapping ? model::Health::critical : model::Health::passing;
        sync.instances.push_back(std::move(instance));
    }
    return sync;
}

void fill(Mesh& mesh) {
    model::TrustDomain domain{.vip4 = *Cidr::parse("240.0.0.0/8"),
                              .vip6 = *Cidr::parse("fd68:6177::/64"),
                              .roots = {"root"},
                              .intermediates = {}};
    mesh.send(model::InitTrust{
        .domain = domain,
        .first_operator = {.id = "0a", .secret_hash = std::string(32, 'x'), .created_at = 1}});
    for (int node = 0; node < nodes; ++node) {
        const model::SyncNode sync = registration(node, -1);
        model::JoinToken token{.id = std::format("{:016x}", node),
                               .secret_hash = std::string(32, 'x'),
                               .node = sync.node,
                               .expires_at = 1'767'323'999'000};
        for (const model::Instance& instance : sync.instances) {
            token.services.push_back(instance.service);
        }
        mesh.send(model::CreateJoinToken{.token = token});
        mesh.send(
            model::JoinNode{.token_id = token.id, .node = sync.node, .now = 1'767'323'045'000});
        mesh.send(sync);
    }
}

void measure_writes(Mesh& mesh) {
    constexpr int rounds = 3;
    const double health = seconds([&] {
        for (int round = 0; round < rounds; ++round) {
            for (int node = 0; node < nodes; ++node) mesh.send(registration(node, round));
        }
    });
    std::println("registrations of {} instances, 2 changed: {:.0f}/s", instances_of_node,
                 rounds * nodes / health);
    constexpr int applies = 20'000;
    const double policies = seconds([&] {
        for (int i = 0; i < applies; ++i) {
            model::Policy policy{.name = std::format("policy-{}", i % 1000),
                                 .service = "service-00001",
                                 .from = {std::format("caller-{}", i)}};
            mesh.send(model::ApplyResources{.services = {}, .policies = {policy}});
        }
    });
    std::println("one policy changed: {:.0f}/s", applies / policies);
}

void measure_snapshot(const Mesh& mesh, const std::string& file) {
    std::vector<model::Change> rows;
    const double copied = seconds([&] { rows = mesh.registry.rows(); });
    std::println("{} rows; the copy that a snapshot begins with: {:.1f} ms", rows.size(),
                 copied * 1000);
    store::SnapshotSource source({.trust_domain = "hawser.local", .meta = mesh.registry.meta()},
                                 std::move(rows));
    std::uint64_t offset = 0;
    double longest = 0;
    const double all = seconds([&] {
        Result<store::SnapshotFile> snapshot = store::SnapshotFile::create(file);
        REQUIRE(snapshot.has_value());
        for (bool last = false; !last;) {
            Result<store::SnapshotSource::Piece> piece;
            longest = std::max(longest, seconds([&] { piece = source.read(offset, 1 << 20); }));
            REQUIRE(snapshot->append(piece->bytes).has_value());
            offset += piece->bytes.size();
            last = piece->last;
        }
        REQUIRE(snapshot->keep().has_value());
    });
    std::println("snapshot: {:.1f} MiB in {:.0f} ms, the longest piece {:.1f} ms",
                 static_cast<double>(offset) / (1 << 20), all * 1000, longest * 1000);
}

void measure_restart(const std::string& file, const std::string& database) {
    Result<store::Snapshot> snapshot;
    std::println("reading it: {:.0f} ms",
                 seconds([&] { snapshot = store::read_snapshot(file); }) * 1000);
    REQUIRE(snapshot.has_value());
    {
        Result<store::StateStore> store = store::StateStore::open(database);
        REQUIRE(store.has_value());
        const double stored = seconds([&] {
            REQUIRE(store
                        ->replace({.applied = 1,
                                   .meta = snapshot->header.meta,
                                   .rows = std::move(snapshot->rows)})
                        .has_value());
        });
        std::println("installing it in the state store: {:.0f} ms", stored * 1000);
    }
    const double before = resident_mib();
    std::optional<registry::Registry> restored;
    const double loaded = seconds([&] {
        Result<store::StateStore> store = store::StateStore::open(database);
        Result<store::State> state = store->load();
        REQUIRE(state.has_value());
        restored = *registry::Registry::restore(std::move(state->rows), state->meta);
    });
    std::println("restart: {:.0f} ms, {:.0f} MiB more", loaded * 1000, resident_mib() - before);
}

} // namespace

TEST_CASE("speed of a full registry" * doctest::skip()) {
    const store::test::TemporaryDirectory directory;
    const double empty = resident_mib();
    {
        Mesh mesh;
        const double filled = seconds([&] { fill(mesh); });
        std::println("{} services x {} instances on {} nodes: {:.1f} s, {:.0f} MiB", services,
                     instances_of_service, nodes, filled, resident_mib() - empty);
        measure_writes(mesh);
        std::println("after them, with their history: {:.0f} MiB", resident_mib() - empty);
        measure_snapshot(mesh, directory.file("snapshot"));
    }
    measure_restart(directory.file("snapshot"), directory.file("state.db"));
}
