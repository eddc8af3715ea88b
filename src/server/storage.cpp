#include "server/storage.h"

#include <format>
#include <utility>

#include "base/unique_id.h"

namespace hawser::server {

namespace {

// What the registry is as of: found in the log, or in the snapshot that it was installed from.
raft::Base applied_base(const raft::Restored& log) {
    raft::Base base = log.base;
    if (log.snapshot && log.snapshot->position.index > base.position.index) base = *log.snapshot;
    for (const raft::Entry& entry : log.entries) {
        if (entry.index <= base.position.index || entry.index > log.applied) continue;
        base.position = entry.position();
        if (entry.kind != raft::EntryKind::configuration) continue;
        // One that does not decode is for the core to refuse.
        if (auto decoded = raft::decode_configuration(*entry.data); decoded)
            base.configuration = std::move(*decoded);
    }
    return base;
}

} // namespace

Result<Storage> open_storage(const std::string& data_dir) {
    Result<store::DataDir> directory = store::DataDir::open(data_dir);
    if (!directory) return fail(std::move(directory.error()));
    Result<store::LogStore> log = store::LogStore::open(directory->file("log.db"));
    if (!log) return fail(std::move(log.error()), "opening the raft log");
    Result<store::StateStore> state = store::StateStore::open(directory->file("state.db"));
    if (!state) return fail(std::move(state.error()), "opening the registry");
    return Storage{
        .directory = std::move(*directory), .log = std::move(*log), .state = std::move(*state)};
}

Result<RestoredServer> restore_server(Storage storage, raft::Options options) {
    Result<store::State> state = storage.state.load();
    if (!state) return fail(std::move(state.error()), "reading the registry");
    Result<raft::Restored> restored = storage.log.load();
    if (!restored) return fail(std::move(restored.error()), "reading the raft log");
    restored->applied = state->applied;
    restored->snapshot = state->installed;
    raft::Base applied = applied_base(*restored);
    options.seed = new_unique_id();
    Result<raft::Core> core = raft::Core::restore(std::move(*restored), options);
    if (!core) return fail(std::move(core.error()), "reading " + storage.directory.path());
    Result<registry::Registry> registry =
        registry::Registry::restore(std::move(state->rows), state->meta);
    if (!registry) return fail(std::move(registry.error()), "reading the registry");
    if (registry->index() > state->applied) {
        return fail(ErrorCode::corrupt, std::format("the registry claims entry {}, of {} applied",
                                                    registry->index(), state->applied));
    }
    return RestoredServer{.storage = std::move(storage),
                          .core = std::move(*core),
                          .registry = std::move(*registry),
                          .applied = std::move(applied)};
}

} // namespace hawser::server
