#include "config/toml_reader.h"

#include <doctest/doctest.h>

#include <string>

#include "base/limits.h"

using namespace hawser;
using namespace hawser::config;

namespace {

std::string problem_of(const std::string& text) {
    const ParsedToml parsed = parse_toml(text);
    if (parsed.problems.empty()) return "";
    const Problem& problem = parsed.problems[0];
    return std::to_string(problem.place.line) + ":" + std::to_string(problem.place.column) + ": " +
           problem.message;
}

} // namespace

TEST_CASE("values know their type and where they stood") {
    const Value root = parse_toml("a = \"x\"\n[t]\nb = 5\nc = [true, 1.5]\nd = 2020-01-01\n").root;
    CHECK(root.find("a")->value.text == "x");
    CHECK(root.find("a")->value.place == Place{1, 5});
    const Value& table = root.find("t")->value;
    CHECK(table.type == ValueType::table);
    CHECK(table.find("b")->value.integer == 5);
    CHECK(table.find("b")->place == Place{3, 1});
    const Value& list = table.find("c")->value;
    CHECK(list.items[0].boolean);
    CHECK(list.items[1].type == ValueType::real);
    CHECK(list.items[1].place == Place{4, 12});
    CHECK(table.find("d")->value.type == ValueType::date);
    CHECK(root.find("nothing") == nullptr);
}

TEST_CASE("what is not text or too much of it") {
    CHECK(problem_of("a = 1\nb = \"caf\xe9\"\n") == "2:9: not UTF-8 text");
    CHECK(problem_of("\xff") == "1:1: not UTF-8 text");
    CHECK(problem_of(std::string(limits::config_file_bytes + 1, '\n')) ==
          "1:1: the file is larger than 1048576 bytes");
    CHECK(problem_of(std::string(limits::config_file_bytes, '\n')).empty());
    CHECK(problem_of("\xef\xbb\xbf"
                     "a = 1\r\nb = 2\r\n")
              .empty());
}

TEST_CASE("depth is bounded in every form TOML has for it") {
    std::string dots = "a";
    for (int i = 0; i < 400'000; ++i) dots += ".a";
    CHECK(problem_of("[" + dots + "]\n") == "1:35: a key of more than 16 parts");
    CHECK(problem_of(dots + " = 1\n") == "1:34: a key of more than 16 parts");
    CHECK(problem_of("x = { " + dots + " = 1 }\n") == "1:40: a key of more than 16 parts");
    CHECK(problem_of("\n\"quoted\"." + dots + " = 1\n") == "2:41: a key of more than 16 parts");
    CHECK_FALSE(problem_of("a = " + std::string(400'000, '[')).empty());
    std::string tables;
    for (int i = 0; i < 100'000; ++i) tables += "{a=";
    CHECK_FALSE(problem_of("a = " + tables).empty());
    std::string both = "a = 1";
    for (int i = 0; i < 30; ++i) both = "a.a.a.a.a.a = {" + both + "}";
    CHECK(problem_of(both).ends_with("nested too deeply"));
    CHECK(problem_of("a.b.c.d.e.f.g.h = 1").empty());
}

TEST_CASE("characters that are not ASCII stand in strings and comments only") {
    const std::string e = "\xc3\xa9";
    CHECK(problem_of("a = \"" + e + "\" # " + e + "\n'" + e + "' = '''" + e + "'''\n").empty());
    const std::string message = "syntax error: only strings and comments may hold this character";
    CHECK(problem_of("a = 1\nb" + e + " = 1\n") == "2:2: " + message);
    CHECK(problem_of("a = 1 " + e + "\n") == "1:7: " + message);
    CHECK(problem_of("a = [\"\"\"x\"\"\"\"\", " + e + "]\n") == "1:17: " + message);
    CHECK(problem_of("a = [{b" + e + "{\n") == "1:8: " + message);
}

TEST_CASE("dots in strings and comments are not depth") {
    const std::string dots(100, '.');
    CHECK(problem_of("a = \"" + dots + "\" # " + dots + "\nb = '" + dots + "'\n").empty());
    CHECK(problem_of("a = \"\"\"\n" + dots + "\n\"quoted\" \\\"\"\" " + dots + "\"\"\"\n").empty());
    CHECK(problem_of("a = '''\n" + dots + "'''\n").empty());
    CHECK(problem_of("a = [1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, "
                     "1.5, 1.5, 1.5, 1.5]\n")
              .empty());
}
