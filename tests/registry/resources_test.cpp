// apply and delete of services and policies.
#include "base/limits.h"
#include "registry/mesh.h"

namespace hawser::registry::test {

TEST_CASE("before init there is nothing to apply to") {
    Registry registry;
    const auto refused = [&](model::Command command) {
        const Result<Outcome> outcome =
            registry.check({.command = std::move(command), .actor = "test", .proposed_at = now});
        REQUIRE_FALSE(outcome.has_value());
        return outcome.error().code;
    };
    CHECK(refused(model::ApplyResources{.services = {make_service("api")}, .policies = {}}) ==
          ErrorCode::failed_precondition);
    CHECK(refused(model::CreateJoinToken{.token = make_token("aa", "web-1")}) ==
          ErrorCode::failed_precondition);
    CHECK(refused(model::SetTrustDomain{.domain = make_domain()}) ==
          ErrorCode::failed_precondition);
    CHECK(refused(model::SyncNode{make_sync("web-1", {})}) == ErrorCode::not_found);
}

TEST_CASE("init happens once") {
    Mesh mesh;
    CHECK(mesh.registry.tables().trust()->name == "hawser.local");
    CHECK(mesh.has<model::OperatorToken>("0a"));
    CHECK(mesh.refused(make_init()).code == ErrorCode::already_exists);
    model::InitTrust broken = make_init();
    broken.domain.roots.clear();
    Registry fresh;
    CHECK_FALSE(fresh.apply(1, {.command = broken, .actor = "", .proposed_at = now}).has_value());
    CHECK(fresh.rows().empty());
}

TEST_CASE("a trust domain changes its certificates and nothing else") {
    Mesh mesh;
    model::TrustDomain domain = make_domain();
    domain.roots.push_back("second");
    CHECK(mesh.done(model::SetTrustDomain{.domain = domain}) == Lines{"trust_domain/self changed"});
    CHECK(mesh.done(model::SetTrustDomain{.domain = domain}).empty());
    domain.vip4 = *Cidr::parse("241.0.0.0/8");
    CHECK(mesh.refused(model::SetTrustDomain{.domain = domain}).code ==
          ErrorCode::failed_precondition);
    domain = make_domain();
    domain.name = "other.local";
    CHECK(mesh.refused(model::SetTrustDomain{.domain = domain}).code ==
          ErrorCode::failed_precondition);
}

TEST_CASE("apply creates, changes, and leaves alone what is the same") {
    Mesh mesh;
    CHECK(mesh.done(model::ApplyResources{.services = {make_service("api"), make_service("db")},
                                          .policies = {make_policy("p", "api")}}) ==
          Lines{"service/api created", "service/db created", "policy/p created"});
    model::Service changed = make_service("db");
    changed.max_connections = 7;
    CHECK(mesh.done(model::ApplyResources{.services = {make_service("api"), changed},
                                          .policies = {make_policy("p", "api")}}) ==
          Lines{"service/db changed"});
    CHECK(mesh.get<model::Service>("db").max_connections == 7);
}

TEST_CASE("an apply that changes nothing has the index of the last change") {
    Mesh mesh;
    const model::ApplyResources apply{.services = {make_service("api")}, .policies = {}};
    const std::uint64_t changed_at = mesh.send(apply)->index;
    CHECK(changed_at == mesh.index);
    const Result<Outcome> again = mesh.send(apply);
    CHECK(again->index == changed_at);
    CHECK(again->changes.empty());
    CHECK(mesh.registry.index() == changed_at);
    CHECK(mesh.registry.tables().find(model::Kind::service, "api")->index == changed_at);
}

TEST_CASE("checking is applying without doing it") {
    Mesh mesh;
    const std::string before = mesh.fingerprint();
    const Result<Outcome> foreseen = mesh.registry.check(
        {.command = model::ApplyResources{.services = {make_service("api")}, .policies = {}},
         .actor = "test",
         .proposed_at = now});
    REQUIRE(foreseen.has_value());
    CHECK(describe(*foreseen) == Lines{"service/api created"});
    CHECK(foreseen->index == mesh.registry.index());
    CHECK(mesh.fingerprint() == before);
}

TEST_CASE("apply is all or nothing") {
    Mesh mesh;
    model::Service invalid = make_service("db");
    invalid.max_connections = 0;
    const Error error = mesh.refused(
        model::ApplyResources{.services = {make_service("api"), invalid}, .policies = {}});
    CHECK(error.code == ErrorCode::invalid);
    CHECK(error.message.find("'db'") != std::string::npos);
    CHECK_FALSE(mesh.has<model::Service>("api"));

    CHECK(mesh.refused(model::ApplyResources{.services = {make_service("a"), make_service("a")},
                                             .policies = {}})
              .message == "service 'a' is given twice");
    CHECK(mesh
              .refused(model::ApplyResources{
                  .services = {}, .policies = {make_policy("p", "a"), make_policy("p", "b")}})
              .message == "policy 'p' is given twice");
    CHECK(mesh.refused(model::ApplyResources{.services = {make_service("Api")}, .policies = {}})
              .code == ErrorCode::invalid);
}

TEST_CASE("an apply has a limit, and so has the mesh") {
    Mesh mesh;
    model::ApplyResources apply;
    for (std::size_t i = 0; i < limits::resources_per_apply; ++i) {
        apply.services.push_back(make_service("s" + std::to_string(i)));
    }
    const auto renamed = [&](const std::string& prefix) {
        model::ApplyResources other = apply;
        for (model::Service& service : other.services) service.name = prefix + service.name;
        return other;
    };
    CHECK(mesh.done(apply).size() == limits::resources_per_apply);
    for (std::size_t n = limits::resources_per_apply; n < limits::services;
         n += limits::resources_per_apply) {
        CHECK(mesh.send(renamed("x" + std::to_string(n))).has_value());
    }
    CHECK(mesh.refused(model::ApplyResources{.services = {make_service("more")}, .policies = {}})
              .code == ErrorCode::resource_exhausted);
    // Those that are there may still be changed.
    CHECK(mesh.send(apply)->changes.empty());
    apply.services.push_back(make_service("more"));
    CHECK(mesh.refused(apply).code == ErrorCode::invalid);
}

TEST_CASE("policies may come before the service they are for") {
    Mesh mesh;
    CHECK(
        mesh.done(model::ApplyResources{.services = {}, .policies = {make_policy("p", "later")}}) ==
        Lines{"policy/p created"});
}

TEST_CASE("deleting") {
    Mesh mesh;
    mesh.done(model::ApplyResources{.services = {make_service("api")},
                                    .policies = {make_policy("p", "api")}});
    const auto remove = [](model::Kind kind, const std::string& name) {
        return model::DeleteResource{.kind = kind, .name = name};
    };
    CHECK(mesh.refused(remove(model::Kind::service, "none")).message ==
          "there is no service 'none'");
    CHECK(mesh.refused(remove(model::Kind::policy, "none")).code == ErrorCode::not_found);
    CHECK(mesh.refused(remove(model::Kind::node, "none")).code == ErrorCode::not_found);
    for (const model::Kind kind : {model::Kind::trust_domain, model::Kind::instance,
                                   model::Kind::join_token, model::Kind::operator_token}) {
        CHECK(mesh.refused(remove(kind, "self")).code == ErrorCode::invalid);
    }
    CHECK(mesh.done(remove(model::Kind::policy, "p")) == Lines{"policy/p deleted"});
    CHECK(mesh.done(remove(model::Kind::service, "api")) == Lines{"service/api deleted"});
    CHECK(mesh.refused(remove(model::Kind::service, "api")).code == ErrorCode::not_found);
}

TEST_CASE("a service that is in use is not deleted, and the refusal names the nodes") {
    Mesh mesh;
    for (int i = 1; i <= 7; ++i) {
        const std::string node = "n" + std::to_string(i);
        mesh.join(node);
        mesh.done(make_sync(node, {make_instance(node, "api"), make_instance(node, "api", 8081)}));
        const Error error =
            mesh.refused(model::DeleteResource{.kind = model::Kind::service, .name = "api"});
        CHECK(error.code == ErrorCode::failed_precondition);
        if (i == 2) CHECK(error.message.find("4 instances on n1, n2;") != std::string::npos);
        if (i == 7) {
            CHECK(error.message.find("14 instances on n1, n2, n3, n4, n5 and 2 more;") !=
                  std::string::npos);
        }
    }
}

} // namespace hawser::registry::test
