#include "config/service_files.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/limits.h"

using namespace hawser;
using namespace hawser::config;

namespace {

Result<void> no_rule(const ServiceConfig&) {
    return {};
}

// A services.d that is read again and again; z is in agent.toml.
struct Rereads {
    Rereads() {
        char name[] = "/tmp/hawser-services-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        folder = name;
        ServiceConfig fixed;
        fixed.name = "z";
        fixed.file = "/etc/hawser/agent.toml";
        services = {fixed};
    }
    ~Rereads() { std::filesystem::remove_all(folder); }

    [[nodiscard]] std::string path(const std::string& name) const { return folder + "/" + name; }
    void write(const std::string& name, const std::string& text) const {
        std::ofstream(path(name)) << text;
    }
    // "z a:1 b:2"
    std::string read(const ServiceRule& rule = no_rule) {
        ServicesNow now = reread_services(folder, services, rule);
        services = std::move(now.services);
        problems = std::move(now.problems);
        std::string names;
        for (const ServiceConfig& service : services) {
            if (!names.empty()) names += " ";
            names += service.name;
            if (service.port != 0) names += ":" + std::to_string(service.port);
        }
        return names;
    }

    std::string folder;
    std::vector<ServiceConfig> services;
    std::vector<std::string> problems;
};

std::string one(const std::string& name, int port) {
    return "[[service]]\nname = \"" + name + "\"\nport = " + std::to_string(port) + "\n";
}

} // namespace

TEST_CASE("files come, change and go; what stands elsewhere stays") {
    Rereads test;
    CHECK(test.read() == "z");
    test.write("b.toml", one("b", 2));
    test.write("a.toml", one("a", 1) + one("a", 3));
    CHECK(test.read() == "z a:1 a:3 b:2");
    CHECK(test.services[3].file == test.path("b.toml"));
    test.write("a.toml", one("a", 4));
    CHECK(test.read() == "z a:4 b:2");
    std::filesystem::remove(test.path("b.toml"));
    CHECK(test.read() == "z a:4");
    std::filesystem::remove_all(test.folder);
    CHECK(test.read() == "z");
    CHECK(test.problems.empty());
}

TEST_CASE("a file with mistakes keeps what it said before, and they are told in one line") {
    Rereads test;
    test.write("a.toml", one("a", 1));
    test.write("b.toml", one("b", 2));
    CHECK(test.read() == "z a:1 b:2");
    test.write("a.toml", "[[service]]\nnam = \"a\"\nport = 1\n[[service]]\nname = \"A\"\n");
    test.write("b.toml", one("b", 5));
    CHECK(test.read() == "z a:1 b:5");
    CHECK(test.read() == "z a:1 b:5"); // for as long as it takes
    REQUIRE(test.problems.size() == 1);
    CHECK(test.problems[0].contains(test.path("a.toml") + ":2:1: unknown key 'nam'"));
    CHECK(test.problems[0].contains(":5:"));
    CHECK_FALSE(test.problems[0].contains('\n'));
    test.write("a.toml", one("a", 7));
    CHECK(test.read() == "z a:7 b:5");
    CHECK(test.problems.empty());

    test.write("c.toml", "broken"); // from the beginning: nothing to keep
    CHECK(test.read() == "z a:7 b:5");
    CHECK(test.problems.size() == 1);
    // A folder that can't be read is no reason to stop anything.
    std::filesystem::remove_all(test.folder);
    std::ofstream(test.folder) << "a file";
    CHECK(test.read() == "z a:7 b:5");
    CHECK(test.problems.size() == 1);
}

TEST_CASE("what stands against another file, or cannot be used here, is not taken") {
    Rereads test;
    test.write("a.toml", one("a", 1));
    test.write("b.toml", one("b", 2));
    CHECK(test.read() == "z a:1 b:2");
    test.write("b.toml", one("b", 3) + one("a", 1));
    CHECK(test.read() == "z a:1 b:2");
    REQUIRE(test.problems.size() == 1);
    CHECK(test.problems[0].starts_with(test.path("b.toml") + ":4:1: service 'a' is there twice"));
    // The first file takes what the second had: the second's old definition can't stay.
    test.write("a.toml", one("b", 2));
    test.write("b.toml", "broken");
    CHECK(test.read() == "z b:2");

    test.write("a.toml", one("a", 1));
    test.write("b.toml", one("b", 2));
    CHECK(test.read() == "z a:1 b:2");
    const auto not_b = [&](const ServiceConfig& service) -> Result<void> {
        if (service.name == "b") return fail(ErrorCode::invalid, service.file + ":9:9: not here");
        return {};
    };
    CHECK(test.read(not_b) == "z a:1 b:2"); // as it is in force
    test.write("b.toml", one("b", 9));
    CHECK(test.read(not_b) == "z a:1 b:2");
    CHECK(test.problems == std::vector{test.path("b.toml") + ":9:9: not here"});
}

TEST_CASE("there are never more services than a host may have") {
    Rereads test;
    std::string most;
    for (std::size_t port = 1; port < limits::instances_per_node; ++port)
        most += one("a", static_cast<int>(port));
    test.write("a.toml", most); // and z
    test.write("b.toml", one("b", 1));
    (void)test.read();
    CHECK(test.services.size() == limits::instances_per_node);
    REQUIRE(test.problems.size() == 1);
    CHECK(test.problems[0].starts_with(test.path("b.toml") + ": "));
}
