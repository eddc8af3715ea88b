#include "ca/rotation.h"

#include <algorithm>
#include <format>
#include <utility>

#include "ca/signer.h"

namespace hawser::ca {

namespace {

using model::RotationPhase;

// Of a life, beyond which what was not renewed is in danger.
constexpr WallTime root_warning_share = 10; // the last tenth: of ten years, one
constexpr WallTime late_share = 4;          // the last quarter
constexpr std::size_t most_named = 16;

WallTime half_life(const SignerTimes& times) {
    return times.since + (times.until - times.since) / 2;
}

// Another intermediate is worth making only if it lives on longer: one cannot outlive its root.
bool renewable(const model::Signer& signer, const SignerTimes& times) {
    return !signer.root_key.empty() && times.until < times.root_until;
}

std::string names(const std::vector<std::string>& nodes, const std::vector<std::string>& servers) {
    std::string text;
    std::size_t named = 0;
    for (const auto* list : {&servers, &nodes}) {
        for (const std::string& name : *list) {
            if (named++ < most_named) text += (text.empty() ? "" : ", ") + name;
        }
    }
    if (named > most_named) text += std::format(" and {} others", named - most_named);
    return text;
}

RotationDecision decide_root(const model::Authority& authority, const RotationFacts& facts) {
    if (authority.phase == RotationPhase::publishing) {
        if (facts.missing_nodes.empty() && facts.missing_servers.empty())
            return {.step = RotationStep::switch_root, .waits_for = {}};
        return {.step = RotationStep::none,
                .waits_for = "not known yet to trust the next root: " +
                             names(facts.missing_nodes, facts.missing_servers)};
    }
    if (authority.phase != RotationPhase::retiring) return {};
    if (facts.now < authority.other_needed_until)
        return {.step = RotationStep::none,
                .waits_for = "certificates under the last root are valid until " +
                             format_time(authority.other_needed_until)};
    // One that does not know yet that the root changed may still sign under the last one.
    if (facts.missing_servers.empty()) return {.step = RotationStep::drop_root, .waits_for = {}};
    return {.step = RotationStep::none,
            .waits_for =
                "not known yet to sign under the new root: " + names({}, facts.missing_servers)};
}

} // namespace

RotationDecision decide(const model::Authority& authority, const RotationFacts& facts) {
    const Result<SignerTimes> times = times_of(authority.active);
    if (!times) return {.step = RotationStep::none, .waits_for = times.error().message};
    if (renewable(authority.active, *times) && facts.now >= half_life(*times))
        return {.step = RotationStep::renew_intermediate, .waits_for = {}};
    return decide_root(authority, facts);
}

std::vector<std::string> expiry_warnings(const model::Authority& authority, WallTime now) {
    std::vector<std::string> warnings;
    const Result<SignerTimes> times = times_of(authority.active);
    if (!times) return {times.error().message};
    const auto when = [now](WallTime until) {
        return std::format("{} at {}", until <= now ? "expired" : "expires", format_time(until));
    };
    const WallTime root_life = times->root_until - times->root_since;
    const WallTime life = times->until - times->since;
    if (times->root_until - now <= root_life / root_warning_share)
        warnings.push_back(std::format("the root certificate {}: hawser ca rotate brings the next",
                                       when(times->root_until)));
    const bool brought = authority.active.root_key.empty();
    if (brought && now >= half_life(*times)) {
        warnings.push_back(
            std::format("the intermediate certificate {}, and its root's key is kept elsewhere: "
                        "bring the next one with hawser ca rotate --ca-cert FILE --ca-key FILE",
                        when(times->until)));
    } else if (!brought && times->until - now <= life / late_share) {
        warnings.push_back(std::format("the intermediate certificate {}", when(times->until)));
    }
    return warnings;
}

Result<model::Authority> with_next_root(model::Authority authority, model::Signer next,
                                        WallTime now) {
    // Another intermediate under the same root is believed by everybody at once.
    if (next.root == authority.active.root) {
        authority.active = std::move(next);
        return authority;
    }
    if (authority.phase != RotationPhase::none)
        return fail(ErrorCode::failed_precondition,
                    std::format("the root changes already ({} since {}); hawser ca status tells "
                                "how far it is, hawser ca rotate --abort takes it back",
                                to_string(authority.phase), format_time(authority.phase_since)));
    authority.other = std::move(next);
    authority.phase = RotationPhase::publishing;
    authority.phase_since = now;
    authority.other_needed_until = 0;
    return authority;
}

model::Authority with_root_switched(model::Authority authority, WallTime now,
                                    Duration longest_leaf) {
    std::swap(authority.active, *authority.other);
    const WallTime longest = now + longest_leaf.count();
    const Result<SignerTimes> last = times_of(*authority.other);
    authority.phase = RotationPhase::retiring;
    authority.phase_since = now;
    authority.other_needed_until = last ? std::min(longest, last->until) : longest;
    return authority;
}

model::Authority with_root_dropped(model::Authority authority, WallTime now) {
    authority.other.reset();
    authority.phase = RotationPhase::none;
    authority.phase_since = now;
    authority.other_needed_until = 0;
    return authority;
}

Result<model::Authority> with_rotation_aborted(model::Authority authority, WallTime now,
                                               Duration longest_leaf) {
    if (authority.phase == RotationPhase::none)
        return fail(ErrorCode::failed_precondition, "the root does not change: nothing to abort");
    if (authority.phase == RotationPhase::publishing)
        return with_root_dropped(std::move(authority), now);
    const Result<SignerTimes> last = times_of(*authority.other);
    if (!last) return fail(last.error());
    if (last->until <= now)
        return fail(ErrorCode::failed_precondition,
                    "the last root's certificates have expired: there is no way back to it");
    // All trust both: what was signed meanwhile stays valid until the end of the way back.
    return with_root_switched(std::move(authority), now, longest_leaf);
}

} // namespace hawser::ca
