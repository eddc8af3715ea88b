// What a member does unasked: its own row says what it is and where, and while it leads, raft's
// configuration follows the rows.
#include <algorithm>
#include <format>

#include "io/clock.h"
#include "log/log.h"
#include "model/command.h"
#include "server/upkeep.h"

namespace hawser::server {

namespace {

using namespace std::chrono_literals;

constexpr auto upkeep_interval = 200ms;
constexpr auto row_interval = 1s;
constexpr auto step_timeout = 10s;

} // namespace

// A new leader knows what was committed before it only once it asked: without that, a member whose
// row it has not seen yet would look like one that nobody wants.
io::Task<void> Upkeep::keep_members() {
    std::optional<Autopilot> pilot;
    raft::Term term = 0;
    while (co_await io::sleep(upkeep_interval)) {
        if (!parts_.raft.leads()) {
            pilot.reset();
            continue;
        }
        if (!pilot || term != parts_.raft.status().term) {
            term = parts_.raft.status().term;
            if (!co_await parts_.raft.read_barrier(step_timeout)) continue;
            pilot.emplace(parts_.autopilot);
        }
        const Result<void> done = co_await carry_out(pilot->next(view()));
        tell(done, "a change of the cluster's members was not made");
    }
}

ClusterView Upkeep::view() const {
    const RaftStatus status = parts_.raft.status();
    ClusterView view{
        .self = status.id,
        .now = std::chrono::duration_cast<raft::Instant>(Clock::now().time_since_epoch()),
        .configuration = status.configuration,
        .peers = status.peers};
    for (const model::Server* server : parts_.raft.registry().tables().servers())
        view.servers.push_back(*server);
    return view;
}

io::Task<Result<void>> Upkeep::carry_out(Autopilot::Step step) {
    using Kind = raft::ChangeMembership::Kind;
    if (const auto* add = std::get_if<Autopilot::AddLearner>(&step))
        co_return co_await change(Kind::add_learner, add->server);
    if (const auto* promote = std::get_if<Autopilot::Promote>(&step))
        co_return co_await change(Kind::promote, promote->server);
    if (const auto* drop = std::get_if<Autopilot::Drop>(&step))
        co_return co_await change(Kind::remove, drop->server);
    if (const auto* forget = std::get_if<Autopilot::Forget>(&step))
        co_return co_await propose(model::RemoveServer{.id = forget->server});
    if (const auto* dead = std::get_if<Autopilot::SendAway>(&step))
        co_return co_await send_away(*dead);
    if (std::holds_alternative<Autopilot::HandOver>(step))
        co_return co_await parts_.raft.transfer_leadership(raft::no_server, step_timeout);
    co_return Result<void>();
}

io::Task<Result<void>> Upkeep::change(raft::ChangeMembership::Kind kind, raft::ServerId server) {
    const model::Server* row = parts_.raft.registry().tables().server(server);
    const std::string name = row == nullptr ? std::format("{:016x}", server) : row->name;
    Result<void> changed =
        co_await parts_.raft.change_membership({.kind = kind, .server = server}, step_timeout);
    if (!changed) co_return fail(std::move(changed.error()), "server " + name);
    using Kind = raft::ChangeMembership::Kind;
    log::info(kind == Kind::add_learner ? "a server gets the log, to catch up"
              : kind == Kind::promote   ? "a server has caught up: it votes now"
                                        : "a server was removed: it votes no longer",
              {{"server", name}});
    co_return changed;
}

io::Task<Result<void>> Upkeep::propose(model::Command command) {
    Result<registry::Outcome> outcome =
        co_await parts_.raft.propose({.command = std::move(command),
                                      .actor = "server:" + parts_.cluster.self().name,
                                      .proposed_at = io::wall_now()},
                                     step_timeout);
    if (!outcome) co_return fail(std::move(outcome.error()));
    co_return Result<void>();
}

io::Task<Result<void>> Upkeep::send_away(Autopilot::SendAway step) {
    const auto* row = parts_.raft.registry().tables().get<model::Server>(step.name);
    if (row == nullptr) co_return Result<void>();
    model::Server leaving = *row;
    leaving.leaving = true;
    log::warn("a server was silent for too long and is removed",
              {{"server", step.name}, {"silent", format_duration(step.silent)}});
    co_return co_await propose(model::PutServer{.server = std::move(leaving)});
}

// --- our own row ------------------------------------------------------------------------------

io::Task<void> Upkeep::keep_own_row() {
    do {
        if (std::optional<model::Server> row = own_row_to_write()) {
            const Result<void> written = co_await propose(model::PutServer{.server = *row});
            tell(written, "this server's own row is not up to date");
        }
    } while (co_await io::sleep(row_interval));
}

// The first server has no row yet; one without a row among others was removed, and stays so.
std::optional<model::Server> Upkeep::own_row_to_write() const {
    if (!parts_.sessions.serving() || !parts_.raft.status().configuration.names(parts_.raft.id()))
        return std::nullopt;
    const registry::Tables& tables = parts_.raft.registry().tables();
    const model::Server* known = tables.server(parts_.raft.id());
    if (known == nullptr && !tables.servers().empty()) return std::nullopt;
    model::Server row{.id = parts_.raft.id(),
                      .name = parts_.cluster.self().name,
                      .addresses = parts_.cluster.self().addresses,
                      .version = parts_.version,
                      .level = model::newest_level,
                      .joined_at = known == nullptr ? io::wall_now() : known->joined_at,
                      .leaving = known != nullptr && known->leaving};
    if (known != nullptr && *known == row) return std::nullopt;
    return row;
}

void Upkeep::tell(const Result<void>& result, std::string_view what) {
    const std::string text = result ? "" : result.error().message;
    if (!result && text != told_) log::warn(what, {{"error", text}});
    if (!result) told_ = text;
}

} // namespace hawser::server
