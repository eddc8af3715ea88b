// hawser's agents and etcd's watchers, as notice.h measures them.
#include <charconv>
#include <format>
#include <optional>

#include "etcd_messages.h"
#include "io/task_group.h"
#include "model/codec.h"
#include "notice.h"

namespace hawser::bench {

namespace {

constexpr std::chrono::milliseconds patience{30'000};
constexpr std::size_t filling_at_once = 128;
constexpr std::string_view marker = "change ";

std::string text_of_change(std::uint64_t change) {
    return std::format("{}{};", marker, change);
}

// The number of the change that the text tells of; 0: of none.
std::uint64_t change_in(std::string_view text) {
    const std::size_t found = text.find(marker);
    if (found == std::string_view::npos) return 0;
    const char* begin = text.data() + found + marker.size();
    std::uint64_t change = 0;
    std::from_chars(begin, text.data() + text.size(), change);
    return change;
}

// --- hawser ----------------------------------------------------------------------------------

class SessionStream final : public Mesh::Stream {
  public:
    explicit SessionStream(AgentStream stream) : stream_(std::move(stream)) {}

    io::Task<Result<std::uint64_t>> next() override {
        const auto message = co_await stream_.receive();
        if (!message) co_return fail(message.error(), "an agent's session");
        for (const v1::Change& change : message->changes().changes()) {
            if (change.kind() != static_cast<std::uint32_t>(model::Kind::instance)) continue;
            v1::Instance instance;
            if (!instance.ParseFromString(change.value())) continue;
            if (const auto told = change_in(instance.health_reason()); told != 0) co_return told;
        }
        co_return 0;
    }
    io::Task<Result<void>> keep_alive() override { return stream_.send({}); }

  private:
    AgentStream stream_;
};

class HawserMesh final : public Mesh {
  public:
    HawserMesh(const System& operators, FleetOptions options, std::vector<NodeIdentity> nodes)
        : operators_(operators), options_(std::move(options)), nodes_(std::move(nodes)) {}

    io::Task<Result<void>> prepare() override {
        if (nodes_.size() < 2) co_return fail(ErrorCode::invalid, "two nodes are needed");
        auto known = co_await know_all(operators_, options_.endpoints.front());
        if (!known) co_return fail(std::move(known.error()));
        known_ = *known;
        co_return Result<void>();
    }
    io::Task<Result<std::unique_ptr<Stream>>> follow(std::size_t number) override {
        // A server keeps one session of a node.
        if (number + 1 >= nodes_.size()) co_return fail(ErrorCode::invalid, "too few nodes");
        const Endpoint server = options_.endpoints[number % options_.endpoints.size()];
        auto stream = co_await AgentStream::open(server, nodes_[number], known_);
        if (!stream) co_return fail(std::move(stream.error()));
        co_return std::make_unique<SessionStream>(*std::move(stream));
    }
    // The last node has the session that changes, opened for the first change, and no stream.
    io::Task<Result<void>> change(std::uint64_t change) override {
        if (!changing_) {
            auto opened =
                co_await AgentStream::open(options_.endpoints.front(), nodes_.back(), known_);
            if (!opened) co_return fail(std::move(opened.error()));
            changing_ = *std::move(opened);
        }
        auto index = co_await changing_->register_node(
            registration(options_, nodes_.size() - 1, text_of_change(change)));
        if (!index) co_return fail(std::move(index.error()), "reporting a change");
        co_return Result<void>();
    }

  private:
    const System& operators_;
    FleetOptions options_;
    std::vector<NodeIdentity> nodes_;
    Known known_;
    std::optional<AgentStream> changing_;
};

// --- etcd ------------------------------------------------------------------------------------

class WatchStream final : public Mesh::Stream {
  public:
    WatchStream(std::unique_ptr<rpc::Client> client, std::unique_ptr<rpc::MessageStream> stream)
        : client_(std::move(client)), stream_(std::move(stream)) {}

    // Looks for the text instead of decoding: nothing else in the message looks like it.
    io::Task<Result<std::uint64_t>> next() override {
        const auto message = co_await stream_->read(std::chrono::hours(1));
        if (!message) co_return fail(message.error(), "a watch");
        if (!*message) co_return fail(ErrorCode::unavailable, "a watch ended");
        co_return change_in(**message);
    }
    io::Task<Result<void>> keep_alive() override { co_return Result<void>(); }

  private:
    std::unique_ptr<rpc::Client> client_;
    std::unique_ptr<rpc::MessageStream> stream_;
};

io::Task<Result<void>> put_instance(rpc::Client& client, v1::Instance instance) {
    const std::string key = std::format("{}/{}/8080", instance.node(), instance.service());
    const auto answer = co_await client.call(
        "/etcdserverpb.KV/Put", etcd::put_request(key, instance.SerializeAsString()), patience);
    if (!answer) co_return fail(answer.error(), "writing an instance");
    co_return Result<void>();
}

// What those that fill etcd share. Outlives them.
struct Filling {
    Filling(const System& filled, FleetOptions chosen)
        : system(filled), options(std::move(chosen)) {}

    const System& system;
    FleetOptions options;
    std::size_t next_service = 0, next_node = 0, rows = 0;
    std::optional<Error> failure;
};

io::Task<Result<void>> fill_next(Filling& filling, rpc::Client& client) {
    if (filling.next_service < filling.options.services) {
        const Call call = filling.system.write(filling.next_service++, 0);
        const auto answer = co_await client.call(call.path, call.request, patience);
        if (!answer) co_return fail(answer.error(), "writing a service");
        ++filling.rows;
        co_return Result<void>();
    }
    const v1::SyncNode node = registration(filling.options, filling.next_node++, "");
    for (const v1::Instance& instance : node.instances()) {
        if (auto put = co_await put_instance(client, instance); !put) co_return put;
        ++filling.rows;
    }
    co_return Result<void>();
}

io::Task<void> fill_until_full(Filling& filling) {
    auto client = co_await filling.system.connect(filling.options.endpoints.front(), patience);
    if (!client) filling.failure = client.error();
    while (filling.next_node <= filling.options.nodes && !filling.failure) {
        if (auto filled = co_await fill_next(filling, **client); !filled)
            filling.failure = std::move(filled.error());
    }
}

class EtcdMesh final : public Mesh {
  public:
    EtcdMesh(const System& system, FleetOptions options)
        : system_(system), options_(std::move(options)) {}

    io::Task<Result<void>> prepare() override {
        auto client = co_await system_.connect(options_.endpoints.front(), patience);
        if (!client) co_return fail(std::move(client.error()));
        changing_ = *std::move(client);
        co_return Result<void>();
    }
    io::Task<Result<std::unique_ptr<Stream>>> follow(std::size_t number) override {
        const Endpoint server = options_.endpoints[number % options_.endpoints.size()];
        auto client = co_await system_.connect(server, patience);
        if (!client) co_return fail(std::move(client.error()));
        auto stream = co_await (*client)->open_stream("/etcdserverpb.Watch/Watch");
        if (!stream) co_return fail(std::move(stream.error()));
        if (auto sent = co_await (*stream)->write(etcd::watch_all_request(), patience); !sent)
            co_return fail(std::move(sent.error()));
        // The first message says that the watch exists.
        const auto created = co_await (*stream)->read(patience);
        if (!created) co_return fail(created.error(), "creating a watch");
        co_return std::make_unique<WatchStream>(*std::move(client), *std::move(stream));
    }
    io::Task<Result<void>> change(std::uint64_t change) override {
        const v1::SyncNode node = registration(options_, options_.nodes, text_of_change(change));
        co_return co_await put_instance(*changing_, node.instances(0));
    }

  private:
    const System& system_;
    FleetOptions options_;
    std::unique_ptr<rpc::Client> changing_;
};

} // namespace

std::unique_ptr<Mesh> make_hawser_mesh(const System& operators, FleetOptions options,
                                       std::vector<NodeIdentity> nodes) {
    return std::make_unique<HawserMesh>(operators, std::move(options), std::move(nodes));
}

std::unique_ptr<Mesh> make_etcd_mesh(const System& system, FleetOptions options) {
    return std::make_unique<EtcdMesh>(system, std::move(options));
}

io::Task<Result<std::size_t>> grow_etcd(const System& system, FleetOptions options) {
    const io::Executor executor = co_await asio::this_coro::executor;
    Filling filling(system, std::move(options));
    io::TaskGroup tasks(executor);
    for (std::size_t i = 0; i < filling_at_once; ++i) tasks.spawn(fill_until_full(filling));
    co_await tasks.join();
    if (filling.failure) co_return fail(std::move(*filling.failure));
    co_return filling.rows;
}

} // namespace hawser::bench
