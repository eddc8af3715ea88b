// The promise that replication stands on: the same commands give the same bytes, in one life or in
// many.
#include <format>
#include <set>

#include "base/random.h"
#include "registry/mesh.h"

namespace hawser::registry::test {

namespace {

// Commands as a lively mesh sends them, many of them wrong.
class Commands {
  public:
    explicit Commands(std::uint64_t seed) : random_(seed) {}

    model::CommandEnvelope next() {
        time_ += static_cast<WallTime>(random_.below(3'600'000));
        return {.command = command(), .actor = "test", .proposed_at = time_};
    }

  private:
    std::string pick(std::string_view prefix, std::uint64_t of) {
        return std::format("{}{}", prefix, random_.below(of));
    }
    model::Service service() {
        model::Service service = make_service(pick("s", 12));
        service.max_connections = static_cast<std::uint32_t>(random_.below(3)); // 0: invalid
        if (random_.below(2) == 0) service.protocol = model::Protocol::http;
        return service;
    }
    std::vector<std::string> services() {
        std::set<std::string> names;
        for (std::uint64_t i = random_.below(8); i > 0; --i) names.insert(pick("s", 12));
        return {names.begin(), names.end()};
    }
    model::SyncNode sync() {
        const std::string node = pick("n", 5);
        std::vector<model::Instance> instances;
        for (std::uint64_t i = random_.below(4); i > 0; --i) {
            model::Instance instance = make_instance(
                node, pick("s", 12), static_cast<std::uint16_t>(8000 + random_.below(3)));
            instance.labels = {{"version", pick("v", 3)}, {"zone", "x"}};
            instance.health = static_cast<model::Health>(random_.below(3));
            instances.push_back(std::move(instance));
        }
        return make_sync(node, std::move(instances));
    }
    model::Command command() {
        switch (random_.below(10)) {
            case 0:
            case 1: return model::ApplyResources{.services = {service()}, .policies = {}};
            case 2:
                return model::ApplyResources{
                    .services = {service(), service()},
                    .policies = {make_policy(pick("p", 6), pick("s", 12))}};
            case 3:
                return model::DeleteResource{.kind = static_cast<model::Kind>(1 + random_.below(7)),
                                             .name = pick(random_.below(2) == 0 ? "s" : "n", 12)};
            case 4: {
                model::JoinToken token = make_token(pick("", 40), pick("n", 5), services());
                token.expires_at = time_ + 1 + static_cast<WallTime>(random_.below(86'400'000));
                return model::CreateJoinToken{.token = std::move(token)};
            }
            case 5:
                return model::JoinNode{
                    .token_id = pick("", 40), .node = pick("n", 5), .now = time_};
            case 6:
            case 7: return sync();
            case 8: return model::Rollback{.index = random_.below(400)};
            default:
                return model::SetNodeAlive{.node = pick("n", 5), .alive = random_.below(2) == 0};
        }
    }

    Random random_;
    WallTime time_ = now;
};

// What is stored of a registry, by way of bytes as a disk would have them.
Registry through_disk(const Registry& registry) {
    std::vector<model::Change> rows;
    for (const model::Change& row : registry.rows()) {
        Result<model::Resource> value = model::decode(row.kind, model::encode(*row.value));
        REQUIRE(value.has_value());
        rows.push_back({.kind = row.kind,
                        .key = row.key,
                        .index = row.index,
                        .value = std::make_shared<const model::Resource>(std::move(*value))});
    }
    Result<Registry> restored = Registry::restore(std::move(rows), registry.meta());
    REQUIRE(restored.has_value());
    return std::move(*restored);
}

} // namespace

TEST_CASE("a life without restarts and one with many end in the same bytes") {
    std::size_t accepted = 0;
    std::size_t refused = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        Commands commands(seed);
        Random restarts(seed * 7919);
        Mesh steady(make_domain("240.0.0.0/24"));
        Mesh restarting(make_domain("240.0.0.0/24"));
        for (int i = 0; i < 400; ++i) {
            model::CommandEnvelope envelope = commands.next();
            // Through the log, as every command goes.
            Result<model::CommandEnvelope> logged = model::decode_command(model::encode(envelope));
            if (!logged) continue; // the codec has its own tests
            const Result<Outcome> first = steady.registry.apply(++steady.index, envelope);
            const Result<Outcome> second = restarting.registry.apply(++restarting.index, *logged);
            REQUIRE(first.has_value() == second.has_value());
            first ? ++accepted : ++refused;
            if (first) {
                REQUIRE(describe(*first) == describe(*second));
                REQUIRE(first->index == second->index);
            } else {
                REQUIRE(first.error().message == second.error().message);
            }
            if (restarts.below(10) == 0) restarting.registry = through_disk(restarting.registry);
        }
        REQUIRE(steady.fingerprint() == restarting.fingerprint());
        REQUIRE(steady.registry.rows().size() > 2);
    }
    // The runs mean something: much is done and much refused.
    CHECK(accepted > 1000);
    CHECK(refused > 1000);
}

