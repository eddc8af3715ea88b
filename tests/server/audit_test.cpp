// What a server records before it does it, and what it refuses because it cannot.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "audit/reader.h"
#include "base/bytes.h"
#include "model/proto/audit.pb.h"
#include "model/proto/trust.pb.h"
#include "server/mesh_fixture.h"

namespace hawser::server::test {

namespace {

namespace fs = std::filesystem;

std::vector<v1::AuditRecord> records(MeshFixture& mesh, const std::string& kind = "") {
    v1::ListAuditRequest request;
    request.set_kind(kind);
    request.set_most(1000);
    const auto listed = mesh.runner.run(
        mesh.operator_client().call<v1::ListAuditResponse>("/hawser.v1.Audit/List", request));
    if (!listed) FAIL(listed.error().message);
    CHECK(listed->unreadable() == 0);
    return {listed->records().begin(), listed->records().end()};
}

v1::VerifyAuditResponse verify(MeshFixture& mesh) {
    const auto verified = mesh.runner.run(mesh.operator_client().call<v1::VerifyAuditResponse>(
        "/hawser.v1.Audit/Verify", v1::VerifyAuditRequest()));
    if (!verified) FAIL(verified.error().message);
    return *verified;
}

std::string only_file(const MeshFixture& mesh) {
    const auto names = audit::list_files(mesh.config.data_dir + "/audit");
    REQUIRE(names.has_value());
    REQUIRE(names->size() == 1);
    return mesh.config.data_dir + "/audit/" + names->front().name;
}

std::string read(const std::string& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return std::move(text).str();
}

bool warned_of(MeshFixture& mesh, std::string_view part) {
    const auto status =
        mesh.call<v1::ServerStatusResponse>("ServerStatus", v1::ServerStatusRequest());
    REQUIRE(status.has_value());
    return std::ranges::any_of(status->warnings(),
                               [&](const std::string& text) { return text.contains(part); });
}

} // namespace

TEST_CASE(
    "what operators and nodes change is recorded: by whom, from where, and what became of it") {
    MeshFixture mesh;
    REQUIRE(mesh.apply({make_service("api")}).has_value());
    const Result<v1::ApplyResponse> second = mesh.apply({make_service("web")});
    const auto applied = records(mesh, "apply");
    REQUIRE(applied.size() == 2);
    CHECK(applied[1].who().starts_with("operator:"));
    CHECK(applied[1].source().starts_with("127.0.0.1:"));
    CHECK(applied[1].server() == "s1");
    REQUIRE(applied[1].what_size() == 1);
    CHECK(applied[1].what(0) == "service web");
    CHECK(applied[1].index() == second->index());
    CHECK(applied[1].result() == "done");
    // What changes nothing, or is refused beforehand, is no change.
    REQUIRE(mesh.apply({make_service("web")}).has_value());
    CHECK_FALSE(mesh.apply({make_service("No Name")}).has_value());
    CHECK(records(mesh, "apply").size() == 2);
    CHECK(records(mesh, "init").size() == 1);
    CHECK(records(mesh, "server_change").size() == 1); // its own row
}

TEST_CASE("every certificate is recorded before it leaves, and no secret ever") {
    MeshFixture mesh;
    const ca::JoinTokenText token = mesh.create_token("web-1", {"web"});
    const Result<Host> host = mesh.join(token);
    REQUIRE(host.has_value());
    REQUIRE(mesh.sign(*host, "web",
                      {.trust_domain = mesh.config.trust_domain,
                       .kind = model::IdentityKind::service,
                       .name = "web"})
                .has_value());
    const auto certificates = records(mesh, "certificate");
    REQUIRE(certificates.size() == 3); // and the server's own
    CHECK(certificates[0].what(0) == "spiffe://hawser.local/server/s1");
    CHECK(certificates[1].what(0) == "spiffe://hawser.local/node/web-1");
    CHECK(certificates[2].what(0) == "spiffe://hawser.local/svc/web");
    CHECK(certificates[2].who() == "node:web-1");
    const auto chain = tls::chain_from_pem(host->joined.node_chain());
    REQUIRE(chain.has_value());
    CHECK(
        certificates[1].detail().contains(to_hex(as_bytes(tls::sha256(as_bytes(chain->front()))))));
    CHECK(records(mesh, "node_join").size() == 1);
    CHECK(records(mesh, "token_create").size() == 1);
    const std::string log = read(only_file(mesh));
    CHECK_FALSE(log.contains(token.secret));
    CHECK_FALSE(log.contains(to_base64url(as_bytes(token.secret))));
    CHECK_FALSE(log.contains(to_hex(as_bytes(ca::hash_secret(token.secret)))));
    CHECK_FALSE(log.contains(mesh.init_result.operator_token));
}

TEST_CASE(
    "registrations are recorded when they change, not when they are repeated or health does") {
    MeshFixture mesh;
    const Host host = mesh.must_join("web-1", {"web"});
    TestAgent agent(mesh, host);
    model::Instance instance = make_instance("web-1", "web");
    const auto registered = [&](std::vector<model::Instance> instances) {
        agent.register_instances(instances);
        REQUIRE(agent.read_until([&] { return agent.registered.has_value(); }));
        return records(mesh, "register").size();
    };
    CHECK(registered({instance}) == 1);
    CHECK(registered({instance}) == 1);
    instance.health = model::Health::critical;
    instance.health_reason = "it does not answer";
    CHECK(registered({instance}) == 1);
    instance.weight = 7;
    CHECK(registered({instance}) == 2);
    CHECK(registered({}) == 3);
}

TEST_CASE("what an operator does that is no command is recorded as a call") {
    MeshFixture mesh;
    const auto renewed = mesh.runner.run(mesh.operator_client().call<v1::RenewCertificatesResponse>(
        "/hawser.v1.Trust/RenewCertificates", v1::RenewCertificatesRequest()));
    REQUIRE(renewed.has_value());
    const auto acts = records(mesh, "act");
    REQUIRE(acts.size() == 1);
    CHECK(acts[0].method() == "/hawser.v1.Trust/RenewCertificates");
    CHECK(records(mesh, "certificate").size() == 2);
}

// Another file of the log is due, and cannot be made: as on a disk that is full.
TEST_CASE("what cannot be recorded is refused before it happens") {
    MeshFixture mesh;
    const ca::JoinTokenText token = mesh.create_token("web-1", {"web"});
    mesh.config.audit.file_bytes = 1;
    mesh.restart_server();
    const std::string folder = mesh.config.data_dir + "/audit";
    fs::rename(folder, folder + ".away");
    const Result<v1::ApplyResponse> refused = mesh.apply({make_service("api")});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().message.contains("it cannot be recorded in the audit log"));
    CHECK_FALSE(mesh.join(token).has_value());
    const registry::Tables& tables = mesh.server->registry().tables();
    CHECK(tables.get<model::Service>("api") == nullptr);
    CHECK(tables.get<model::Node>("web-1") == nullptr);
    CHECK(warned_of(mesh, "nothing can be recorded"));
    fs::rename(folder + ".away", folder);
    CHECK(mesh.apply({make_service("api")}).has_value());
    CHECK_FALSE(warned_of(mesh, "nothing can be recorded"));
    CHECK(mesh.join(token).has_value());
    CHECK(verify(mesh).problem().empty());
}

