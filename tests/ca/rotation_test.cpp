// When the authority changes, and what it becomes.
#include "ca/rotation.h"

#include <doctest/doctest.h>

#include <chrono>

#include "ca/signer.h"

using namespace hawser;
using namespace hawser::ca;
using namespace std::chrono_literals;

namespace {

constexpr WallTime now = 1'800'000'000'000;
constexpr WallTime day = 86'400'000;
constexpr Duration longest_leaf = 24h;

const SealingKey& key() {
    static const SealingKey made = SealingKey::make();
    return made;
}

const model::Signer& signer(int which) {
    static const model::Signer made[] = {seal(make_signer("hawser.local", now, {}).value(), key()),
                                         seal(make_signer("hawser.local", now, {}).value(), key())};
    return made[which];
}

model::Authority resting() {
    model::Authority authority;
    authority.active = signer(0);
    authority.sealing_key_id = key().id();
    return authority;
}
model::Authority publishing() {
    return with_next_root(resting(), signer(1), now).value();
}
model::Authority retiring() {
    return with_root_switched(publishing(), now, longest_leaf);
}

struct Case {
    const char* what;
    model::Authority authority;
    RotationFacts facts;
    RotationStep step;
    const char* waits_for = "";
};

} // namespace

TEST_CASE("what is to be done, and what it waits for") {
    model::Authority brought = resting();
    brought.active.root_key.clear();
    const Case cases[] = {
        {"a new authority rests", resting(), {.now = now}, RotationStep::none},
        {"before half of its life", resting(), {.now = now + 182 * day}, RotationStep::none},
        {"after", resting(), {.now = now + 183 * day}, RotationStep::renew_intermediate},
        {"also while others are away",
         resting(),
         {.now = now + 183 * day, .missing_nodes = {"n"}, .missing_servers = {"s"}},
         RotationStep::renew_intermediate},
        {"not without the root's key", brought, {.now = now + 183 * day}, RotationStep::none},
        {"all have taken it over", publishing(), {.now = now}, RotationStep::switch_root},
        {"a node has not",
         publishing(),
         {.now = now, .missing_nodes = {"node 'web-1' (away)"}, .missing_servers = {}},
         RotationStep::none,
         "not known yet to trust the next root: node 'web-1' (away)"},
        {"a server has not",
         publishing(),
         {.now = now, .missing_nodes = {"node 'web-1'"}, .missing_servers = {"server 's2'"}},
         RotationStep::none,
         "not known yet to trust the next root: server 's2', node 'web-1'"},
        {"leaves of the last root are valid",
         retiring(),
         {.now = now + day - 1},
         RotationStep::none,
         "certificates under the last root are valid until 2027-01-16T08:00:00Z"},
        {"no more", retiring(), {.now = now + day}, RotationStep::drop_root},
        {"whatever nodes are away",
         retiring(),
         {.now = now + day, .missing_nodes = {"node 'web-1'"}, .missing_servers = {}},
         RotationStep::drop_root},
        {"but a server may sign under it",
         retiring(),
         {.now = now + day, .missing_nodes = {}, .missing_servers = {"server 's2'"}},
         RotationStep::none,
         "not known yet to sign under the new root: server 's2'"},
    };
    for (const Case& each : cases) {
        CAPTURE(each.what);
        const RotationDecision decision = decide(each.authority, each.facts);
        CHECK(decision.step == each.step);
        CHECK(decision.waits_for == each.waits_for);
    }
}

TEST_CASE("one intermediate after the other, as long as the root lives") {
    OpenSigner open_signer = make_signer("hawser.local", now, {}).value();
    model::Authority authority = resting();
    WallTime at = now;
    int renewals = 0;
    while (at < now + 3653 * day && renewals < 100) {
        authority.active = seal(open_signer, key());
        at += day;
        if (decide(authority, {.now = at}).step != RotationStep::renew_intermediate) continue;
        open_signer =
            with_new_intermediate(open_signer, "hawser.local", at, intermediate_lifetime).value();
        ++renewals;
    }
    CHECK(renewals == 18); // every half year, and not faster and faster towards the end
}

TEST_CASE("a root is followed by another in two steps, each of which can be taken back") {
    const model::Authority first = publishing();
    CHECK(first.active == signer(0));
    CHECK(first.other == signer(1));
    CHECK(first.phase == model::RotationPhase::publishing);
    CHECK(
        with_next_root(first, signer(1), now).error().message.contains("the root changes already"));

    const model::Authority second = retiring();
    CHECK(second.active == signer(1));
    CHECK(second.other == signer(0));
    CHECK(second.other_needed_until == now + day);
    // Nothing that it signed outlives it.
    CHECK(with_root_switched(publishing(), now, std::chrono::days(4000)).other_needed_until ==
          times_of(signer(0))->until);

    const model::Authority third = with_root_dropped(second, now);
    CHECK(third.active == signer(1));
    CHECK_FALSE(third.other.has_value());
    CHECK(third.phase == model::RotationPhase::none);

    const model::Authority untouched = with_rotation_aborted(first, now, longest_leaf).value();
    CHECK(untouched.active == signer(0));
    CHECK_FALSE(untouched.other.has_value());
    const model::Authority back = with_rotation_aborted(second, now + 5, longest_leaf).value();
    CHECK(back.active == signer(0));
    CHECK(back.other == signer(1)); // trusted until what it signed has expired
    CHECK(back.phase == model::RotationPhase::retiring);
    CHECK(back.other_needed_until == now + 5 + day);
    CHECK_FALSE(with_rotation_aborted(third, now, longest_leaf));
    CHECK_FALSE(with_rotation_aborted(second, now + 366 * day, longest_leaf));
}

TEST_CASE("another intermediate under the same root counts at once, in every phase") {
    const model::Signer next =
        seal(with_new_intermediate(open(signer(0), key()).value(), "hawser.local", now,
                                   intermediate_lifetime)
                 .value(),
             key());
    const model::Authority resting_with = with_next_root(resting(), next, now).value();
    CHECK(resting_with.active == next);
    CHECK(resting_with.phase == model::RotationPhase::none);
    const model::Authority publishing_with = with_next_root(publishing(), next, now).value();
    CHECK(publishing_with.active == next);
    CHECK(publishing_with.other == signer(1));
}

TEST_CASE("what is about to end is said, and what to do about it") {
    CHECK(expiry_warnings(resting(), now).empty());
    CHECK(expiry_warnings(resting(), now + 200 * day).empty()); // renewed by itself
    CHECK(expiry_warnings(resting(), now + 280 * day).size() == 1);
    model::Authority brought = resting();
    brought.active.root_key.clear();
    CHECK(expiry_warnings(brought, now + 182 * day).empty());
    const auto told = expiry_warnings(brought, now + 183 * day);
    REQUIRE(told.size() == 1);
    CHECK(told[0].contains("hawser ca rotate --ca-cert FILE --ca-key FILE"));
    const auto late = expiry_warnings(resting(), now + 3400 * day);
    REQUIRE(late.size() == 2);
    CHECK(late[0].contains("the root certificate expires at "));
    CHECK(late[1].contains("the intermediate certificate expired at "));
}
