#include "server/storage.h"

#include <array>
#include <bit>
#include <format>
#include <utility>

#include "base/random.h"

namespace hawser::server {

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
    std::array<std::uint8_t, sizeof options.seed> seed{};
    fill_secure_random(seed);
    options.seed = std::bit_cast<std::uint64_t>(seed);
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
                          .applied = state->applied};
}

} // namespace hawser::server
