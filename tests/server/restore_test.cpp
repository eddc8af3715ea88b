// A mesh that goes on from an older copy of its registry.
#include "server/restore.h"

#include <fstream>

#include "model/proto/cluster.pb.h"
#include "server/mesh_fixture.h"
#include "store/snapshot_file.h"

namespace hawser::server::test {

namespace {

io::Task<Result<std::string>> read_pieces(rpc::Client& client) {
    auto stream = co_await client.open_stream("/hawser.v1.Api/SaveSnapshot");
    if (!stream) co_return fail(std::move(stream.error()));
    (void)co_await (*stream)->write(v1::SaveSnapshotRequest().SerializeAsString(),
                                    std::chrono::milliseconds(5'000));
    std::string all;
    while (true) {
        auto bytes = co_await (*stream)->read(std::chrono::milliseconds(10'000));
        if (!bytes) co_return fail(std::move(bytes.error()));
        v1::SnapshotPiece piece;
        if (!*bytes || !piece.ParseFromString(**bytes)) {
            co_return fail(ErrorCode::corrupt, "the stream ended early");
        }
        all += piece.data();
        if (piece.last()) co_return all;
    }
}

void save(MeshFixture& mesh, const std::string& path) {
    const Result<std::string> bytes = mesh.runner.run(read_pieces(mesh.operator_client()));
    if (!bytes) FAIL(bytes.error().message);
    Result<store::SnapshotFile> file = store::SnapshotFile::create(path);
    REQUIRE(file.has_value());
    REQUIRE(file->append(*bytes).has_value());
    REQUIRE(file->keep().has_value());
}

} // namespace

TEST_CASE("a mesh goes on from a snapshot, and its agents forget what came after it") {
    MeshFixture mesh;
    const std::string file = mesh.directory.file("saved"), old_dir = mesh.config.data_dir;
    const Host host = mesh.must_join("web-1", {"web"});
    REQUIRE(mesh.apply({make_service("kept")}).has_value());
    save(mesh, file);
    const std::uint64_t lost = mesh.apply({make_service("lost")})->index();
    const std::uint64_t epoch = mesh.server->trust_domain().epoch;
    mesh.stop_server();

    CHECK(restore_snapshot(mesh.config, file, old_dir + "/ca").error().code ==
          ErrorCode::already_exists);
    mesh.config.data_dir = mesh.directory.file("new");
    const Result<RestoreResult> no_keys =
        restore_snapshot(mesh.config, file, mesh.config.data_dir + "/ca");
    REQUIRE_FALSE(no_keys);
    CHECK(no_keys.error().message.contains("--ca"));
    const Result<RestoreResult> restored = restore_snapshot(mesh.config, file, old_dir + "/ca");
    if (!restored) FAIL(restored.error().message);
    CHECK(restored->trust_domain == "hawser.local");
    mesh.start_server();
    CHECK(mesh.server->trust_domain().epoch != epoch);
    CHECK(mesh.server->trust_domain().epoch_since > 0);

    // The same mesh: its hosts are still in it, and it can be written to.
    REQUIRE(mesh.apply({make_service("new")}).has_value());
    while (mesh.server->registry().index() <= lost) {
        REQUIRE(mesh.apply({make_service("s" + std::to_string(mesh.server->registry().index()))})
                    .has_value());
    }
    TestAgent agent(mesh, host, lost, epoch);
    REQUIRE(agent.follow_to(mesh.server->registry().index()));
    CHECK(agent.resets == 1);
    const model::SnapshotPtr state = agent.mesh_state.build();
    CHECK(state->service("kept") != nullptr);
    CHECK(state->service("new") != nullptr);
    CHECK(state->service("lost") == nullptr);
    mesh.restart_server();
    CHECK(mesh.apply({make_service("newer")}).has_value());
}

TEST_CASE("a snapshot is restored with the sealing key of its own mesh only") {
    MeshFixture mesh, other;
    const std::string file = mesh.directory.file("saved");
    save(mesh, file);
    config::ServerConfig config = mesh.config;
    config.data_dir = mesh.directory.file("new");
    const Result<RestoreResult> wrong =
        restore_snapshot(config, file, other.config.data_dir + "/ca");
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().message.contains("it is sealed under the key "));
    // Nobody who has the snapshot alone has the keys.
    std::ifstream saved(file, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(saved)), {});
    CHECK(bytes.find("PRIVATE KEY") == std::string::npos);
}

} // namespace hawser::server::test
