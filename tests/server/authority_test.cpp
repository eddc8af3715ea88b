// The authority over time, in a whole server: it moves into the registry, and changes its root.
#include <algorithm>
#include <filesystem>

#include "base/bytes.h"
#include "model/proto/authority.pb.h"
#include "server/authority_keeper.h"
#include "server/mesh_fixture.h"
#include "server/secret_files.h"
#include "server/storage.h"

namespace hawser::server::test {

namespace {

Result<v1::RotateAuthorityResponse> rotate(MeshFixture& mesh, bool abort = false,
                                           std::vector<std::string> without = {}) {
    v1::RotateAuthorityRequest request;
    request.set_abort(abort);
    for (std::string& name : without) request.add_without(std::move(name));
    return mesh.call<v1::RotateAuthorityResponse>("RotateAuthority", std::move(request));
}

v1::AuthorityStatusResponse status(MeshFixture& mesh) {
    const auto response =
        mesh.call<v1::AuthorityStatusResponse>("AuthorityStatus", v1::AuthorityStatusRequest());
    if (!response) FAIL(response.error().message);
    return *response;
}

const model::Authority& authority(MeshFixture& mesh) {
    const model::Authority* found = mesh.server->registry().tables().authority();
    REQUIRE(found != nullptr);
    return *found;
}

bool in_phase(MeshFixture& mesh, model::RotationPhase phase) {
    const model::Authority* found = mesh.server->registry().tables().authority();
    return found != nullptr && found->phase == phase;
}

void until_phase(MeshFixture& mesh, model::RotationPhase phase) {
    mesh.runner.until([&] { return in_phase(mesh, phase); });
}

// The agent has what the registry has, and uses it.
void enforce_all(MeshFixture& mesh, TestAgent& agent) {
    const std::uint64_t index = mesh.server->registry().index();
    REQUIRE(agent.follow_to(index));
    agent.enforce(index);
}

} // namespace

TEST_CASE("the keys of an older mesh move from files into the registry") {
    MeshFixture mesh;
    const std::string data_dir = mesh.config.data_dir;
    const std::vector<std::string> roots = mesh.server->trust_domain().roots;
    mesh.stop_server();
    {
        Result<Storage> storage = open_storage(data_dir);
        REQUIRE(storage.has_value());
        Result<store::State> state = storage->state.load();
        REQUIRE(state.has_value());
        const auto row =
            std::ranges::find(state->rows, model::Kind::authority, &model::Change::kind);
        REQUIRE(row != state->rows.end());
        const ca::SealingKey key = read_sealing_key(sealing_key_place(mesh.config)).value();
        const ca::OpenSigner signer =
            ca::open(std::get<model::Authority>(*row->value).active, key).value();
        REQUIRE(store_authority(data_dir, {.root_der = signer.root,
                                           .root_key_pem = signer.root_key.text(),
                                           .intermediate_der = signer.chain.front(),
                                           .intermediate_key_pem = signer.key.text()}));
        state->rows.erase(row);
        REQUIRE(storage->state.replace(*state).has_value());
        std::filesystem::remove(data_dir + "/ca/sealing.key");
    }
    mesh.start_server();
    mesh.runner.until([&] { return mesh.server->registry().tables().authority() != nullptr; });
    CHECK(mesh.server->trust_domain().roots == roots);
    CHECK_FALSE(authority(mesh).active.root_key.empty());
    mesh.runner.until([&] { return !std::filesystem::exists(data_dir + "/ca/intermediate.key"); });
    CHECK_FALSE(std::filesystem::exists(data_dir + "/ca/root.key"));
    CHECK(store::test::mode_of(data_dir + "/ca/sealing.key") == 0600);
    (void)mesh.must_join("web-1", {"web"});
    mesh.restart_server();
    (void)mesh.must_join("web-2", {"web"});
}

TEST_CASE("a root is followed by another once every agent trusts both") {
    MeshFixture mesh;
    const Host host = mesh.must_join("web-1", {"web"});
    TestAgent agent(mesh, host);
    agent.register_instances({});
    REQUIRE(agent.read_until([&] { return agent.registered.has_value(); }));
    enforce_all(mesh, agent);
    const std::string first = authority(mesh).active.root;

    const auto begun = rotate(mesh);
    if (!begun) FAIL(begun.error().message);
    CHECK(begun->phase() == "publishing");
    CHECK(mesh.server->trust_domain().roots.size() == 2);
    CHECK(mesh.server->trust_domain().roots.front() == first); // still signs
    const v1::AuthorityStatusResponse waiting = status(mesh);
    REQUIRE(waiting.missing_size() == 1);
    CHECK(waiting.missing(0) == "node 'web-1'");
    CHECK(waiting.waits_for() == "not known yet to trust the next root: node 'web-1'");
    CHECK(rotate(mesh).error().message.contains("the root changes already"));
    CHECK(rotate(mesh, false, {"web-9"}).error().message == "'web-9' is not waited for");

    SUBCASE("as soon as it does") {
        enforce_all(mesh, agent);
        until_phase(mesh, model::RotationPhase::retiring);
        CHECK(authority(mesh).active.root != first);
        CHECK(authority(mesh).other->root == first);
        SUBCASE("and back again") { // to what hosts that missed all of it trust
            REQUIRE(rotate(mesh, true).has_value());
            CHECK(authority(mesh).active.root == first);
            CHECK(authority(mesh).phase == model::RotationPhase::retiring);
            CHECK(mesh.renew(host).has_value());
        }
    }
    SUBCASE("or it is given up") {
        REQUIRE(rotate(mesh, true).has_value());
        CHECK(mesh.server->trust_domain().roots == std::vector{first});
        CHECK(in_phase(mesh, model::RotationPhase::none));
        CHECK(rotate(mesh, true).error().message.contains("nothing to abort"));
    }
    SUBCASE("or an operator says that it goes on without the agent") {
        REQUIRE(rotate(mesh, false, {"web-1"}).has_value());
        CHECK(in_phase(mesh, model::RotationPhase::retiring));
    }
    SUBCASE("a new leader goes on where the last one was") {
        agent.vanish();
        mesh.restart_server();
        CHECK(in_phase(mesh, model::RotationPhase::publishing));
        TestAgent again(mesh, host, 0);
        again.register_instances({});
        REQUIRE(again.read_until([&] { return again.registered.has_value(); }));
        enforce_all(mesh, again);
        until_phase(mesh, model::RotationPhase::retiring);
    }
}

TEST_CASE("the last root goes once nothing that it signed is valid, and not before") {
    MeshFixture mesh;
    mesh.config.certificate_lifetime = std::chrono::seconds(4);
    mesh.restart_server();
    const std::string first = authority(mesh).active.root;
    REQUIRE(rotate(mesh).has_value());
    until_phase(mesh, model::RotationPhase::retiring); // there is no agent to wait for
    const WallTime since = authority(mesh).phase_since;
    CHECK(authority(mesh).other_needed_until == since + 4'000);
    mesh.restart_server();
    until_phase(mesh, model::RotationPhase::none);
    CHECK(authority(mesh).phase_since >= since + 4'000);
    REQUIRE(mesh.server->trust_domain().roots.size() == 1);
    CHECK(mesh.server->trust_domain().roots.front() != first);
    (void)mesh.must_join("web-1", {});
}

TEST_CASE("an intermediate is followed by another at half of its life") {
    MeshFixture mesh;
    mesh.stop_server();
    std::filesystem::remove_all(mesh.config.data_dir);
    mesh.config.ca.intermediate_lifetime = std::chrono::seconds(6);
    const Result<InitResult> made = init(mesh.config);
    if (!made) FAIL(made.error().message);
    mesh.init_result = *made;
    mesh.start_server();
    const model::Signer first = authority(mesh).active;
    mesh.runner.until([&] { return authority(mesh).active.chain != first.chain; });
    CHECK(authority(mesh).active.root == first.root);
    CHECK(in_phase(mesh, model::RotationPhase::none));
    (void)mesh.must_join("web-1", {});
}

} // namespace hawser::server::test
