#include "telemetry/access_log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "telemetry/bounded_queue.h"

using namespace hawser;
using namespace hawser::telemetry;

namespace {

AccessRecord record() {
    AccessRecord made;
    made.time = 1'767'323'045'678;
    made.duration = std::chrono::microseconds(1234);
    made.source_principal = "spiffe://hawser.local/svc/web";
    made.source_workload = "web";
    made.destination_service = "api";
    made.instance = "web-1/api/8080";
    made.destination_node = "web-1";
    made.peer = Endpoint::parse("127.0.0.1:40000").value();
    made.original_destination = Endpoint::parse("240.0.0.1:80").value();
    made.policy = "web-reads-api";
    made.sent_bytes = 10;
    made.received_bytes = 20;
    made.uid = 33;
    made.has_uid = true;
    return made;
}

struct Pipe {
    int ends[2] = {-1, -1};
    Pipe() { REQUIRE(::pipe2(ends, O_CLOEXEC) == 0); }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    ~Pipe() {
        ::close(ends[0]);
        close_writer();
    }
    void close_writer() {
        if (ends[1] >= 0) ::close(ends[1]);
        ends[1] = -1;
    }
    std::string read_all() {
        std::string text;
        char buffer[65536];
        for (ssize_t got = 1; got > 0;) {
            got = ::read(ends[0], buffer, sizeof buffer);
            if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
        }
        return text;
    }
};

std::unique_ptr<AccessLog> open_log(AccessLogMode mode, const Pipe& pipe) {
    auto log = AccessLog::open(mode, AccessLogFormat::json, pipe.ends[1]);
    REQUIRE(log.has_value());
    return std::move(*log);
}

} // namespace

TEST_CASE("a record is one JSON line with every fact it has") {
    CHECK(to_json(record()) ==
          R"({"time":"2026-01-02T03:04:05.678Z","duration_us":1234,"reporter":"source",)"
          R"("protocol":"tcp","source_principal":"spiffe://hawser.local/svc/web",)"
          R"("source_workload":"web","destination_service":"api","instance":"web-1/api/8080",)"
          R"("destination_node":"web-1","peer":"127.0.0.1:40000",)"
          R"("original_destination":"240.0.0.1:80","policy":"web-reads-api",)"
          R"("response_flags":"-","sent_bytes":10,"received_bytes":20,"uid":33})");
    AccessRecord odd;
    odd.flag = "UF";
    odd.detail = "a \"quote\"\\ and\na line\x01\xff";
    odd.shadow_denied = true;
    const std::string line = to_json(odd);
    CHECK(line.contains(R"("detail":"a \"quote\"\\ and\u000aa line\u0001\u00ff")"));
    CHECK(line.contains(R"("shadow_denied":true)"));
    CHECK_FALSE(line.contains("\n"));
    CHECK_FALSE(line.contains("peer"));
}

TEST_CASE("the journal's entry has the line and the fields to filter by") {
    AccessRecord denied = record();
    denied.flag = "RBAC";
    denied.policy = "two\nlines";
    const std::string entry = to_journal(denied);
    CHECK(entry.starts_with("MESSAGE={\"time\""));
    CHECK(entry.contains("\nPRIORITY=5\n"));
    CHECK(entry.contains("\nHAWSER_SOURCE=web\n"));
    CHECK(entry.contains("\nHAWSER_FLAGS=RBAC\n"));
    const std::string length("\x09\0\0\0\0\0\0\0", 8);
    CHECK(entry.contains("\nHAWSER_POLICY\n" + length + "two\nlines\n"));
    CHECK_FALSE(entry.contains("HAWSER_DESTINATION_NODE"));
}

TEST_CASE("the mode decides what is written") {
    for (const AccessLogMode mode :
         {AccessLogMode::off, AccessLogMode::errors, AccessLogMode::all}) {
        Pipe pipe;
        {
            auto log = open_log(mode, pipe);
            CHECK(log->wants("UH") == (mode != AccessLogMode::off));
            CHECK(log->wants("-") == (mode == AccessLogMode::all));
            log->write(record());
            AccessRecord failed = record();
            failed.flag = "UH";
            log->write(failed);
        }
        pipe.close_writer();
        const std::string text = pipe.read_all();
        CHECK(text.contains("\"-\"") == (mode == AccessLogMode::all));
        CHECK(text.contains("\"UH\"") == (mode != AccessLogMode::off));
    }
}

TEST_CASE("records of several threads arrive whole") {
    Pipe pipe;
    constexpr int writers = 4, each = 500;
    std::string text;
    std::thread reader([&] { text = pipe.read_all(); });
    std::uint64_t written = 0, dropped = 0;
    {
        auto log = open_log(AccessLogMode::all, pipe);
        pipe.close_writer();
        std::vector<std::thread> threads;
        for (int i = 0; i < writers; ++i)
            threads.emplace_back([&] {
                for (int n = 0; n < each; ++n) log->write(record());
            });
        for (auto& thread : threads) thread.join();
        while (log->written() + log->dropped() < writers * each) std::this_thread::yield();
        written = log->written();
        dropped = log->dropped();
    }
    reader.join();
    CHECK(dropped == 0);
    const std::string line = to_json(record()) + "\n";
    CHECK(text.size() == written * line.size());
    for (std::size_t at = 0; at < text.size(); at += line.size())
        REQUIRE(text.compare(at, line.size(), line) == 0);
}

TEST_CASE("a reader that stands still costs records, never time") {
    Pipe pipe;
    auto log = open_log(AccessLogMode::all, pipe);
    const auto begun = std::chrono::steady_clock::now();
    for (int i = 0; i < 20'000; ++i) log->write(record());
    CHECK(log->dropped() > 10'000);
    log.reset(); // what is queued gets a second, then it is given up
    CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(8));
}

TEST_CASE("a log that cannot be opened is an error") {
    CHECK_FALSE(AccessLog::open(AccessLogMode::all, AccessLogFormat::json, -1).has_value());
    CHECK(AccessLog::open(AccessLogMode::off, AccessLogFormat::json, -1).has_value());
    auto none = AccessLog::none();
    none->write(record());
    CHECK(none->written() + none->dropped() == 0);
}

TEST_CASE("the queue keeps each writer's order and refuses when full") {
    BoundedQueue<int> small(3); // four slots
    for (int i = 0; i < 4; ++i) CHECK(small.push(i));
    int value = 9;
    CHECK_FALSE(small.push(value));
    CHECK(value == 9);
    for (int i = 0; i < 4; ++i) {
        CHECK(small.pop(value));
        CHECK(value == i);
    }
    CHECK_FALSE(small.pop(value));

    BoundedQueue<int> queue(64);
    constexpr int writers = 3, each = 20'000;
    std::vector<std::thread> threads;
    for (int writer = 0; writer < writers; ++writer)
        threads.emplace_back([&queue, writer] {
            for (int n = 0; n < each;) {
                int item = writer * each + n;
                if (queue.push(item))
                    ++n;
                else
                    std::this_thread::yield();
            }
        });
    int next[writers] = {};
    for (int taken = 0; taken < writers * each;) {
        int item = 0;
        if (!queue.pop(item)) {
            std::this_thread::yield();
            continue;
        }
        REQUIRE(item % each == next[item / each]);
        ++next[item / each];
        ++taken;
    }
    for (auto& thread : threads) thread.join();
}