TEST_CASE("the registry learns how far the log has come, and finds one that was shortened") {
    MeshFixture mesh;
    REQUIRE(mesh.apply({make_service("api")}).has_value());
    mesh.restart_server(); // it tells when it stops
    const auto* head = mesh.server->registry().tables().get<model::AuditHead>("s1");
    REQUIRE(head != nullptr);
    CHECK(verify(mesh).compared() == head->sequence);
    CHECK(verify(mesh).problem().empty());
    mesh.stop_server();
    const std::string file = only_file(mesh);
    std::string text = read(file);
    // Two whole records fewer.
    for (int i = 0; i < 2; ++i) text.resize(text.find_last_of('\n', text.size() - 2) + 1);
    std::ofstream(file, std::ios::trunc) << text;
    mesh.start_server();
    CHECK(verify(mesh).problem().contains("another chain begins"));
    CHECK(verify(mesh).problem().contains("but the registry knows record"));
    CHECK(warned_of(mesh, "the audit log was damaged"));
}

TEST_CASE("a log that was rewritten while the server runs is found by what the registry knows") {
    MeshFixture mesh;
    REQUIRE(mesh.apply({make_service("api")}).has_value());
    mesh.restart_server();
    const std::string file = only_file(mesh);
    // Everything anew, each hash right, but for one word.
    std::istringstream lines(read(file));
    std::string forged;
    audit::Head last;
    for (std::string line; std::getline(lines, line);) {
        audit::Entry entry = audit::parse(line)->entry;
        if (entry.kind == "apply") entry.who = "operator:somebody-else";
        audit::Sealed sealed = audit::seal(last, entry);
        forged += sealed.line + "\n";
        last = sealed.head;
    }
    std::ofstream(file, std::ios::trunc) << forged;
    const v1::VerifyAuditResponse found = verify(mesh);
    CHECK(found.problem().contains("is not the one that the registry knows"));
    CHECK(found.problem_line() > 1);
}

} // namespace hawser::server::test
