// Api/Watch: operators follow the registry as agents do, but see every change by itself.
//
// A watcher costs a coroutine and one message; what it has not taken yet waits in the hub's ring,
// which is everybody's. One that is too slow for the ring, or takes nothing at all, is told to
// begin again and dropped.
#include <chrono>
#include <format>
#include <optional>

#include "base/limits.h"
#include "model/codec.h"
#include "server/api.h"
#include "server/resource_kinds.h"
#include "server/row_scan.h"

namespace hawser::server {

namespace {

constexpr std::size_t batch_changes = 1024;
constexpr std::size_t batch_bytes = 256 << 10; // all that one watcher costs

std::unexpected<Error> resync(std::string why) {
    return fail(ErrorCode::out_of_range,
                "resync: " + std::move(why) + ": read the resources again and watch from there");
}

// What one caller follows, and how far it is.
class Watcher {
  public:
    Watcher(const RaftNode& raft, WatchHub& hub, rpc::MessageStream& stream, io::Executor executor,
            std::optional<model::Kind> kind, std::string name)
        : raft_(raft),
          hub_(hub),
          stream_(stream),
          wake_(executor),
          kind_(kind),
          name_(std::move(name)) {}

    io::Task<Result<void>> run(std::uint64_t from) {
        const WatchHub::Subscription subscription(hub_, wake_);
        seen_ = from;
        if (from == 0) {
            if (Result<void> sent = co_await send_rows(); !sent) co_return sent;
        }
        while (true) {
            if (hub_.closed()) co_return fail(ErrorCode::unavailable, "the server is stopping");
            if (Result<void> sent = co_await send_changes(); !sent) co_return sent;
            if (co_await wake_.wait_for(limits::watch_heartbeat)) continue;
            if (Result<void> sent = co_await send({}); !sent) co_return sent;
        }
    }

  private:
    [[nodiscard]] bool wanted(const model::Change& change) const {
        return model::visible_to_agents(change.kind) && (!kind_ || change.kind == *kind_) &&
               (name_.empty() || change.key == name_);
    }

    // Those there were when this began, then what changed meanwhile: together all as they are.
    io::Task<Result<void>> send_rows() {
        initial_ = true;
        seen_ = hub_.index();
        RowScan scan(seen_);
        while (true) {
            const auto rows = scan.next(raft_.registry().tables(), batch_changes);
            if (rows.empty()) break;
            if (Result<void> sent = co_await send_wanted(rows, seen_); !sent) co_return sent;
        }
        if (Result<void> sent = co_await send_changes(); !sent) co_return sent;
        v1::WatchResponse last;
        last.set_complete(true);
        if (Result<void> sent = co_await send(std::move(last)); !sent) co_return sent;
        initial_ = false;
        co_return Result<void>();
    }

    io::Task<Result<void>> send_changes() {
        while (seen_ != hub_.index()) {
            const auto next = hub_.each_since(seen_, batch_changes);
            if (!next) {
                co_return resync(std::format(
                    "the changes after index {} are no longer held (compacted)", seen_));
            }
            if (Result<void> sent = co_await send_wanted(next->changes, next->index); !sent)
                co_return sent;
        }
        co_return Result<void>();
    }

    // In as many messages as they need; only the last says that everything up to `index` was told.
    io::Task<Result<void>> send_wanted(const std::vector<model::Change>& changes,
                                       std::uint64_t index) {
        v1::WatchResponse message;
        std::size_t bytes = 0;
        for (const model::Change& change : changes) {
            if (!wanted(change)) continue;
            if (bytes >= batch_bytes) {
                if (Result<void> sent = co_await send(std::move(message)); !sent) co_return sent;
                message = v1::WatchResponse();
                bytes = 0;
            }
            v1::Change& added = *message.add_changes();
            added = model::to_proto(change);
            bytes += added.ByteSizeLong();
        }
        seen_ = index;
        if (message.changes().empty()) co_return Result<void>();
        co_return co_await send(std::move(message));
    }

    io::Task<Result<void>> send(v1::WatchResponse message) {
        message.set_initial(initial_);
        message.set_epoch(raft_.registry().tables().epoch());
        message.set_index(initial_ && !message.complete() ? 0 : seen_);
        const Result<void> written =
            co_await stream_.write(message.SerializeAsString(), limits::watch_patience);
        if (written) co_return Result<void>();
        if (written.error().code != ErrorCode::deadline_exceeded) co_return written;
        co_return resync("the watcher takes too long to read what it is sent");
    }

    const RaftNode& raft_;
    WatchHub& hub_;
    rpc::MessageStream& stream_;
    io::Signal wake_;
    std::optional<model::Kind> kind_;
    std::string name_;
    std::uint64_t seen_ = 0; // all changes up to here were sent
    bool initial_ = false;   // the rows are not all sent yet
};

// Counts whoever holds one.
class Place {
  public:
    explicit Place(std::size_t& taken) : taken_(taken) { ++taken_; }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place() { --taken_; }

  private:
    std::size_t& taken_;
};

Result<v1::WatchRequest> parse(const Result<std::optional<std::string>>& bytes) {
    if (!bytes) return fail(bytes.error());
    v1::WatchRequest request;
    if (!*bytes || !request.ParseFromString(**bytes)) {
        return fail(ErrorCode::invalid, "the request is not a valid message");
    }
    return request;
}

} // namespace

io::Task<Result<void>> Api::watch(const rpc::Caller& caller, rpc::MessageStream& stream) {
    Result<Actor> actor = admit(api_method("/hawser.v1.Api/Watch"), caller);
    if (!actor) co_return fail(std::move(actor.error()));
    const Result<v1::WatchRequest> request = parse(co_await stream.read(limits::rpc_timeout));
    if (!request) co_return fail(request.error());
    std::optional<model::Kind> kind;
    if (!request->kind().empty()) {
        const Result<model::Kind> named = readable_kind(request->kind());
        if (!named) co_return fail(named.error());
        kind = *named;
    } else if (!request->name().empty()) {
        co_return fail(ErrorCode::invalid, "a name needs its kind");
    }
    // The watcher may have read it from a server that is not behind.
    if (Result<void> reached = co_await become_current(); !reached)
        co_return fail(std::move(reached.error()));
    if (request->from_index() != 0 && request->epoch() != 0 && request->epoch() != tables().epoch())
        co_return resync("the registry has gone on from an older copy since");
    if (request->from_index() > parts_.hub.index()) {
        co_return fail(ErrorCode::unavailable,
                       std::format("index {} is not here yet; the newest is {}",
                                   request->from_index(), parts_.hub.index()));
    }
    if (watchers_ >= limits::watchers) {
        co_return fail(ErrorCode::resource_exhausted,
                       std::format("there are {} watchers already", watchers_));
    }
    const Place place(watchers_);
    Watcher watcher(parts_.raft, parts_.hub, stream, parts_.executor, kind, request->name());
    co_return co_await watcher.run(request->from_index());
}

} // namespace hawser::server
