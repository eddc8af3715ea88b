// `hawser init`, and what a server says without it.
#include <fstream>

#include "base/bytes.h"
#include "server/mesh_fixture.h"

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
    for (const std::string name : {"ca/root.key", "ca/intermediate.key", "ca/root.pem",
                                   "ca/intermediate.pem", "log.db", "state.db"}) {
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
    // The token is stored as its hash only.
    for (const std::string name : {"log.db", "log.db-wal", "state.db", "state.db-wal"}) {
        std::ifstream file(config.data_dir + "/" + name, std::ios::binary);
        const std::string bytes((std::istreambuf_iterator<char>(file)), {});
        const std::string secret = ca::OperatorTokenText::parse(made->operator_token)->secret;
        CHECK(bytes.find(secret) == std::string::npos);
    }
}

TEST_CASE("a second init is refused and changes nothing") {
    const TemporaryDirectory directory;
    const config::ServerConfig config = make_config(directory);
    REQUIRE(init(config).has_value());
    REQUIRE(token_shown(config.data_dir).has_value());
    std::ifstream before(config.data_dir + "/ca/root.key");
    const std::string key((std::istreambuf_iterator<char>(before)), {});
    const Result<InitResult> again = init(config);
    REQUIRE_FALSE(again.has_value());
    CHECK(again.error().code == ErrorCode::already_exists);
    CHECK(again.error().message.find("already holds the trust domain 'example.test'") !=
          std::string::npos);
    std::ifstream after(config.data_dir + "/ca/root.key");
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
    std::filesystem::create_directory(config.data_dir + "/ca");
    std::ofstream(config.data_dir + "/ca/root.key") << "left behind";
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

TEST_CASE("a server with a key that is not its intermediate's does not start") {
    const TemporaryDirectory directory;
    const config::ServerConfig config = make_config(directory);
    REQUIRE(init(config).has_value());
    const std::string key = config.data_dir + "/ca/intermediate.key";
    LoopRunner runner;
    SUBCASE("another key") {
        std::ofstream(key, std::ios::trunc) << *tls::generate_key_pem();
        CHECK_FALSE(open(runner, config).has_value());
    }
    SUBCASE("no key") {
        std::filesystem::remove(key);
        const auto server = open(runner, config);
        REQUIRE_FALSE(server.has_value());
        CHECK(server.error().message.find("intermediate.key") != std::string::npos);
    }
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
