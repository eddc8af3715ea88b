#include "agent/local_services.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "fixtures.h"
#include "http/test_loop.h"
#include "io/socket.h"

namespace hawser::agent {
namespace {

using namespace hawser::agent::test;
using hawser::test::TestLoop;

config::ServiceConfig configured(const std::string& name, std::uint16_t port) {
    config::ServiceConfig service;
    service.name = name;
    service.port = port;
    return service;
}

io::Task<bool> stop(LocalServiceSet& set) {
    co_await set.stop();
    co_return true;
}

TEST_CASE("a service without checks is passing, with a check critical until its first outcome") {
    TestLoop test;
    auto acceptor =
        value_of(io::listen_tcp(test.executor(), {.address = IpAddress::v4(0x7f000001)}));
    const std::uint16_t open_port = value_of(io::local_endpoint(acceptor.native_handle())).port;
    config::ServiceConfig plain = configured("api", 8080), checked = configured("db", open_port);
    plain.labels = {{"version", "v2"}};
    plain.weight = 3;
    checked.checks.push_back({.kind = config::CheckKind::tcp, .interval = Duration{100}});
    int changes = 0;
    auto set = value_of(
        LocalServiceSet::open(test.executor(), "web-1", {plain, checked}, [&] { ++changes; }, 1));
    set->start();
    CHECK(set->instances().at(1).health == model::Health::critical);
    REQUIRE(test.until([&] {
        return set->instances().at(0).health == model::Health::passing &&
               set->instances().at(1).health == model::Health::passing;
    }));
    CHECK(changes >= 1);
    const model::Instance instance = set->instances().at(0);
    CHECK(instance.key() == "web-1/api/8080");
    CHECK(instance.labels == plain.labels);
    CHECK(instance.weight == 3);
    CHECK(instance.health_reason == "unchecked");
    CHECK(set->instances().at(1).health_reason.empty());

    // It stops answering: told at once.
    acceptor.close();
    REQUIRE(test.until([&] { return set->instances().at(1).health == model::Health::critical; }));
    CHECK(set->instances().at(1).health_reason.contains("tcp 127.0.0.1"));

    set->drain("the agent is stopping");
    for (const model::Instance& each : set->instances()) {
        CHECK(each.health == model::Health::critical);
        CHECK(each.health_reason == "the agent is stopping");
    }
    CHECK(test.run(stop(*set)));
}

TEST_CASE("users are resolved; owners, callers and upstreams reach the data plane") {
    TestLoop test;
    config::ServiceConfig api = configured("api", 8080), web = configured("web", 0);
    api.user = "root";
    api.address = value_of(IpAddress::parse("127.0.0.2"));
    web.user = "4242";
    web.upstreams.push_back({.service = "api", .listen = value_of(Endpoint::parse("127.0.0.1:0"))});
    auto set = value_of(LocalServiceSet::open(test.executor(), "web-1", {api, web}, [] {}, 1));
    const proxy::LocalService* found = set->view()->find("api", 8080);
    REQUIRE(found != nullptr);
    CHECK(found->dial == value_of(Endpoint::parse("127.0.0.2:8080")));
    CHECK(found->owner == uid_t{0});
    CHECK(set->view()->owned_by(4242) == "web");
    REQUIRE(set->upstreams().size() == 1);
    CHECK(set->upstreams().front().source == "web");
    CHECK(set->upstreams().front().destination == "api");
    CHECK(set->names() == std::vector<std::string>{"api", "web"});
    CHECK(set->ports() == std::vector<std::uint16_t>{8080});
    CHECK(set->instances().size() == 1); // a caller offers nothing
    CHECK(set->report().at(0).owner == "uid 0 (root)");
    CHECK(set->report().at(1).owner == "uid 4242");
    CHECK(test.run(stop(*set)));
}

TEST_CASE("services that stay keep their health when others come, change and go") {
    TestLoop test;
    auto acceptor =
        value_of(io::listen_tcp(test.executor(), {.address = IpAddress::v4(0x7f000001)}));
    const std::uint16_t open_port = value_of(io::local_endpoint(acceptor.native_handle())).port;
    config::ServiceConfig db = configured("db", open_port), api = configured("api", 8080);
    // Asked once, and then not for an hour: whoever asks again would show as critical.
    db.checks.push_back({.kind = config::CheckKind::tcp, .interval = Duration{3'600'000}});
    auto set = value_of(LocalServiceSet::open(test.executor(), "web-1", {db, api}, [] {}, 1));
    set->start();
    const auto health = [&](std::size_t number) { return set->instances().at(number).health; };
    REQUIRE(test.until([&] { return health(0) == model::Health::passing; }));

    config::ServiceConfig web = configured("web", 0);
    web.user = "4242";
    api.weight = 7;
    succeed(set->update({web, api, db}));
    CHECK(set->names() == std::vector<std::string>{"web", "api", "db"});
    CHECK(set->view()->owned_by(4242) == "web");
    CHECK(set->instances().at(0).weight == 7);
    CHECK(health(1) == model::Health::passing);
    succeed(set->update({db}));
    CHECK(health(0) == model::Health::passing);
    CHECK(set->ports() == std::vector{open_port});

    config::ServiceConfig wrong = configured("api", 1);
    wrong.user = "no-such-user-here";
    CHECK_FALSE(set->update({wrong, db}));
    CHECK(set->names() == std::vector<std::string>{"db"});
    CHECK(test.run(stop(*set)));
}

TEST_CASE("what is wrong with a service is said with its name") {
    TestLoop test;
    config::ServiceConfig api = configured("api", 8080);
    api.user = "no-such-user-here";
    api.user_place = "agent.toml:3:8";
    auto set = LocalServiceSet::open(test.executor(), "web-1", {api}, [] {}, 1);
    REQUIRE_FALSE(set);
    CHECK(set.error().code == ErrorCode::invalid);
    CHECK(set.error().message == "agent.toml:3:8: no user 'no-such-user-here' in /etc/passwd");

    set = LocalServiceSet::open(
        test.executor(), "web-1", {configured("api", 1), configured("api", 1)}, [] {}, 1);
    CHECK(message_of(set).contains("port 1 is given twice"));
    const std::vector<config::ServiceConfig> many(1000, configured("api", 1));
    CHECK_FALSE(LocalServiceSet::open(test.executor(), "web-1", many, [] {}, 1));
}

} // namespace
} // namespace hawser::agent
