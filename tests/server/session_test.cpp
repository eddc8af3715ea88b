// Agents' sessions: what they are sent, what they report, and when they are dead.
#include <format>

#include "server/mesh_fixture.h"

namespace hawser::server::test {

namespace {

const model::Node* node_row(MeshFixture& mesh, const std::string& name) {
    return mesh.server->registry().tables().get<model::Node>(name);
}

v1::WaitEnforcedRequest wait_for(std::uint64_t index, int timeout_ms) {
    v1::WaitEnforcedRequest request;
    request.set_index(index);
    request.set_timeout_ms(timeout_ms);
    return request;
}

// The rows that agents see.
std::vector<std::string> lines(const std::vector<model::Change>& rows) {
    std::vector<std::string> lines;
    for (const model::Change& row : rows) {
        if (!model::visible_to_agents(row.kind)) continue;
        lines.push_back(std::format("{}/{}@{}", model::to_string(row.kind), row.key, row.index));
    }
    return lines;
}

} // namespace

TEST_CASE("an agent gets the mesh, registers, and is told its own registration") {
    MeshFixture mesh;
    REQUIRE(mesh.apply({make_service("api")}, {make_policy("p", "api")}).has_value());
    const Host host = mesh.must_join("web-1", {"web"});
    TestAgent agent(mesh, host);
    REQUIRE(agent.follow_to(mesh.server->registry().index()));
    CHECK(agent.resets == 1);
    model::SnapshotPtr snapshot = agent.mesh_state.build();
    CHECK(snapshot->trust().name == "hawser.local");
    REQUIRE(snapshot->service("api") != nullptr);
    CHECK(snapshot->service("api")->policies.size() == 1);

    agent.register_instances({make_instance("web-1", "web")});
    REQUIRE(agent.read_until([&] { return agent.registered.has_value(); }));
    REQUIRE(agent.follow_to(*agent.registered));
    snapshot = agent.mesh_state.build();
    REQUIRE(snapshot->service("web") != nullptr);
    REQUIRE(snapshot->service("web")->usable.size() == 1);
    CHECK(snapshot->service("web")->endpoints[0].node == "web-1");
    CHECK(node_row(mesh, "web-1")->alive);
    CHECK(agent.resets == 1); // a delta, not a second snapshot
}

TEST_CASE("changes reach every agent, in order and once") {
    MeshFixture mesh;
    const Host one = mesh.must_join("n1", {});
    const Host two = mesh.must_join("n2", {});
    TestAgent first(mesh, one);
    TestAgent second(mesh, two);
    std::uint64_t index = 0;
    for (int i = 0; i < 20; ++i) {
        index = mesh.apply({make_service("s" + std::to_string(i))})->index();
    }
    for (TestAgent* agent : {&first, &second}) {
        REQUIRE(agent->follow_to(index));
        CHECK(agent->resets == 1);
        CHECK(agent->mesh_state.build()->services().size() == 20);
    }
}

TEST_CASE("an agent that has the state gets only what is new; one from elsewhere gets it all") {
    MeshFixture mesh;
    const Host host = mesh.must_join("n1", {});
    REQUIRE(mesh.apply({make_service("a")}).has_value());
    const std::uint64_t have = mesh.server->registry().index();
    {
        TestAgent agent(mesh, host, have);
        REQUIRE(agent.follow_to(have));
        CHECK(agent.resets == 0);
        CHECK(agent.batches == 1); // empty: "what you have is current"
        const std::uint64_t index = mesh.apply({make_service("b")})->index();
        REQUIRE(agent.follow_to(index));
        CHECK(agent.resets == 0);
        CHECK(agent.mesh_state.rows().size() == 1);
    }
    // More of this very history than there is: the registry has lost it, and must not take the
    // place of what the agent has.
    TestAgent from_the_future(mesh, host, have + 1000);
    CHECK_FALSE(from_the_future.read_until([&] { return from_the_future.batches > 0; }));
    REQUIRE(from_the_future.broken.has_value());
    CHECK(from_the_future.broken->code == ErrorCode::unavailable);
    CHECK(from_the_future.broken->message.contains("put back to an older state"));
    CHECK(from_the_future.resets == 0);
    // The same index of another history, as a mesh has that went on from an older copy.
    TestAgent from_elsewhere(mesh, host, have, mesh.server->trust_domain().epoch + 1);
    REQUIRE(from_elsewhere.follow_to(have));
    CHECK(from_elsewhere.resets == 1);
    // Of one that goes on while this one was given up.
    TestAgent moved_on(mesh, host, 1, mesh.server->trust_domain().epoch + 1, 1'000);
    CHECK_FALSE(moved_on.read_until([&] { return moved_on.batches > 0; }));
    REQUIRE(moved_on.broken.has_value());
    CHECK(moved_on.broken->code == ErrorCode::unavailable);
    CHECK(moved_on.broken->message.contains("this registry was given up"));
    // The history begins anew with the server: an index that is current still is.
    mesh.restart_server();
    TestAgent current(mesh, host, mesh.server->registry().index());
    REQUIRE(current.follow_to(mesh.server->registry().index()));
    CHECK(current.resets == 0);
    TestAgent behind(mesh, host, have);
    REQUIRE(behind.follow_to(mesh.server->registry().index()));
    CHECK(behind.resets == 1);
}

TEST_CASE("a large mesh comes in several messages and is complete at the end") {
    MeshFixture mesh;
    model::ApplyResources apply;
    std::vector<model::Service> services;
    std::vector<model::Policy> policies;
    for (int i = 0; i < 4000; ++i) {
        services.push_back(make_service("service-" + std::to_string(i)));
        model::Policy policy = make_policy("policy-" + std::to_string(i), services.back().name);
        for (int from = 0; from < 60; ++from)
            policy.from.push_back("caller-" + std::to_string(from));
        policies.push_back(std::move(policy));
    }
    const auto applied = mesh.apply(services, policies);
    if (!applied) FAIL(applied.error().message);
    const Host host = mesh.must_join("n1", {});
    TestAgent agent(mesh, host);
    REQUIRE(agent.follow_to(mesh.server->registry().index()));
    CHECK(agent.batches > 1);
    CHECK(agent.resets == 1);
    CHECK(agent.mesh_state.build()->services().size() == 4000);

    // One that does not read yet: what changes before it has all rows reaches it all the same.
    TestAgent slow(mesh, mesh.must_join("n2", {}));
    mesh.must_join("n3", {});
    policies[0].from = {"somebody-else"};
    REQUIRE(mesh.apply({make_service("one-more")}, {policies[0], policies[3999]}).has_value());
    v1::DeleteRequest remove;
    remove.set_kind("policy");
    remove.set_name(policies[1].name);
    REQUIRE(mesh.call<v1::DeleteResponse>("Delete", remove).has_value());
    REQUIRE(slow.follow_to(mesh.server->registry().index()));
    CHECK(slow.resets == 1);
    CHECK(lines(slow.mesh_state.rows()) == lines(mesh.server->registry().rows()));
}

TEST_CASE("a registration that is not allowed is refused with words, and the session goes on") {
    MeshFixture mesh;
    const Host host = mesh.must_join("web-1", {"web"});
    TestAgent agent(mesh, host);
    agent.register_instances({make_instance("web-1", "db")});
    REQUIRE(agent.read_until([&] { return agent.refused.has_value(); }));
    CHECK(agent.refused->find("may not host service 'db'") != std::string::npos);
    agent.register_instances({make_instance("web-1", "web")});
    REQUIRE(agent.read_until([&] { return agent.registered.has_value(); }));

    v1::AgentMessage other;
    other.mutable_registration()->set_node("web-2");
    agent.say(other);
    agent.refused.reset();
    REQUIRE(agent.read_until([&] { return agent.refused.has_value(); }));
    CHECK(agent.refused->find("'web-2'") != std::string::npos);
}

TEST_CASE("a service that is not allowed does not keep the others from being registered") {
    MeshFixture mesh;
    const Host host = mesh.must_join("web-1", {"web"});
    TestAgent agent(mesh, host);
    agent.register_instances({make_instance("web-1", "web"), make_instance("web-1", "db")});
    REQUIRE(agent.read_until([&] { return agent.refused.has_value(); }));
    CHECK(agent.refused->find("may not host service 'db'") != std::string::npos);
    const auto& tables = mesh.server->registry().tables();
    CHECK(tables.instances_of_service("web").size() == 1);
    CHECK(tables.instances_of_service("db").empty());
}

TEST_CASE("a session that does not begin with hello, or sends junk, ends with a reason") {
    MeshFixture mesh;
    const Host host = mesh.must_join("web-1", {"web"});
    const auto client = mesh.connect(host);
    const auto end_of = [&](const std::string& message) {
        auto stream = mesh.runner.run(client->open_stream("/hawser.v1.Mesh/Session"));
        REQUIRE(stream.has_value());
        REQUIRE(mesh.runner.run((*stream)->write(message, patience)).has_value());
        const auto read = mesh.runner.run((*stream)->read(patience));
        REQUIRE_FALSE(read.has_value());
        return read.error().code;
    };
    v1::AgentMessage enforced;
    enforced.mutable_enforced()->set_index(1);
    CHECK(end_of(enforced.SerializeAsString()) == ErrorCode::invalid);
    CHECK(end_of("\xff\xff") == ErrorCode::invalid);
    CHECK(end_of("") == ErrorCode::invalid);
}

TEST_CASE("waiting until every live agent enforces an index") {
    MeshFixture mesh;
    const Host one = mesh.must_join("n1", {});
    const Host two = mesh.must_join("n2", {});
    TestAgent first(mesh, one);
    TestAgent second(mesh, two);
    for (TestAgent* agent : {&first, &second}) {
        agent->register_instances({});
        REQUIRE(agent->read_until([&] { return agent->registered.has_value(); }));
    }
    const std::uint64_t index = mesh.apply({make_service("api")})->index();
    first.enforce(index);
    auto waited = mesh.call<v1::WaitEnforcedResponse>("WaitEnforced", wait_for(index, 100));
    REQUIRE(waited.has_value());
    CHECK_FALSE(waited->all());
    CHECK(waited->agents() == 2);
    REQUIRE(waited->behind().size() == 1);
    CHECK(waited->behind(0) == "n2");
    second.enforce(index + 500); // no more than there is
    waited = mesh.call<v1::WaitEnforcedResponse>("WaitEnforced", wait_for(index, 10'000));
    REQUIRE(waited.has_value());
    CHECK(waited->all());
    CHECK(waited->behind().empty());
    const auto status =
        mesh.call<v1::ServerStatusResponse>("ServerStatus", v1::ServerStatusRequest());
    REQUIRE(status->agents().size() == 2);
    CHECK(status->agents(1).enforced_index() == mesh.server->registry().index());
}

TEST_CASE("an agent that stops is away at once; nobody waits for it, and it is named") {
    MeshFixture mesh; // whose sessions time out after a minute
    const Host one = mesh.must_join("n1", {});
    const Host two = mesh.must_join("n2", {});
    (void)mesh.must_join("n3", {}); // never came
    TestAgent first(mesh, one);
    auto second = std::make_unique<TestAgent>(mesh, two);
    for (TestAgent* agent : {&first, second.get()}) {
        agent->register_instances({});
        REQUIRE(agent->read_until([&] { return agent->registered.has_value(); }));
    }
    const std::uint64_t index = mesh.apply({make_service("api")})->index();
    first.enforce(index);
    second->leave();
    const auto waited =
        mesh.call<v1::WaitEnforcedResponse>("WaitEnforced", wait_for(index, 10'000));
    REQUIRE(waited.has_value());
    CHECK(waited->all());
    CHECK(waited->agents() == 1);
    REQUIRE(waited->away().size() == 1);
    CHECK(waited->away(0) == "n2");
    mesh.runner.until([&] { return !node_row(mesh, "n2")->alive; });
    CHECK(node_row(mesh, "n1")->alive);

    second = std::make_unique<TestAgent>(mesh, two);
    second->register_instances({});
    REQUIRE(second->read_until([&] { return second->registered.has_value(); }));
    CHECK(node_row(mesh, "n2")->alive);
    mesh.runner.run(io::sleep(std::chrono::milliseconds(1200))); // two reviews
    CHECK(node_row(mesh, "n2")->alive);
}

TEST_CASE("with no agents there is nobody to wait for") {
    MeshFixture mesh;
    const auto waited = mesh.call<v1::WaitEnforcedResponse>(
        "WaitEnforced", wait_for(mesh.server->registry().index(), 10'000));
    REQUIRE(waited.has_value());
    CHECK(waited->all());
    CHECK(waited->agents() == 0);
}

TEST_CASE("a silent agent's node is dead after the timeout, not before, and back when it speaks") {
    const Duration timeout(400);
    MeshFixture mesh(timeout);
    const Host host = mesh.must_join("web-1", {"web"});
    const auto before = std::chrono::steady_clock::now();
    {
        TestAgent agent(mesh, host);
        agent.register_instances({make_instance("web-1", "web")});
        REQUIRE(agent.read_until([&] { return agent.registered.has_value(); }));
        agent.vanish();
    }
    mesh.runner.until([&] { return !node_row(mesh, "web-1")->alive; });
    CHECK(std::chrono::steady_clock::now() - before > timeout);
    // Its instances are still there, for when it comes back.
    CHECK(mesh.server->registry().tables().get<model::Instance>("web-1/web/8080") != nullptr);

    TestAgent again(mesh, host);
    again.register_instances({make_instance("web-1", "web")});
    REQUIRE(again.read_until([&] { return again.registered.has_value(); }));
    CHECK(node_row(mesh, "web-1")->alive);
}

TEST_CASE("an agent that stays connected but says nothing is dead too") {
    MeshFixture mesh(Duration(400));
    const Host host = mesh.must_join("web-1", {"web"});
    TestAgent agent(mesh, host);
    agent.register_instances({make_instance("web-1", "web")});
    REQUIRE(agent.read_until([&] { return agent.registered.has_value(); }));
    mesh.runner.until([&] { return !node_row(mesh, "web-1")->alive; });
    CHECK_FALSE(agent.read_until([] { return false; }));
    CHECK(agent.broken->code == ErrorCode::deadline_exceeded);
}

TEST_CASE("any message is a heartbeat, an empty one included") {
    MeshFixture mesh(Duration(2500));
    const Host host = mesh.must_join("web-1", {"web"});
    TestAgent agent(mesh, host);
    agent.register_instances({make_instance("web-1", "web")});
    REQUIRE(agent.read_until([&] { return agent.registered.has_value(); }));
    for (int i = 0; i < 12; ++i) {
        mesh.runner.run(io::sleep(std::chrono::milliseconds(250)));
        agent.say({});
        CHECK(node_row(mesh, "web-1")->alive);
    }
    CHECK_FALSE(agent.broken.has_value());
}

TEST_CASE("after a restart agents have the timeout to come back") {
    MeshFixture mesh(Duration(2500));
    const Host present = mesh.must_join("n1", {});
    const Host absent = mesh.must_join("n2", {});
    {
        TestAgent first(mesh, present);
        TestAgent second(mesh, absent);
        for (TestAgent* agent : {&first, &second}) {
            agent->register_instances({});
            REQUIRE(agent->read_until([&] { return agent->registered.has_value(); }));
        }
        mesh.stop_server();
    }
    mesh.start_server();
    CHECK(node_row(mesh, "n1")->alive);
    CHECK(node_row(mesh, "n2")->alive);
    TestAgent back(mesh, present);
    back.register_instances({});
    REQUIRE(back.read_until([&] { return back.registered.has_value(); }));
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (node_row(mesh, "n2")->alive && std::chrono::steady_clock::now() < deadline) {
        mesh.runner.run(io::sleep(std::chrono::milliseconds(50)));
        back.say({});
    }
    CHECK_FALSE(node_row(mesh, "n2")->alive);
    CHECK(node_row(mesh, "n1")->alive);
}

TEST_CASE("a newer session of a node ends the older one") {
    MeshFixture mesh;
    const Host host = mesh.must_join("web-1", {"web"});
    TestAgent older(mesh, host);
    REQUIRE(older.follow_to(mesh.server->registry().index()));
    TestAgent newer(mesh, host);
    REQUIRE(newer.follow_to(mesh.server->registry().index()));
    CHECK_FALSE(older.read_until([] { return false; }));
    newer.register_instances({});
    CHECK(newer.read_until([&] { return newer.registered.has_value(); }));
}

TEST_CASE("a deleted node's session ends") {
    MeshFixture mesh;
    const Host host = mesh.must_join("web-1", {"web"});
    TestAgent agent(mesh, host);
    REQUIRE(agent.follow_to(mesh.server->registry().index()));
    v1::DeleteRequest request;
    request.set_kind("node");
    request.set_name("web-1");
    REQUIRE(mesh.call<v1::DeleteResponse>("Delete", request).has_value());
    CHECK_FALSE(agent.read_until([] { return false; }));
}

TEST_CASE("the server says something every now and then") {
    MeshFixture mesh;
    const Host host = mesh.must_join("web-1", {"web"});
    TestAgent agent(mesh, host);
    CHECK(agent.read_until([&] { return agent.heartbeats >= 1; }));
}

TEST_CASE("stopping with agents connected is quick") {
    MeshFixture mesh;
    const Host host = mesh.must_join("web-1", {"web"});
    TestAgent agent(mesh, host);
    REQUIRE(agent.follow_to(mesh.server->registry().index()));
    const auto begun = std::chrono::steady_clock::now();
    mesh.stop_server();
    CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(5));
    CHECK(mesh.ended->has_value());
}

TEST_CASE("an agent that comes while the server stops does not hold it up") {
    MeshFixture mesh;
    const Host host = mesh.must_join("web-1", {"web"});
    TestAgent agent(mesh, host); // its hello is on the way
    const auto began = std::chrono::steady_clock::now();
    mesh.server->stop();
    CHECK_FALSE(agent.read_until([] { return false; })); // until it is sent away
    agent.vanish();
    mesh.stop_server();
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(5));
}

} // namespace hawser::server::test
