#include "config/config_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/limits.h"
#include "config/agent_config.h"
#include "config/server_config.h"

using namespace hawser;
using namespace hawser::config;

namespace {

class Folder {
  public:
    Folder() {
        char name[] = "/tmp/hawser-config-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        path_ = name;
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    std::string write(const std::string& name, const std::string& text) const {
        std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
        std::ofstream(path(name)) << text;
        return path(name);
    }
    [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

} // namespace

TEST_CASE("services.d is read in name order, *.toml only") {
    const Folder folder;
    folder.write("s.d/b.toml", "[[service]]\nname = \"b\"\nport = 2\n");
    folder.write("s.d/a.toml", "[[service]]\nname = \"a\"\nport = 1\n");
    folder.write("s.d/a.toml~", "broken");
    folder.write("s.d/.hidden.toml", "broken");
    folder.write("s.d/README", "broken");
    const std::string file =
        folder.write("agent.toml", "node = \"n\"\nservices_dir = \"" + folder.path("s.d") +
                                       "\"\n[[service]]\nname = \"z\"\n");
    const Result<AgentConfig> config = load_agent_config(file);
    REQUIRE_MESSAGE(config.has_value(), (config ? "" : config.error().message));
    REQUIRE(config->services.size() == 3);
    CHECK(config->services[0].name == "z");
    CHECK(config->services[1].name == "a");
    CHECK(config->services[2].name == "b");
}

TEST_CASE("every wrong file of services.d is named") {
    const Folder folder;
    const std::string a = folder.write("s.d/a.toml", "node = \"n\"\n");
    const std::string b = folder.write("s.d/b.toml", "[[service]]\nname = \"z\"\n");
    const std::string c = folder.write("s.d/c.toml", "[[service]]\n");
    const std::string file =
        folder.write("agent.toml", "node = \"n\"\nservices_dir = \"" + folder.path("s.d") +
                                       "\"\n[[service]]\nname = \"z\"\n");
    CHECK(load_agent_config(file).error().message == a + ":1:1: unknown key 'node'\n" + b +
                                                         ":1:1: service 'z' is there twice\n" + c +
                                                         ":1:1: 'name' is missing");
}

TEST_CASE("no services.d is no problem; no file is") {
    const Folder folder;
    const std::string file =
        folder.write("agent.toml", "node = \"n\"\nservices_dir = \"/nonexistent/s.d\"\n");
    CHECK(load_agent_config(file).has_value());
    CHECK(load_agent_config(folder.path("none")).error().message ==
          folder.path("none") + ": No such file or directory");
    CHECK(load_server_config(folder.path("none")).error().code == ErrorCode::not_found);
    CHECK_FALSE(load_server_config("/tmp").has_value());
}

TEST_CASE("a fifo or an endless file does not hold anyone up") {
    const Folder folder;
    REQUIRE(::mkfifo(folder.path("fifo").c_str(), 0600) == 0);
    CHECK(read_config_file(folder.path("fifo")).value().empty());
    CHECK(read_config_file("/dev/zero").value().size() == limits::config_file_bytes + 1);
    CHECK(load_server_config("/dev/zero").error().message ==
          "/dev/zero:1:1: the file is larger than 1048576 bytes");
}

TEST_CASE("the node's name is the host's, unless the file says otherwise") {
    const Folder folder;
    const std::string file = folder.write("server.toml", "");
    const Result<std::string> host = default_node_name();
    const Result<ServerConfig> config = load_server_config(file);
    CHECK(config.has_value() == host.has_value());
    if (host) CHECK(config->node == *host);
    CHECK(load_server_config(folder.write("named.toml", "node = \"s1\"\n"))->node == "s1");
}

TEST_CASE("paths") {
    CHECK(check_path("/x").has_value());
    CHECK_FALSE(check_path("x").has_value());
    CHECK_FALSE(check_path("").has_value());
    CHECK(check_socket_path("/" + std::string(106, 'x')).has_value());
    CHECK_FALSE(check_socket_path("/" + std::string(107, 'x')).has_value());
}
