// What the leader does with the authority, unasked and asked.
#include <algorithm>
#include <format>
#include <utility>

#include "io/clock.h"
#include "log/log.h"
#include "registry/levels.h"
#include "server/authority_upkeep.h"

namespace hawser::server {

namespace {

using namespace std::chrono_literals;
using ca::RotationStep;

constexpr auto step_interval = 500ms;
constexpr auto step_timeout = 10s;

ca::Lifetimes lifetimes(const config::ServerConfig& config) {
    return {.root = config.ca.root_lifetime, .intermediate = config.ca.intermediate_lifetime};
}

std::string describe(RotationStep step) {
    switch (step) {
        case RotationStep::renew_intermediate: return "a new intermediate certificate signs";
        case RotationStep::switch_root: return "all know the next root: it signs from now on";
        case RotationStep::drop_root: return "the last root is not trusted any more";
        case RotationStep::none: break;
    }
    return {};
}

} // namespace

// --- what others know ---------------------------------------------------------------------------

void AuthorityUpkeep::add_to(v1::LeaseReport& report) const {
    report.set_authority_index(parts_.keeper.index());
    report.set_certificate_lifetime_ms(parts_.keeper.options().certificate_lifetime.count());
}

void AuthorityUpkeep::take(const v1::LeaseReport& report) {
    reports_[report.from()] = {.index = report.authority_index(),
                               .certificate_lifetime = Duration(report.certificate_lifetime_ms())};
}

// Every node of the registry counts, whether its agent is heard or not. One that joined after the
// root was published was told of it then.
void AuthorityUpkeep::add_missing_nodes(std::vector<std::string>& missing) const {
    const registry::Table& domain = tables().rows(model::Kind::trust_domain);
    const std::uint64_t index = domain.empty() ? 0 : domain.begin()->second.index;
    const Sessions::Enforcement enforcement = parts_.sessions.enforcement(index);
    for (const std::string& node : enforcement.behind)
        missing.push_back(std::format("node '{}'", node));
    for (const std::string& node : enforcement.away)
        missing.push_back(std::format("node '{}' (away)", node));
    for (const auto& [name, row] : tables().rows(model::Kind::node)) {
        const auto* node = std::get_if<model::Node>(row.value.get());
        if (!node->alive && node->tunnel.port == 0 && row.index < index)
            missing.push_back(std::format("node '{}' (never registered)", name));
    }
}

ca::RotationFacts AuthorityUpkeep::facts() const {
    ca::RotationFacts facts{.now = io::wall_now(), .missing_nodes = {}, .missing_servers = {}};
    const std::uint64_t index = tables().authority_index();
    if (index == 0) return facts;
    for (const model::Server* server : tables().servers()) {
        const auto report = reports_.find(server->id);
        const bool self = server->id == parts_.raft.id();
        const std::uint64_t used = self                       ? parts_.keeper.index()
                                   : report == reports_.end() ? 0
                                                              : report->second.index;
        if (used < index) facts.missing_servers.push_back(std::format("server '{}'", server->name));
    }
    if (tables().authority()->phase == model::RotationPhase::publishing)
        add_missing_nodes(facts.missing_nodes);
    return facts;
}

std::string AuthorityUpkeep::waits_for() const {
    const model::Authority* authority = tables().authority();
    return authority == nullptr ? std::string() : ca::decide(*authority, facts()).waits_for;
}

Duration AuthorityUpkeep::longest_leaf() const {
    Duration longest = parts_.keeper.options().certificate_lifetime;
    for (const auto& [server, report] : reports_)
        longest = std::max(longest, report.certificate_lifetime);
    return longest;
}

// --- unasked ------------------------------------------------------------------------------------

io::Task<void> AuthorityUpkeep::keep_rotating() {
    raft::Term term = 0;
    while (co_await io::sleep(step_interval)) {
        if (!parts_.raft.leads()) continue;
        // A new leader acts on what was committed before it only once it asked.
        if (term != parts_.raft.status().term) {
            const raft::Term now = parts_.raft.status().term;
            if (!co_await parts_.raft.read_barrier(step_timeout)) continue;
            term = now;
        }
        const Result<void> done = co_await take_step();
        const std::string text = done ? waits_for() : done.error().message;
        if (text != std::exchange(told_, text) && !text.empty()) {
            log::warn(done ? "the change of the root waits" : "the authority was not changed",
                      {{"reason", text}});
        }
    }
}

io::Task<Result<void>> AuthorityUpkeep::take_step() {
    if (tables().trust() == nullptr) co_return Result<void>();
    const model::Authority* known = tables().authority();
    if (known == nullptr) {
        if (!registry::check_level(model::level_of(model::SetAuthority{}), tables()))
            co_return Result<void>();
        co_return co_await adopt();
    }
    const RotationStep step = ca::decide(*known, facts()).step;
    if (step == RotationStep::none) co_return Result<void>();
    Result<void> done;
    if (step == RotationStep::renew_intermediate) {
        done = co_await renew_intermediate();
    } else if (step == RotationStep::switch_root) {
        done = co_await put(ca::with_root_switched(*known, io::wall_now(), longest_leaf()), {});
    } else {
        done = co_await put(ca::with_root_dropped(*known, io::wall_now()), {});
    }
    if (done) log::info(describe(step), {});
    co_return done;
}

// The keys of a mesh that had them in files.
io::Task<Result<void>> AuthorityUpkeep::adopt() {
    const AuthorityKeeper::Options& options = parts_.keeper.options();
    const Result<ca::OpenSigner> signer = read_authority_files(options.data_dir, *tables().trust());
    if (!signer) co_return fail(signer.error(), "moving the authority's keys into the registry");
    const Result<ca::SealingKey> key = read_or_make_sealing_key(options.sealing_key);
    if (!key) co_return fail(key.error(), "moving the authority's keys into the registry");
    model::Authority authority;
    authority.active = ca::seal(*signer, *key);
    authority.sealing_key_id = key->id();
    Result<void> done = co_await put(std::move(authority), {});
    if (done) log::info("the authority's keys are in the registry now, sealed", {});
    co_return done;
}

io::Task<Result<void>> AuthorityUpkeep::renew_intermediate() {
    const Result<ca::SealingKey> key = read_sealing_key(parts_.keeper.options().sealing_key);
    if (!key) co_return fail(key.error(), "making an intermediate certificate");
    model::Authority next = *tables().authority();
    const Result<ca::OpenSigner> signer = ca::open(next.active, *key);
    if (!signer) co_return fail(signer.error(), "making an intermediate certificate");
    const Result<ca::OpenSigner> renewed = ca::with_new_intermediate(
        *signer, tables().trust()->name, io::wall_now(), parts_.config.ca.intermediate_lifetime);
    if (!renewed) co_return fail(renewed.error(), "making an intermediate certificate");
    next.active = ca::seal(*renewed, *key);
    co_return co_await put(std::move(next), {});
}

io::Task<Result<void>> AuthorityUpkeep::put(model::Authority authority, std::string actor) {
    if (actor.empty()) actor = "server:" + parts_.cluster.self().name;
    model::SetAuthority command{.authority = std::move(authority),
                                .if_index = tables().authority_index()};
    const Result<registry::Outcome> outcome = co_await parts_.raft.propose_as_leader(
        {.command = std::move(command), .actor = std::move(actor), .proposed_at = io::wall_now()},
        step_timeout);
    if (!outcome) co_return fail(outcome.error());
    co_return Result<void>();
}

// --- asked --------------------------------------------------------------------------------------

Result<void> AuthorityUpkeep::check_known() const {
    if (tables().authority() != nullptr) return {};
    if (Result<void> level =
            registry::check_level(model::level_of(model::SetAuthority{}), tables());
        !level)
        return level;
    return fail(ErrorCode::unavailable, "the authority's keys are not in the registry yet");
}

io::Task<Result<void>> AuthorityUpkeep::rotate(std::optional<Brought> brought, std::string actor) {
    if (Result<void> known = check_known(); !known) co_return known;
    const Result<ca::SealingKey> key = read_sealing_key(parts_.keeper.options().sealing_key);
    if (!key) co_return fail(key.error());
    const model::Authority& authority = *tables().authority();
    if (key->id() != authority.sealing_key_id)
        co_return fail(
            ErrorCode::failed_precondition,
            std::format("the authority's keys are sealed under the key {}, but {} has {}",
                        authority.sealing_key_id, parts_.keeper.options().sealing_key.path,
                        key->id()));
    const WallTime now = io::wall_now();
    const std::string& domain = tables().trust()->name;
    const ca::Lifetimes life = lifetimes(parts_.config);
    const Result<ca::OpenSigner> signer =
        brought ? ca::bring_signer(brought->certificates, brought->key, domain, now, life)
                : ca::make_signer(domain, now, life);
    if (!signer) co_return fail(signer.error());
    Result<model::Authority> next = ca::with_next_root(authority, ca::seal(*signer, *key), now);
    if (!next) co_return fail(std::move(next.error()));
    co_return co_await put(std::move(*next), std::move(actor));
}

io::Task<Result<void>> AuthorityUpkeep::go_on_without(std::vector<std::string> names,
                                                      std::string actor) {
    if (Result<void> known = check_known(); !known) co_return known;
    const model::Authority& authority = *tables().authority();
    if (authority.phase != model::RotationPhase::publishing)
        co_return fail(ErrorCode::failed_precondition,
                       "no root is being published: there is nothing to go on with");
    ca::RotationFacts facts = this->facts();
    for (const std::string& name : names) {
        const std::string quoted = std::format("'{}'", name);
        const auto is_named = [&](const std::string& each) { return each.contains(quoted); };
        if (std::erase_if(facts.missing_nodes, is_named) +
                std::erase_if(facts.missing_servers, is_named) ==
            0)
            co_return fail(ErrorCode::not_found, std::format("{} is not waited for", quoted));
    }
    const ca::RotationDecision decision = ca::decide(authority, facts);
    if (decision.step != RotationStep::switch_root)
        co_return fail(ErrorCode::failed_precondition, decision.waits_for);
    co_return co_await put(ca::with_root_switched(authority, io::wall_now(), longest_leaf()),
                           std::move(actor));
}

io::Task<Result<void>> AuthorityUpkeep::abort(std::string actor) {
    if (Result<void> known = check_known(); !known) co_return known;
    Result<model::Authority> back =
        ca::with_rotation_aborted(*tables().authority(), io::wall_now(), longest_leaf());
    if (!back) co_return fail(std::move(back.error()));
    co_return co_await put(std::move(*back), std::move(actor));
}

} // namespace hawser::server
