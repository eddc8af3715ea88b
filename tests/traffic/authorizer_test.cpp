#include "traffic/authorizer.h"

#include <doctest/doctest.h>

#include "traffic/services.h"

using namespace hawser;
using namespace hawser::traffic;
using model::Effect;
using model::IdentityKind;
using model::PolicyMode;
using test::policy;

namespace {

const model::Identity web{
    .trust_domain = "hawser.local", .kind = IdentityKind::service, .name = "web"};

model::ServiceView service(std::vector<model::Policy> policies,
                           Effect default_policy = Effect::deny) {
    model::ServiceView view = test::service_with({{}});
    view.service.default_policy = default_policy;
    view.policies = std::move(policies);
    return view;
}

} // namespace

TEST_CASE("without a policy the service's default decides") {
    const auto closed = service({});
    CHECK_FALSE(authorize(closed, web).allowed);
    CHECK(authorize(closed, web).rule == "default_policy");
    const auto open = service({}, Effect::allow);
    CHECK(authorize(open, web).allowed);
}

TEST_CASE("an allow lets in whom it names, and nobody else") {
    const auto view = service({policy("web-reads", Effect::allow, {"web"})});
    CHECK(authorize(view, web).allowed);
    CHECK(authorize(view, web).rule == "web-reads");
    CHECK_FALSE(authorize(view, {"hawser.local", IdentityKind::service, "batch"}).allowed);
    CHECK_FALSE(authorize(view, {"hawser.local", IdentityKind::service, "web-2"}).allowed);
    CHECK_FALSE(authorize(view, {"hawser.local", IdentityKind::service, "we"}).allowed);
}

TEST_CASE("a deny wins over every allow, in whichever order they stand") {
    const auto deny = policy("no-web", Effect::deny, {"web"});
    const auto allow = policy("all", Effect::allow, {"*"});
    for (const auto& view : {service({deny, allow}), service({allow, deny})}) {
        CHECK_FALSE(authorize(view, web).allowed);
        CHECK(authorize(view, web).rule == "no-web");
    }
    CHECK_FALSE(authorize(service({deny}, Effect::allow), web).allowed);
}

TEST_CASE("only services are let in: nodes and servers match no policy, not even '*'") {
    const auto view = service({policy("all", Effect::allow, {"*"})}, Effect::allow);
    CHECK(authorize(view, web).allowed);
    CHECK_FALSE(authorize(view, {"hawser.local", IdentityKind::node, "web"}).allowed);
    CHECK_FALSE(authorize(view, {"hawser.local", IdentityKind::server, "web"}).allowed);
}

TEST_CASE("a shadow policy decides nothing and says what it would have done") {
    const auto allow = policy("all", Effect::allow, {"*"});
    const auto would_deny = policy("try-deny", Effect::deny, {"web"}, PolicyMode::shadow);
    // A verdict's names are the view's.
    const auto kept_view = service({allow, would_deny});
    const Verdict kept = authorize(kept_view, web);
    CHECK(kept.allowed);
    CHECK(kept.rule == "all");
    CHECK(kept.shadow_rule == "try-deny");

    const auto would_allow = policy("try-allow", Effect::allow, {"web"}, PolicyMode::shadow);
    const auto refusing_view = service({would_allow});
    const Verdict refused = authorize(refusing_view, web);
    CHECK_FALSE(refused.allowed);
    CHECK(refused.shadow_rule == "try-allow");

    // It agrees, or names somebody else: nothing to say.
    CHECK(authorize(service({allow, would_allow}), web).shadow_rule.empty());
    const auto other = policy("other", Effect::deny, {"batch"}, PolicyMode::shadow);
    CHECK(authorize(service({allow, other}), web).shadow_rule.empty());
}
