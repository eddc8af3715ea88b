// Watching through a real server: every change once, in order, or a clear word to begin again.
#include "server/mesh_fixture.h"

namespace hawser::server::test {

namespace {

constexpr std::chrono::milliseconds step{15'000};

class Watch {
  public:
    Watch(MeshFixture& mesh, const std::string& kind, std::uint64_t from,
          const std::string& name = {}, std::uint64_t epoch = 0)
        : mesh_(mesh) {
        auto stream = mesh.runner.run(mesh.operator_client().open_stream("/hawser.v1.Api/Watch"));
        if (!stream) FAIL(stream.error().message);
        stream_ = std::move(*stream);
        v1::WatchRequest request;
        request.set_kind(kind);
        request.set_name(name);
        request.set_from_index(from);
        request.set_epoch(epoch);
        REQUIRE(mesh.runner.run(stream_->write(request.SerializeAsString(), step)).has_value());
    }

    // The next message; none: the stream ended, see `ended`.
    std::optional<v1::WatchResponse> next() {
        const auto bytes = mesh_.runner.run(stream_->read(step));
        if (!bytes) ended = bytes.error();
        if (!bytes || !*bytes) return std::nullopt;
        v1::WatchResponse message;
        REQUIRE(message.ParseFromString(**bytes));
        return message;
    }
    // Reads until the index is there.
    std::vector<std::string> lines_to(std::uint64_t index) {
        std::vector<std::string> lines;
        while (seen < index) {
            const auto message = next();
            REQUIRE(message.has_value());
            CHECK(message->index() >= seen);
            seen = message->index();
            for (const v1::Change& change : message->changes()) {
                lines.push_back(change.key() + "@" + std::to_string(change.index()));
            }
        }
        return lines;
    }

    std::uint64_t seen = 0;
    std::optional<Error> ended;

  private:
    MeshFixture& mesh_;
    std::unique_ptr<rpc::MessageStream> stream_;
};

std::uint64_t apply(MeshFixture& mesh, const std::string& name, const std::string& caller) {
    model::Policy policy = make_policy(name, "api");
    policy.from = {caller};
    const auto applied = mesh.apply({}, {policy});
    if (!applied) FAIL(applied.error().message);
    return applied->index();
}

using Lines = std::vector<std::string>;

std::string line(const std::string& name, std::uint64_t index) {
    return name + "@" + std::to_string(index);
}

} // namespace

TEST_CASE("a watcher gets the rows, then every change by itself and in order") {
    MeshFixture mesh;
    const std::uint64_t first = apply(mesh, "p", "web");
    Watch watch(mesh, "policy", 0);
    const auto rows = watch.next();
    REQUIRE(rows.has_value());
    CHECK(rows->initial());
    CHECK(rows->index() == 0); // not all of them yet: nowhere to go on from
    REQUIRE(rows->changes_size() == 1);
    CHECK(rows->changes(0).key() == "p");
    const auto last = watch.next();
    REQUIRE(last.has_value());
    CHECK(last->initial());
    CHECK(last->complete());
    CHECK(last->index() == first);
    watch.seen = first;

    Lines expected;
    std::uint64_t newest = 0;
    for (int i = 0; i < 20; ++i) {
        newest = apply(mesh, "p", "c" + std::to_string(i));
        expected.push_back(line("p", newest));
        mesh.create_token("n" + std::to_string(i), {}); // not to be seen
    }
    CHECK(watch.lines_to(newest) == expected);
}

TEST_CASE("watching goes on from an index, of one kind and one name") {
    MeshFixture mesh;
    const std::uint64_t begin = apply(mesh, "p", "a");
    const std::uint64_t other = apply(mesh, "other", "a");
    REQUIRE(mesh.apply({make_service("api")}).has_value());
    const std::uint64_t last = apply(mesh, "p", "b");
    CHECK(Watch(mesh, "policy", begin).lines_to(last) ==
          Lines{line("other", other), line("p", last)});
    CHECK(Watch(mesh, "policy", begin, "p").lines_to(last) == Lines{line("p", last)});
    CHECK(Watch(mesh, "", begin).lines_to(last).size() == 3);
}

TEST_CASE("an index of another registry's history is told from one of this") {
    MeshFixture mesh;
    const std::uint64_t begin = apply(mesh, "p", "a");
    const std::uint64_t last = apply(mesh, "p", "b");
    Watch watch(mesh, "policy", begin);
    const auto told = watch.next();
    REQUIRE(told.has_value());
    CHECK(told->epoch() != 0);
    v1::GetRequest get;
    get.set_kind("policy");
    CHECK(mesh.call<v1::GetResponse>("Get", get)->epoch() == told->epoch());
    CHECK(Watch(mesh, "policy", begin, "", told->epoch()).lines_to(last) == Lines{line("p", last)});
    // Whether its index is held here or not.
    for (const std::uint64_t from : {begin, last, last + 1'000}) {
        Watch older(mesh, "policy", from, "", told->epoch() + 1);
        CHECK_FALSE(older.next().has_value());
        REQUIRE(older.ended.has_value());
        CHECK(older.ended->code == ErrorCode::out_of_range);
    }
}

TEST_CASE("who asks for what is no longer held is told to begin again") {
    MeshFixture mesh;
    const std::uint64_t begin = apply(mesh, "p", "a");
    apply(mesh, "p", "b");
    mesh.restart_server(); // what came before is in no ring
    Watch watch(mesh, "policy", begin);
    CHECK_FALSE(watch.next().has_value());
    REQUIRE(watch.ended.has_value());
    CHECK(watch.ended->code == ErrorCode::out_of_range);
    CHECK(watch.ended->message.find("compacted") != std::string::npos);
}

TEST_CASE("what cannot be watched is refused") {
    MeshFixture mesh;
    const auto refusal = [&](const std::string& kind, std::uint64_t from, const std::string& name) {
        Watch watch(mesh, kind, from, name);
        CHECK_FALSE(watch.next().has_value());
        REQUIRE(watch.ended.has_value());
        return watch.ended->code;
    };
    CHECK(refusal("join_token", 0, "") == ErrorCode::permission_denied);
    CHECK(refusal("history", 0, "") == ErrorCode::invalid);
    CHECK(refusal("banana", 0, "") == ErrorCode::invalid);
    CHECK(refusal("", 0, "p") == ErrorCode::invalid);
    CHECK(refusal("policy", 1'000'000, "") == ErrorCode::unavailable);
    mesh.operator_client().set_bearer("wrong");
    auto stream = mesh.runner.run(mesh.operator_client().open_stream("/hawser.v1.Api/Watch"));
    const auto answer = stream ? mesh.runner.run((*stream)->read(step))
                               : Result<std::optional<std::string>>(fail(stream.error()));
    REQUIRE_FALSE(answer.has_value());
    CHECK(answer.error().code == ErrorCode::unauthenticated);
}

TEST_CASE("a server that stops does not wait for its watchers") {
    MeshFixture mesh;
    Watch watch(mesh, "policy", 0);
    REQUIRE(watch.next().has_value());
    const auto before = std::chrono::steady_clock::now();
    mesh.stop_server();
    CHECK(std::chrono::steady_clock::now() - before < limits::drain_deadline);
    CHECK_FALSE(watch.next().has_value());
}

} // namespace hawser::server::test
