// Servers that come and go, as whole programs in one process.
#include <filesystem>

#include "base/bytes.h"
#include "model/command.h"
#include "model/proto/cluster.pb.h"
#include "server/authority_keeper.h"
#include "server/mesh_fixture.h"
#include "server/recover.h"
#include "server/secret_files.h"
#include "server/server_join.h"
#include "server/storage.h"

namespace hawser::server::test {

namespace {

std::string server_token(MeshFixture& mesh, const std::string& name) {
    v1::CreateTokenRequest request;
    request.set_server(name);
    const auto created = mesh.call<v1::CreateTokenResponse>("CreateToken", request);
    if (!created) FAIL(created.error().message);
    return created->token();
}

// A further server of the mesh.
class FurtherServer {
  public:
    FurtherServer(MeshFixture& mesh, std::string name) : mesh_(mesh), config(mesh.config) {
        config.node = std::move(name);
        config.data_dir = mesh.directory.file(config.node);
        config.socket = mesh.directory.file(config.node + ".sock");
        config.listen = *Endpoint::parse("127.0.0.1:0");
    }
    ~FurtherServer() {
        if (server) stop();
    }
    Result<ServerJoinResult> join(const std::string& token) {
        return mesh_.runner.run(
            join_cluster({.config = config, .token = token, .servers = {}, .version = "test"}));
    }
    void start() {
        Result<std::unique_ptr<Server>> opened =
            mesh_.runner.run(Server::open(mesh_.runner.executor(), config, "test"));
        if (!opened) FAIL(opened.error().message);
        server = std::move(*opened);
        config.listen = server->endpoint();
        tasks_ = std::make_unique<io::TaskGroup>(mesh_.runner.executor());
        tasks_->spawn(run());
    }
    void stop() {
        server->stop();
        mesh_.runner.run(tasks_->join());
        server.reset();
    }

  private:
    io::Task<void> run() { (void)co_await server->run(); }
    MeshFixture& mesh_;
    std::unique_ptr<io::TaskGroup> tasks_;

