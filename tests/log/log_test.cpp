#include "log/log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

using namespace hawser;

namespace {

// Stderr as a pipe for the length of a test.
class CapturedStderr {
  public:
    CapturedStderr() : saved_(::dup(STDERR_FILENO)) {
        REQUIRE(::pipe2(ends_, O_CLOEXEC) == 0);
        ::fcntl(ends_[0], F_SETFL, O_NONBLOCK);
        ::dup2(ends_[1], STDERR_FILENO);
    }
    ~CapturedStderr() {
        ::dup2(saved_, STDERR_FILENO);
        for (const int fd : {saved_, ends_[0], ends_[1]}) ::close(fd);
    }
    CapturedStderr(const CapturedStderr&) = delete;
    CapturedStderr& operator=(const CapturedStderr&) = delete;

    std::string read_all() {
        std::string all;
        char buffer[4096];
        for (ssize_t got; (got = ::read(ends_[0], buffer, sizeof buffer)) > 0;) {
            all.append(buffer, static_cast<std::size_t>(got));
        }
        return all;
    }

  private:
    int saved_;
    int ends_[2] = {-1, -1};
};

} // namespace

TEST_CASE("levels: what is below stays unsaid") {
    CapturedStderr captured;
    log::configure(log::Level::warn, log::Format::text);
    log::debug("one");
    log::info("two");
    log::warn("three", {{"n", 3}});
    log::error("four", {{"error", Error{ErrorCode::not_found, "no such thing"}}});
    CHECK(log::enabled(log::Level::error));
    CHECK_FALSE(log::enabled(log::Level::info));
    const std::string text = captured.read_all();
    CHECK(text.find("two") == std::string::npos);
    CHECK(text.find("WARN  three n=3\n") != std::string::npos);
    CHECK(text.find("ERROR four error=\"no such thing\"\n") != std::string::npos);
    log::configure(log::Level::off, log::Format::text);
    log::error("five");
    CHECK(captured.read_all().empty());
}

TEST_CASE("formats") {
    CapturedStderr captured;
    log::configure(log::Level::info, log::Format::json);
    log::info("as json", {{"node", "web-1"}});
    CHECK(captured.read_all().find(R"("level":"info","message":"as json","node":"web-1"})") !=
          std::string::npos);
    log::configure(log::Level::info, log::Format::automatic);
    log::info("automatic");
    CHECK(captured.read_all().ends_with("INFO  automatic\n"));
}

TEST_CASE("a reader that does not read stops nobody, and learns what it missed") {
    CapturedStderr captured;
    log::configure(log::Level::info, log::Format::text);
    for (int i = 0; i < 2000; ++i) log::info(std::string(500, 'x'));
    captured.read_all();
    log::info("again");
    const std::string text = captured.read_all();
    CHECK(text.find(" log lines were dropped\n") != std::string::npos);
    CHECK(text.find("INFO  again\n") != std::string::npos);
}

TEST_CASE("lines of many threads do not mix") {
    CapturedStderr captured;
    log::configure(log::Level::info, log::Format::text);
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([] {
            for (int i = 0; i < 50; ++i) log::info("a line of a thread");
        });
    }
    threads.clear();
    const std::string text = captured.read_all();
    CHECK(std::ranges::count(text, '\n') == 200);
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at);
        CHECK(std::string_view(text).substr(at, end - at).ends_with("INFO  a line of a thread"));
        at = end + 1;
    }
}

TEST_CASE("words of the configuration") {
    CHECK(log::parse_level("warn").value() == log::Level::warn);
    CHECK(log::parse_level("inof").error().message ==
          "unknown log level 'inof'; did you mean 'info'?");
    CHECK(log::parse_format("json").value() == log::Format::json);
    CHECK(log::parse_format("xml").error().message == "unknown log format 'xml'");
}
