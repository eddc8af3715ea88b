#include "server/recover.h"

#include <unistd.h>

#include <algorithm>
#include <asio/this_coro.hpp>
#include <chrono>
#include <format>
#include <utility>

#include "io/clock.h"
#include "io/socket.h"
#include "io/task_group.h"
#include "model/command.h"
#include "registry/registry.h"
#include "server/audit_entries.h"
#include "server/audit_trail.h"
#include "server/only_member.h"
#include "server/storage.h"

namespace hawser::server {

namespace {

// What the data directory holds, with the whole log applied.
struct Survivor {
    raft::ServerId id = raft::no_server;
    raft::HardState hard_state{};
    raft::Position last{};
    raft::Index stored = 0; // applied before
    registry::Registry registry;
};

// A snapshot that was installed counts more than a log that did not follow it (raft/core.h).
void follow_snapshot(raft::Restored& log, const raft::Base& snapshot) {
    const auto same = std::ranges::find(log.entries, snapshot.position.index, &raft::Entry::index);
    if (snapshot.position.index <= log.base.position.index) return;
    if (same == log.entries.end() || same->term != snapshot.position.term) {
        log.entries.clear();
        log.base = snapshot;
    }
}

Result<void> apply_log(const raft::Restored& log, Survivor& survivor) {
    survivor.last = log.base.position;
    if (log.base.position.index > survivor.stored)
        return fail(ErrorCode::corrupt, "the registry's rows are older than the log");
    for (const raft::Entry& entry : log.entries) {
        survivor.last = entry.position();
        if (entry.index <= survivor.stored || entry.kind != raft::EntryKind::command) continue;
        const Result<model::CommandEnvelope> envelope = model::decode_command(*entry.data);
        if (!envelope) return fail(envelope.error(), std::format("log entry {}", entry.index));
        (void)survivor.registry.apply(entry.index, *envelope); // a refusal is an outcome, too
    }
    if (survivor.last.index >= survivor.stored) return {};
    return fail(ErrorCode::corrupt, "the log is older than the registry's rows");
}

Result<Survivor> read_survivor(Storage& storage) {
    if (storage.log.id() == raft::no_server) {
        return fail(ErrorCode::failed_precondition,
                    std::format("{} holds no registry", storage.directory.path()));
    }
    Result<store::State> state = storage.state.load();
    if (!state) return fail(std::move(state.error()), "reading the registry");
    Result<raft::Restored> log = storage.log.load();
    if (!log) return fail(std::move(log.error()), "reading the raft log");
    if (state->installed) follow_snapshot(*log, *state->installed);
    Result<registry::Registry> registry =
        registry::Registry::restore(std::move(state->rows), state->meta);
    if (!registry) return fail(std::move(registry.error()), "reading the registry");
    Survivor survivor{.id = storage.log.id(),
                      .hard_state = log->hard_state,
                      .stored = state->applied,
                      .registry = std::move(*registry)};
    if (Result<void> applied = apply_log(*log, survivor); !applied)
        return fail(std::move(applied.error()), storage.directory.path());
    if (survivor.registry.tables().trust() != nullptr) return survivor;
    return fail(ErrorCode::failed_precondition,
                std::format("{} holds no trust domain: this server had not caught up when the "
                            "others were lost",
                            storage.directory.path()));
}

Recovery describe(const Survivor& survivor, const config::ServerConfig& config) {
    Recovery recovery{.trust_domain = survivor.registry.tables().trust()->name,
                      .server = config.node,
                      .others = {},
                      .index = survivor.registry.index()};
    for (const model::Server* server : survivor.registry.tables().servers()) {
        if (server->id != survivor.id)
            recovery.others.push_back({.name = server->name, .addresses = server->addresses});
    }
    return recovery;
}

Result<Recovery> read_plan(const config::ServerConfig& config) {
    Result<Storage> storage = open_storage(config.data_dir);
    if (!storage) return fail(std::move(storage.error()));
    const Result<Survivor> survivor = read_survivor(*storage);
    if (!survivor) return fail(survivor.error());
    return describe(*survivor, config);
}

// --- are the others gone? ---------------------------------------------------------------------

constexpr std::chrono::milliseconds dial_timeout{2'000};

// Not with TLS: one whose certificate is wrong runs all the same.
io::Task<void> dial(Endpoint address, std::optional<Endpoint>& answers_at) {
    const Result<io::Socket> socket = co_await io::connect_tcp(co_await asio::this_coro::executor,
                                                               address, {.timeout = dial_timeout});
    if (socket) answers_at = address;
}

io::Task<void> dial_all(std::vector<Recovery::Other>& others, io::Loop& loop) {
    io::TaskGroup tasks(loop.executor());
    for (Recovery::Other& other : others) {
        for (const Endpoint& address : other.addresses)
            tasks.spawn(dial(address, other.answers_at));
    }
    co_await tasks.join();
    loop.stop();
}

void dial_others(Recovery& plan) {
    io::Loop loop("recover");
    io::TaskGroup tasks(loop.executor());
    tasks.spawn(dial_all(plan.others, loop));
    loop.run();
}

} // namespace

Result<Recovery> plan_recovery(const config::ServerConfig& config) {
    Result<Recovery> plan = read_plan(config);
    if (plan) dial_others(*plan);
    return plan;
}

Result<Recovery> recover(const config::ServerConfig& config) {
    Result<Storage> storage = open_storage(config.data_dir);
    if (!storage) return fail(std::move(storage.error()));
    const Result<Survivor> survivor = read_survivor(*storage);
    if (!survivor) return fail(survivor.error());
    model::TrustDomain domain = *survivor->registry.tables().trust();
    const std::optional<audit::Head> known =
        known_audit_head(survivor->registry.tables(), config.node);
    Result<void> recorded = record_offline(config, known,
                                           {.kind = "recover",
                                            .who = std::format("uid:{}", ::geteuid()),
                                            .what = {"trust_domain " + domain.name},
                                            .index = survivor->last.index});
    if (!recorded) return fail(std::move(recorded.error()));
    begin_epoch(domain, io::wall_now());
    const store::State state = state_of_only_member(
        survivor->id, {.index = survivor->last.index, .term = survivor->last.term},
        survivor->registry.meta(), survivor->registry.rows(), std::move(domain));
    // A snapshot may have been installed whose term the log did not hear of any more.
    const raft::HardState hard_state{
        .term = std::max(survivor->hard_state.term, survivor->last.term) + 1};
    if (Result<void> stored = storage->state.replace(state); !stored)
        return fail(std::move(stored.error()), config.data_dir);
    const raft::Persist reset{
        .sequence = 1, .hard_state = hard_state, .reset = state.installed, .entries = {}};
    if (Result<void> stored = storage->log.persist({&reset, 1}); !stored)
        return fail(std::move(stored.error()), config.data_dir);
    return describe(*survivor, config);
}

} // namespace hawser::server