  public:
    config::ServerConfig config;
    std::unique_ptr<Server> server;
};

// What a server asks when it joins.
v1::ServerJoinRequest join_request(const std::string& token, std::uint64_t id,
                                   const std::string& own_secret) {
    const Result<ca::JoinTokenText> text = ca::JoinTokenText::parse(token);
    REQUIRE(text.has_value());
    v1::ServerJoinRequest request;
    request.set_token_id(text->id);
    request.set_token_secret(text->secret);
    request.set_own_secret(own_secret);
    *request.mutable_server() = model::to_proto(model::Server{.id = id,
                                                              .name = text->server,
                                                              .addresses = {},
                                                              .version = "test",
                                                              .level = model::newest_level});
    return request;
}

// As anybody can who has the token's text.
Result<v1::ServerJoinResponse> ask_to_join(MeshFixture& mesh, v1::ServerJoinRequest request) {
    const auto pin = tls::sha256(as_bytes(mesh.server->trust_domain().roots.front()));
    auto client =
        mesh.runner.run(rpc::Client::connect_tls(mesh.server->endpoint(), mesh.pinned(pin)));
    if (!client) FAIL(client.error().message);
    return mesh.runner.run(
        (*client)->call<v1::ServerJoinResponse>("/hawser.v1.Peer/Join", std::move(request)));
}

// A removed server that still runs, as its operators find it.
Error refusal_of(MeshFixture& mesh, const FurtherServer& server) {
    auto client = mesh.runner.run(rpc::Client::connect_unix(server.config.socket));
    if (!client) FAIL(client.error().message);
    v1::GetRequest request;
    request.set_kind("service");
    const auto got =
        mesh.runner.run((*client)->call<v1::GetResponse>("/hawser.v1.Api/Get", request));
    return got ? Error() : got.error();
}

std::size_t voters(const MeshFixture& mesh) {
    return mesh.server->raft_status().configuration.voters.size();
}

} // namespace

TEST_CASE("a further server joins with its token, votes, and is removed again") {
    MeshFixture mesh;
    REQUIRE(mesh.apply({make_service("before")}).has_value());
    FurtherServer second(mesh, "s2");
    const std::string token = server_token(mesh, "s2");
    const Result<ServerJoinResult> joined = second.join(" " + token + "\n");
    if (!joined) FAIL(joined.error().message);
    CHECK_FALSE(joined->already);
    CHECK(joined->others == std::vector<std::string>{"s1"});
    CHECK(second.join(token)->already);
    second.start();
    mesh.runner.until([&] { return voters(mesh) == 2; });
    mesh.runner.until([&] {
        return second.server->registry().tables().get<model::Service>("before") != nullptr;
    });
    CHECK(second.server->trust_domain().epoch == mesh.server->trust_domain().epoch);
    const Result<v1::ApplyResponse> written = mesh.apply({make_service("both")});
    if (!written) FAIL(written.error().message);

    // Its token was for it, once.
    FurtherServer third(mesh, "s3");
    CHECK(third.join(token).error().message.contains("is for the server 's2'"));
    FurtherServer impostor(mesh, "s2");
    impostor.config.data_dir = mesh.directory.file("elsewhere");
    CHECK(impostor.join(token).error().message.contains("was used already"));

    v1::RemoveServerRequest remove;
    remove.set_name("s2");
    const auto removed = mesh.call<v1::RemoveServerResponse>("RemoveServer", remove);
    if (!removed) FAIL(removed.error().message);
    mesh.runner.until([&] { return voters(mesh) == 1; });
    mesh.runner.until([&] { return mesh.server->registry().tables().servers().size() == 1; });
    CHECK(mesh.apply({make_service("alone")}).has_value());

    // It runs on, and says what it is. With its old data it cannot come back.
    mesh.runner.until(
        [&] { return refusal_of(mesh, second).message.contains("this server was removed"); });
    CHECK(second.join(server_token(mesh, "s2")).error().message.contains("was removed"));
    second.stop();
    CHECK(second.join(server_token(mesh, "s2")).error().message.contains("was removed"));
}

TEST_CASE("a used token gives the authority's keys to nobody but its user") {
    MeshFixture mesh;
    const std::string token = server_token(mesh, "s2");
    const auto first = ask_to_join(mesh, join_request(token, 7, std::string(32, 'a')));
    if (!first) FAIL(first.error().message);
    CHECK(first->intermediate_key().empty()); // sealed, in the welcome
    CHECK(ca::SealingKey::parse(first->sealing_key())->id() ==
          first->welcome().authority().sealing_key_id());
    const auto again = ask_to_join(mesh, join_request(token, 7, std::string(32, 'a')));
    if (!again) FAIL(again.error().message);
    CHECK(again->SerializeAsString() == first->SerializeAsString());

    const auto refused = [&](std::uint64_t id, const std::string& own_secret) {
        const auto answer = ask_to_join(mesh, join_request(token, id, own_secret));
        return !answer && answer.error().code == ErrorCode::already_exists &&
               answer.error().message.contains("was used already");
    };
    CHECK(refused(7, std::string(32, 'b')));
    CHECK(refused(7, tls::sha256(as_bytes(std::string(32, 'a'))))); // what the cluster keeps
    CHECK(refused(7, ""));
    CHECK(refused(8, std::string(32, 'a')));
    CHECK(mesh.server->registry().tables().server(8) == nullptr);
}

TEST_CASE("where the operator brings the sealing key, a new server must have it first") {
    MeshFixture mesh;
    mesh.stop_server();
    const std::string own = mesh.config.data_dir + "/ca/sealing.key";
    const std::string file = mesh.directory.file("ca.key"), other = mesh.directory.file("other");
    std::filesystem::rename(own, file);
    REQUIRE(write_secret_file(other, ca::SealingKey::make().to_text()));
    mesh.config.ca.sealing_key_file = file;
    mesh.start_server();
    FurtherServer second(mesh, "s2");
    const std::string token = server_token(mesh, "s2");
    second.config.ca.sealing_key_file.reset();
    CHECK(second.join(token).error().message.contains("operator's to bring"));
    second.config.ca.sealing_key_file = other;
    CHECK(second.join(token).error().message.contains("the new server has "));
    second.config.ca.sealing_key_file = file; // the token was not used up
    const Result<ServerJoinResult> joined = second.join(token);
    if (!joined) FAIL(joined.error().message);
    CHECK_FALSE(std::filesystem::exists(second.config.data_dir + "/ca/sealing.key"));
    second.start();
    mesh.runner.until([&] { return voters(mesh) == 2; });
}

TEST_CASE("a server that has only the key files of before asks the others for the sealing key") {
    MeshFixture mesh;
    FurtherServer second(mesh, "s2");
    REQUIRE(second.join(server_token(mesh, "s2")).has_value());
    second.start();
    mesh.runner.until([&] { return voters(mesh) == 2; });
    second.stop();
    const std::string folder = second.config.data_dir + "/ca";
    const ca::OpenSigner signer = ca::open(mesh.server->registry().tables().authority()->active,
                                           read_sealing_key(sealing_key_place(mesh.config)).value())
                                      .value();
    std::filesystem::remove(folder + "/sealing.key");
    REQUIRE(store_authority(second.config.data_dir, {.root_der = signer.root,
                                                     .root_key_pem = signer.root_key.text(),
                                                     .intermediate_der = signer.chain.front(),
                                                     .intermediate_key_pem = signer.key.text()}));
    second.start();
    mesh.runner.until([&] { return !std::filesystem::exists(folder + "/intermediate.key"); });
    CHECK(read_secret_file(folder + "/sealing.key").value() ==
          read_secret_file(mesh.config.data_dir + "/ca/sealing.key").value());
}

TEST_CASE("a server that shows no secret joins, once") {
    MeshFixture mesh;
    const v1::ServerJoinRequest request = join_request(server_token(mesh, "s2"), 7, "");
    REQUIRE(ask_to_join(mesh, request).has_value());
    const auto again = ask_to_join(mesh, request);
    REQUIRE_FALSE(again.has_value());
    CHECK(again.error().code == ErrorCode::already_exists);
}

TEST_CASE("a server whose answer was lost has it when it asks again") {
    MeshFixture mesh;
    FurtherServer second(mesh, "s2");
    const std::string token = server_token(mesh, "s2");
    ca::JoinTokenText astray = *ca::JoinTokenText::parse(token);
    astray.root_pin[0] = static_cast<char>(astray.root_pin[0] ^ 1);
    REQUIRE_FALSE(second.join(astray.to_text()).has_value()); // breaks off: no server has that root
    const std::string secret_file = second.config.data_dir + "/join-secret";
    const Result<std::string> secret = read_secret_file(secret_file); // and so of mode 0600
    if (!secret) FAIL(secret.error().message);
    CHECK(secret->size() == 32);
    const raft::ServerId id = open_storage(second.config.data_dir)->log.id();
    REQUIRE(ask_to_join(mesh, join_request(token, id, *secret)).has_value()); // and lost

    const Result<ServerJoinResult> joined = second.join(token);
    if (!joined) FAIL(joined.error().message);
    CHECK_FALSE(joined->already);
    CHECK_FALSE(std::filesystem::exists(secret_file));
}

TEST_CASE("the last server cannot be removed") {
    MeshFixture mesh;
    v1::RemoveServerRequest remove;
    remove.set_name("s1");
    mesh.runner.until([&] { return mesh.server->registry().tables().servers().size() == 1; });
    const auto removed = mesh.call<v1::RemoveServerResponse>("RemoveServer", remove);
    REQUIRE_FALSE(removed);
    CHECK(removed.error().message.contains("only one that votes"));
}

TEST_CASE("a server whose companions are gone for good goes on alone") {
    MeshFixture mesh;
    {
        FurtherServer second(mesh, "s2");
        REQUIRE(second.join(server_token(mesh, "s2")).has_value());
        second.start();
        mesh.runner.until([&] { return voters(mesh) == 2; });
        REQUIRE(mesh.apply({make_service("kept")}).has_value());
        mesh.stop_server();
        const Result<Recovery> plan = plan_recovery(mesh.config);
        if (!plan) FAIL(plan.error().message);
        CHECK(plan->others.at(0).answers_at == second.server->endpoint());
        mesh.start_server();
    }
    const std::uint64_t epoch = mesh.server->trust_domain().epoch;
    CHECK(plan_recovery(mesh.config).error().code == ErrorCode::failed_precondition); // it runs
    mesh.stop_server();
    const Result<Recovery> plan = plan_recovery(mesh.config);
    if (!plan) FAIL(plan.error().message);
    REQUIRE(plan->others.size() == 1);
    CHECK(plan->others.front().name == "s2");
    CHECK_FALSE(plan->others.front().answers_at); // it was stopped
    CHECK(plan->trust_domain == "hawser.local");
    REQUIRE(recover(mesh.config).has_value());
    const auto since = [&] {
        mesh.start_server();
        const WallTime time = mesh.server->trust_domain().epoch_since;
        mesh.stop_server();
        return time;
    };
    const WallTime first = since();
    CHECK(first > 0);
    REQUIRE(recover(mesh.config).has_value()); // as after a crash in the middle
    CHECK(since() > first);
    mesh.start_server();
    CHECK(voters(mesh) == 1);
    CHECK(mesh.server->trust_domain().epoch != epoch);
    CHECK(mesh.server->registry().tables().get<model::Service>("kept") != nullptr);
    REQUIRE(mesh.apply({make_service("new")}).has_value());
    mesh.runner.until([&] { return mesh.server->registry().tables().servers().size() == 1; });
    mesh.restart_server();
    CHECK(mesh.apply({make_service("newer")}).has_value());
}

} // namespace hawser::server::test
