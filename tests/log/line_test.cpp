#include "log/line.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"

using namespace hawser;
using namespace hawser::log;

namespace {

const std::vector<Field> fields{{"node", "web-1"}, {"count", 3}, {"ok", true}, {"text", "a b"}};
const Event joined{.level = Level::info,
                   .time = 1'767'323'045'678,
                   .message = "joined the mesh",
                   .fields = fields};

} // namespace

TEST_CASE("a line of text") {
    CHECK(
        to_text_line(joined, false) ==
        "2026-01-02T03:04:05.678Z INFO  joined the mesh node=web-1 count=3 ok=true text=\"a b\"\n");
    CHECK(
        to_text_line(joined, true) ==
        "2026-01-02T03:04:05.678Z \x1b[32mINFO \x1b[0m joined the mesh node=web-1 count=3 ok=true "
        "text=\"a b\"\n");
    const std::vector<Field> odd{{"empty", ""}, {"quote", "say \"hi\""}, {"equals", "a=b"}};
    CHECK(to_text_line({.level = Level::error, .time = 0, .message = "x", .fields = odd}, false) ==
          "1970-01-01T00:00:00.000Z ERROR x empty=\"\" quote=\"say \\\"hi\\\"\" equals=\"a=b\"\n");
}

TEST_CASE("a line of JSON") {
    CHECK(to_json_line(joined) ==
          R"({"time":"2026-01-02T03:04:05.678Z","level":"info","message":"joined the mesh",)"
          R"("node":"web-1","count":"3","ok":"true","text":"a b"})"
          "\n");
    const std::vector<Field> odd{{"a\"b", "\"\\\n\x01\x7f\xff\xc3\xa9"}};
    CHECK(to_json_line({.level = Level::warn, .time = 0, .message = "", .fields = odd}) ==
          R"({"time":"1970-01-01T00:00:00.000Z","level":"warn","message":"",)"
          R"("a\"b":"\"\\\u000a\u0001\u007f\ufffd)"
          "\xc3\xa9\"}\n");
}

TEST_CASE("a journal entry") {
    CHECK(to_journal_entry(joined) ==
          "PRIORITY=6\nSYSLOG_IDENTIFIER=hawser\n"
          "MESSAGE=joined the mesh node=web-1 count=3 ok=true text=\"a b\"\n"
          "HAWSER_NODE=web-1\nHAWSER_COUNT=3\nHAWSER_OK=true\nHAWSER_TEXT=a b\n");
    const std::vector<Field> odd{{"peer-id.x", "v\nPRIORITY=0"}};
    CHECK(to_journal_entry(
              {.level = Level::error, .time = 0, .message = "m\nMESSAGE=forged", .fields = odd}) ==
          "PRIORITY=3\nSYSLOG_IDENTIFIER=hawser\n"
          "MESSAGE=m\\x0aMESSAGE=forged peer-id.x=\"v\\x0aPRIORITY=0\"\n"
          "HAWSER_PEER_ID_X=v\\x0aPRIORITY=0\n");
    CHECK(to_prefixed_line({.level = Level::warn, .time = 0, .message = "careful", .fields = {}}) ==
          "<4>careful\n");
}

TEST_CASE("no content makes a second line, a control character or invalid UTF-8") {
    Random random(5);
    for (int round = 0; round < 3000; ++round) {
        std::string message(random.below(40), '\0'), value(random.below(200), '\0'),
            key(random.below(8), '\0');
        for (std::string* text : {&message, &value, &key}) {
            for (char& c : *text) c = static_cast<char>(random.next());
        }
        const std::vector<Field> any{{key, value}, {"last", value}};
        const Event event{.level = Level::info, .time = 0, .message = message, .fields = any};
        for (const std::string& line :
             {to_text_line(event, false), to_json_line(event), to_prefixed_line(event)}) {
            CHECK(line.find('\n') == line.size() - 1);
            CHECK(printable(line.substr(0, line.size() - 1), line.size()) ==
                  line.substr(0, line.size() - 1));
        }
        const std::string entry = to_journal_entry(event);
        CHECK(std::ranges::count(entry, '\n') == 5);
    }
}

TEST_CASE("lines are bounded, and say when something was left out") {
    std::vector<Field> many;
    for (int i = 0; i < 20; ++i) many.emplace_back("key", std::string(900, 'x'));
    const std::string message(100'000, 'm'), controls(100'000, '\x01');
    const Event event{.level = Level::info, .time = 0, .message = message, .fields = many};
    CHECK(to_text_line(event, true).size() <= line_bytes);
    CHECK(to_text_line(event, false).ends_with(" omitted=17\n"));
    CHECK(to_json_line(event).size() <= line_bytes);
    CHECK(to_json_line(event).ends_with(R"("omitted":"17"})"
                                        "\n"));
    // Escapes make a value longer than it was.
    const Event worst{.level = Level::info, .time = 0, .message = controls, .fields = many};
    CHECK(to_text_line(worst, true).size() <= line_bytes);
    CHECK(to_json_line(worst).size() <= line_bytes);
}
