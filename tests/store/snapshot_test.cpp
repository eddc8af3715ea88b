// Snapshots as streams and as files: read back as they were, refused when anything is wrong.
#include "store/snapshot.h"

#include <algorithm>
#include <filesystem>
#include <format>
#include <fstream>
#include <sstream>

#include "base/limits.h"
#include "base/random.h"
#include "model/command.h"
#include "store/snapshot_file.h"
#include "store/temporary_directory.h"

namespace hawser::store::test {

namespace {

std::vector<model::Change> make_rows(std::size_t count) {
    std::vector<model::Change> rows;
    for (std::size_t i = 0; i < count; ++i) {
        model::Instance instance;
        instance.node = std::format("node-{:06}", i);
        instance.service = "api";
        instance.port = 8080;
        instance.labels = {{"version", "v2"}};
        instance.health_reason = std::string(i % 300, 'x');
        rows.push_back({.kind = model::Kind::instance,
                        .key = instance.key(),
                        .index = i + 1,
                        .value = std::make_shared<const model::Resource>(instance)});
    }
    return rows;
}

SnapshotHeader make_header() {
    return {.trust_domain = "hawser.local",
            .base = {.position = {.index = 100'000, .term = 7},
                     .configuration = {.voters = {1, 2, 3}, .learners = {4}}},
            .rows = 0,
            .level = 1,
            .made_at = 1'767'323'045'000,
            .made_by = "0.1.0",
            .meta = std::string("\1\0\2", 3)};
}

std::string read_all(SnapshotSource& source, std::size_t most) {
    std::string bytes;
    while (true) {
        const Result<SnapshotSource::Piece> piece = source.read(bytes.size(), most);
        if (!piece) FAIL(piece.error().message);
        REQUIRE_FALSE(piece->bytes.empty());
        REQUIRE(piece->bytes.size() <= most);
        bytes += piece->bytes;
        if (piece->last) return bytes;
    }
}

std::string stream_of(std::size_t rows) {
    SnapshotSource source(make_header(), make_rows(rows));
    return read_all(source, 1 << 20);
}

struct Parsed {
    Result<void> result;
    std::optional<SnapshotHeader> header;
    std::vector<model::Change> rows;
};
Parsed parse(std::string_view bytes, std::size_t piece = 1 << 20) {
    Parsed parsed;
    SnapshotParser parser([&parsed](model::Change row) -> Result<void> {
        parsed.rows.push_back(std::move(row));
        return {};
    });
    for (std::size_t at = 0; at < bytes.size() && parsed.result; at += piece) {
        parsed.result = parser.add(bytes.substr(at, piece));
    }
    if (parsed.result) parsed.result = parser.finish();
    parsed.header = parser.header();
    return parsed;
}

void check_rows(const std::vector<model::Change>& actual,
                const std::vector<model::Change>& expected) {
    REQUIRE(actual.size() == expected.size());
    for (std::size_t i = 0; i < actual.size(); ++i) {
        CHECK(actual[i].kind == expected[i].kind);
        CHECK(actual[i].key == expected[i].key);
        CHECK(actual[i].index == expected[i].index);
        CHECK(*actual[i].value == *expected[i].value);
    }
}

void write_file(const std::string& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
}

} // namespace

TEST_CASE("what was written is read back, in pieces of any size") {
    for (const std::size_t count : {0, 1, 5000}) {
        CAPTURE(count);
        const std::vector<model::Change> rows = make_rows(count);
        SnapshotSource source(make_header(), rows);
        CHECK(source.header().rows == count);
        const std::string bytes = read_all(source, 1000);
        for (const std::size_t piece : {7, 4096, 1 << 22}) {
            if (piece == 7 && count > 1) continue;
            const Parsed parsed = parse(bytes, piece);
            if (!parsed.result) FAIL(parsed.result.error().message);
            CHECK(parsed.header == source.header());
            check_rows(parsed.rows, rows);
        }
    }
}

TEST_CASE("any part can be read again, and is the same") {
    SnapshotSource source(make_header(), make_rows(8000));
    SnapshotSource forward(make_header(), make_rows(8000));
    const std::string bytes = read_all(forward, 100'000);
    REQUIRE(bytes.size() > 4 * limits::snapshot_chunk_bytes);
    Random random(3);
    for (int i = 0; i < 100; ++i) {
        const std::uint64_t offset = random.below(bytes.size());
        const std::size_t most = random.below(300'000) + 1;
        const auto piece = source.read(offset, most);
        REQUIRE(piece.has_value());
        REQUIRE_FALSE(piece->bytes.empty());
        CHECK(piece->bytes == bytes.substr(offset, piece->bytes.size()));
        CHECK(piece->last == (offset + piece->bytes.size() == bytes.size()));
    }
    CHECK(source.read(bytes.size(), 10).error().code == ErrorCode::out_of_range);
    CHECK_FALSE(source.read(~0ULL, 10).has_value());
    CHECK_FALSE(source.read(0, 0).has_value());
}

TEST_CASE("every cut is noticed") {
    const std::string bytes = stream_of(20);
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        CAPTURE(length);
        CHECK(parse(std::string_view(bytes).substr(0, length)).result.error().code ==
              ErrorCode::corrupt);
    }
}

TEST_CASE("every flipped bit is noticed") {
    const std::string bytes = stream_of(20);
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        for (int bit = 0; bit < 8; ++bit) {
            std::string flipped = bytes;
            flipped[at] = static_cast<char>(flipped[at] ^ 1 << bit);
            if (parse(flipped).result) FAIL("bit ", bit, " of byte ", at);
        }
    }
}

TEST_CASE("frames out of place are noticed, each for its reason") {
    // Where its frames begin: the lengths say it.
    const std::string bytes = stream_of(4000);
    std::vector<std::size_t> frames{24};
    while (frames.back() < bytes.size()) {
        std::uint64_t length = 0;
        for (std::size_t i = 0; i < 8; ++i) {
            length = length << 8 | static_cast<std::uint8_t>(bytes[frames.back() + i]);
        }
        frames.push_back(frames.back() + 16 + length);
    }
    REQUIRE(frames.size() >= 5); // header, rows, rows, end
    const auto frame = [&](std::size_t at) {
        return bytes.substr(frames[at], frames[at + 1] - frames[at]);
    };
    const std::string opening = bytes.substr(0, 24);
    const std::string end = frame(frames.size() - 2);
    const auto refusal = [](const std::string& stream) {
        const Parsed parsed = parse(stream);
        REQUIRE_FALSE(parsed.result.has_value());
        return parsed.result.error().message;
    };
    CHECK(refusal(opening + frame(1) + frame(0)) == "the snapshot does not begin with its header");
    CHECK(refusal(opening + frame(0) + frame(0)) == "the snapshot does not begin with its header");
    CHECK(refusal(opening + frame(0) + frame(1) + end) == "the snapshot fails its SHA-256");
    CHECK(refusal(opening + frame(0) + frame(2) + frame(1) + end) ==
          "the snapshot fails its SHA-256");
    CHECK(refusal(bytes + frame(1)) == "the snapshot goes on after its end");
    CHECK(refusal(bytes + "x") == "the snapshot goes on after its end");
    CHECK(refusal("PK" + bytes) == "this is not a snapshot of hawser");
    CHECK(refusal("") == "the snapshot is cut off");
    std::string other_format = bytes;
    other_format[23] = 9;
    CHECK(refusal(other_format) == "the snapshot has format 9, this version reads 1");
}

TEST_CASE("a snapshot of a newer program is refused by its level") {
    SnapshotHeader header = make_header();
    header.level = model::newest_level + 1;
    header.made_by = "9.9.9";
    SnapshotSource source(header, {});
    const Parsed parsed = parse(read_all(source, 1000));
    CHECK(parsed.result.error().code == ErrorCode::unimplemented);
    CHECK(parsed.result.error().message ==
          std::format("the snapshot was made by hawser 9.9.9 and needs commands of level {}, this "
                      "version knows levels up to {}",
                      model::newest_level + 1, model::newest_level));
}

TEST_CASE("a file has its name when it is whole") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("a.snapshot");
    const std::string bytes = stream_of(3000);
    {
        Result<SnapshotFile> file = SnapshotFile::create(path);
        REQUIRE(file.has_value());
        REQUIRE(file->append(bytes.substr(0, 1000)).has_value());
        CHECK(mode_of(file->partial_path()) == 0600);
    }
    CHECK(std::filesystem::is_empty(directory.path())); // given up: nothing is left
    {
        Result<SnapshotFile> file = SnapshotFile::create(path);
        REQUIRE(file.has_value());
        REQUIRE(file->append(bytes.substr(0, 1000)).has_value());
        REQUIRE(file->append(bytes.substr(1000)).has_value());
        CHECK(file->size() == bytes.size());
        REQUIRE(file->keep().has_value());
    }
    CHECK_FALSE(std::filesystem::exists(path + ".partial"));
    const Result<SnapshotSummary> summary = inspect_snapshot(path);
    if (!summary) FAIL(summary.error().message);
    CHECK(summary->header.base == make_header().base);
    CHECK(summary->header.trust_domain == "hawser.local");
    CHECK(summary->rows.at(model::Kind::instance) == 3000);
    CHECK(summary->bytes == bytes.size());
    CHECK(summary->sha256.size() == 32);
    const Result<Snapshot> read = read_snapshot(path);
    REQUIRE(read.has_value());
    check_rows(read->rows, make_rows(3000));
}

TEST_CASE("a damaged file is named") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("a.snapshot");
    std::string bytes = stream_of(100);
    write_file(path, bytes.substr(0, bytes.size() - 1));
    CHECK(read_snapshot(path).error().message == path + ": the snapshot is cut off");
    bytes[bytes.size() / 2] ^= 1;
    write_file(path, bytes);
    CHECK(inspect_snapshot(path).error().message.starts_with(path + ": the snapshot fails its"));
    CHECK(read_snapshot(directory.file("none")).error().code == ErrorCode::not_found);
}

} // namespace hawser::store::test