TEST_CASE("the changes of all commands, replayed as rows, are the registry") {
    Commands commands(4711);
    Mesh mesh;
    Tables replayed;
    for (const model::Change& row : mesh.registry.rows()) replayed.carry_out(row);
    for (int i = 0; i < 1000; ++i) {
        const Result<Outcome> outcome = mesh.registry.apply(++mesh.index, commands.next());
        if (!outcome) continue;
        REQUIRE(outcome->changes.size() == outcome->verbs.size());
        for (const model::Change& change : outcome->changes) {
            CHECK(change.index == outcome->index);
            replayed.carry_out(change);
        }
    }
    const std::vector<model::Change> expected = mesh.registry.rows();
    const std::vector<model::Change> actual = replayed.all();
    REQUIRE(actual.size() == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
        CHECK(actual[i].key == expected[i].key);
        CHECK(actual[i].index == expected[i].index);
        CHECK(*actual[i].value == *expected[i].value);
    }
}

TEST_CASE("rows that contradict each other are refused") {
    Mesh mesh;
    mesh.done(
        model::ApplyResources{.services = {make_service("a"), make_service("b")}, .policies = {}});
    std::vector<model::Change> rows = mesh.registry.rows();
    std::string meta = mesh.registry.meta();
    const auto refusal = [&] {
        const Result<Registry> restored = Registry::restore(rows, meta);
        REQUIRE_FALSE(restored.has_value());
        CHECK(restored.error().code == ErrorCode::corrupt);
        return restored.error().message;
    };
    REQUIRE(Registry::restore(rows, meta).has_value());

    SUBCASE("twice the same") {
        rows.push_back(rows.back());
        CHECK(refusal().ends_with("is stored twice"));
    }
    SUBCASE("another's key") {
        rows[1].key = "z";
        CHECK(refusal().ends_with("holds another resource"));
    }
    SUBCASE("newer than the registry") {
        rows[1].index = mesh.index + 1;
        CHECK(refusal().ends_with("is newer than the registry"));
    }
    SUBCASE("deleted") {
        rows[1].value = nullptr;
        CHECK(refusal().ends_with("is stored as deleted"));
    }
    SUBCASE("one address for two") {
        auto service = std::get<model::Service>(*rows[1].value);
        service.name = "c";
        rows.push_back({.kind = model::Kind::service,
                        .key = "c",
                        .index = 1,
                        .value = std::make_shared<const model::Resource>(service)});
        CHECK(refusal().ends_with("has the address of another service"));
    }
    SUBCASE("no head") {
        meta.clear();
        CHECK(refusal().find("head") != std::string::npos);
    }
    SUBCASE("a head of another version") {
        meta[0] = 9;
        CHECK(refusal().find("head") != std::string::npos);
    }
}

TEST_CASE("an empty registry is stored as nothing or as itself") {
    CHECK(Registry::restore({}, "").has_value());
    const Registry empty;
    CHECK(empty.rows().empty());
    CHECK(Registry::restore({}, empty.meta()).has_value());
}

} // namespace hawser::registry::test
