// `hawser init`, and what a server says without it.
#include <fstream>

#include "base/bytes.h"
#include "ca/authority.h"
#include "io/clock.h"
#include "server/mesh_fixture.h"
#include "server/sealing_keys.h"
#include "server/secret_files.h"

namespace hawser::server::test {

namespace {

using store::test::mode_of;
using store::test::TemporaryDirectory;

config::ServerConfig make_config(const TemporaryDirectory& directory) {
    config::ServerConfig config;
    config.node = "s1";
    config.data_dir = directory.file("data");
    config.socket = directory.file("server.sock");
    config.listen = *Endpoint::parse("127.0.0.1:0");
    config.trust_domain = "example.test";
    config.vip4 = *Cidr::parse("241.0.0.0/8");
    config.vip6 = *Cidr::parse("fd00::/64");
    return config;
}

Result<std::unique_ptr<Server>> open(LoopRunner& runner, const config::ServerConfig& config) {
    return runner.run(Server::open(runner.executor(), config, "test"));
}

} // namespace

TEST_CASE("init makes a trust domain, keys that only the owner may read, and one token") {
    const TemporaryDirectory directory;
    const config::ServerConfig config = make_config(directory);
    const Result<InitResult> made = init(config);
    if (!made) FAIL(made.error().message);
    CHECK(made->trust_domain == "example.test");
    CHECK(made->data_dir == config.data_dir);
    CHECK(ca::OperatorTokenText::parse(made->operator_token).has_value());
    for (const std::string name : {"ca/sealing.key", "log.db", "state.db"}) {
        CAPTURE(name);
        CHECK(mode_of(config.data_dir + "/" + name) == 0600);
    }
    CHECK(mode_of(config.data_dir) == 0700);
    CHECK(mode_of(config.data_dir + "/ca") == 0700);

    LoopRunner runner;
    const Result<std::unique_ptr<Server>> server = open(runner, config);
    if (!server) FAIL(server.error().message);
    const model::TrustDomain& domain = (*server)->trust_domain();
    CHECK(domain.name == "example.test");
    CHECK(domain.vip4 == config.vip4);
    CHECK(to_hex(as_bytes(tls::sha256(as_bytes(domain.roots.at(0))))) == made->root_sha256);
    CHECK(domain.intermediates.size() == 1);
    CHECK((*server)->endpoint().port != 0);
    // For people; the keys are in the registry, sealed.
    CHECK(mode_of(config.data_dir + "/ca/root.pem") == 0600);
    CHECK(mode_of(config.data_dir + "/ca/intermediate.pem") == 0600);
    CHECK_FALSE(std::filesystem::exists(config.data_dir + "/ca/root.key"));
    // The token is stored as its hash only, and no private key as it is.
    for (const std::string name : {"log.db", "log.db-wal", "state.db", "state.db-wal"}) {
        std::ifstream file(config.data_dir + "/" + name, std::ios::binary);
        const std::string bytes((std::istreambuf_iterator<char>(file)), {});
        const std::string secret = ca::OperatorTokenText::parse(made->operator_token)->secret;
        CHECK(bytes.find(secret) == std::string::npos);
        CHECK(bytes.find("PRIVATE KEY") == std::string::npos);
    }
}

TEST_CASE("a second init is refused and changes nothing") {
    const TemporaryDirectory directory;
    const config::ServerConfig config = make_config(directory);
    REQUIRE(init(config).has_value());
    REQUIRE(token_shown(config.data_dir).has_value());
    std::ifstream before(config.data_dir + "/ca/sealing.key");
    const std::string key((std::istreambuf_iterator<char>(before)), {});
    const Result<InitResult> again = init(config);
    REQUIRE_FALSE(again.has_value());
    CHECK(again.error().code == ErrorCode::already_exists);
    CHECK(again.error().message.find("already holds the trust domain 'example.test'") !=
          std::string::npos);
    std::ifstream after(config.data_dir + "/ca/sealing.key");
    CHECK(std::string((std::istreambuf_iterator<char>(after)), {}) == key);
}

TEST_CASE("a token that was not shown is shown by the next init") {
    const TemporaryDirectory directory;
    const config::ServerConfig config = make_config(directory);
    const Result<InitResult> made = init(config);
    REQUIRE(made.has_value());
    CHECK(mode_of(config.data_dir + "/operator-token") == 0600);
    const Result<InitResult> again = init(config);
    REQUIRE(again.has_value());
    CHECK(again->operator_token == made->operator_token);
    CHECK(again->root_sha256 == made->root_sha256);
    CHECK(again->trust_domain == made->trust_domain);
    SUBCASE("until it was shown") {
        REQUIRE(token_shown(config.data_dir).has_value());
        CHECK_FALSE(std::filesystem::exists(config.data_dir + "/operator-token"));
        CHECK(init(config).error().code == ErrorCode::already_exists);
        CHECK(token_shown(config.data_dir).has_value());
    }
    SUBCASE("but no other than the mesh's own") {
        ca::OperatorTokenText other = *ca::OperatorTokenText::parse(made->operator_token);
        other.secret = ca::new_token_secret();
        std::ofstream(config.data_dir + "/operator-token") << other.to_text();
        CHECK(init(config).error().code == ErrorCode::already_exists);
    }
}

TEST_CASE("an init that stopped half way is simply run again") {
    const TemporaryDirectory directory;
    const config::ServerConfig config = make_config(directory);
    {
        Result<Storage> storage = open_storage(config.data_dir);
        REQUIRE(storage.has_value()); // made the directory, and no more
    }
    REQUIRE(read_or_make_sealing_key(sealing_key_place(config)).has_value());
    std::ofstream(config.data_dir + "/operator-token") << "left behind";
    CHECK(init(config).has_value());
}

TEST_CASE("init refuses names that are none, and a directory in use") {
    const TemporaryDirectory directory;
    config::ServerConfig config = make_config(directory);
    config.trust_domain = "Not A Domain";
    CHECK(init(config).error().code == ErrorCode::invalid);
    config = make_config(directory);
    const Result<Storage> other = open_storage(config.data_dir);
    REQUIRE(other.has_value());
    CHECK(init(config).error().message.find("another server (pid ") != std::string::npos);
}

TEST_CASE("a server without a trust domain says what to do") {
    const TemporaryDirectory directory;
    LoopRunner runner;
    const Result<std::unique_ptr<Server>> server = open(runner, make_config(directory));
    REQUIRE_FALSE(server.has_value());
    CHECK(server.error().code == ErrorCode::failed_precondition);
    CHECK(server.error().message.find("run hawser init first") != std::string::npos);
}

TEST_CASE("a server without the right sealing key does not start, and says which it looked at") {
    const TemporaryDirectory directory;
    config::ServerConfig config = make_config(directory);
    std::string key = config.data_dir + "/ca/sealing.key";
    SUBCASE("its own") {}
    SUBCASE("one that the operator brings") {
        key = directory.file("brought");
        config.ca.sealing_key_file = key;
        CHECK(init(config).error().message.contains(key)); // nobody makes it
        REQUIRE(write_secret_file(key, ca::SealingKey::make().to_text()));
    }
    const Result<InitResult> made = init(config);
    if (!made) FAIL(made.error().message);
    CHECK(std::filesystem::exists(config.data_dir + "/ca/sealing.key") ==
          !config.ca.sealing_key_file.has_value());
    LoopRunner runner;
    const std::string right = read_sealing_key(sealing_key_place(config))->id();
    const ca::SealingKey other = ca::SealingKey::make();
    REQUIRE(write_secret_file(key, other.to_text()));
    const auto wrong = open(runner, config);
    REQUIRE_FALSE(wrong.has_value());
    CHECK(wrong.error().message.contains("opening the authority's keys with " + key));
    CHECK(wrong.error().message.contains("sealed under the key " + right));
    CHECK(wrong.error().message.contains("this one is " + other.id()));
    std::filesystem::remove(key);
    const auto none = open(runner, config);
    REQUIRE_FALSE(none.has_value());
    CHECK(none.error().message.contains(key));
}

TEST_CASE("init takes an operator's own authority, or says what is wrong with it") {
    const TemporaryDirectory directory;
    config::ServerConfig config = make_config(directory);
    config.ca.cert_file = directory.file("root.pem");
    config.ca.cert_key_file = directory.file("root.key");
    const ca::NewAuthority own = ca::create_authority("other.example", io::wall_now()).value();
    REQUIRE(write_secret_file(*config.ca.cert_file, tls::to_pem(as_bytes(own.root_der))));
    REQUIRE(write_secret_file(*config.ca.cert_key_file, own.intermediate_key_pem));
    CHECK(init(config).error().message.contains("the private key is of another certificate"));
    REQUIRE(write_secret_file(*config.ca.cert_key_file, own.root_key_pem));
    const Result<InitResult> made = init(config);
    if (!made) FAIL(made.error().message);
    CHECK(made->root_sha256 == to_hex(as_bytes(tls::sha256(as_bytes(own.root_der)))));
    LoopRunner runner;
    CHECK(open(runner, config).has_value());
}

TEST_CASE("a server that cannot listen says where") {
    const TemporaryDirectory directory;
    config::ServerConfig config = make_config(directory);
    REQUIRE(init(config).has_value());
    LoopRunner runner;
    Result<io::Acceptor> taken = io::listen_tcp(runner.executor(), *Endpoint::parse("127.0.0.1:0"));
    REQUIRE(taken.has_value());
    config.listen = *io::local_endpoint(taken->native_handle());
    const Result<std::unique_ptr<Server>> server = open(runner, config);
    REQUIRE_FALSE(server.has_value());
    CHECK(server.error().message.find(config.listen.to_string()) != std::string::npos);
}

} // namespace hawser::server::test
