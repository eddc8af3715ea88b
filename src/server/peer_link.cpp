#include "server/peer_link.h"

#include <algorithm>
#include <asio/this_coro.hpp>
#include <format>
#include <utility>

#include "base/bytes.h"
#include "base/limits.h"
#include "io/task_group.h"
#include "log/log.h"
#include "server/peer_codec.h"

namespace hawser::server {

namespace {

using std::chrono::milliseconds;

// A peer that does not answer is found out within two seconds: an election takes that long too.
constexpr milliseconds connect_timeout{1'000};
constexpr milliseconds greeting_timeout{2'000};
constexpr milliseconds ping_interval{500};
constexpr milliseconds ping_timeout{1'000};
constexpr milliseconds shortest_write_timeout{5'000};
constexpr std::size_t slowest_road = 256; // bytes a millisecond: one that is slower is no road
constexpr milliseconds first_pause{50};
constexpr milliseconds longest_pause{1'000};
constexpr milliseconds longest_pause_when_refused{5'000};
constexpr milliseconds a_day{86'400'000};

// What waits: raft has less than that in flight; votes and answers: a turn makes a few.
constexpr std::size_t queue_bytes = 8 << 20;
constexpr std::size_t queue_messages = 1024;
// What one write takes: a full window of small messages, and never so much that what comes
// meanwhile waits long.
constexpr std::size_t batch_bytes = 256 << 10;

bool is_bulk(const raft::Message& message) {
    return std::holds_alternative<raft::AppendRequest>(message.body) ||
           std::holds_alternative<raft::SnapshotRequest>(message.body);
}

} // namespace

milliseconds write_timeout(std::size_t bytes) {
    return shortest_write_timeout + milliseconds(bytes / slowest_road);
}

PeerLink::PeerLink(const PeerLinkParts& parts, Member peer)
    : parts_(parts),
      peer_(std::move(peer)),
      random_(parts.directory.self().id ^ peer_.id),
      wake_(parts.executor),
      retry_(parts.executor) {}

std::shared_ptr<rpc::Client> PeerLink::client() const {
    return status_.connected && !client_->broken() ? client_ : nullptr;
}

void PeerLink::send(raft::Message message) {
    const std::size_t size = size_of(message);
    const bool bulk = is_bulk(message);
    // Of appends the oldest are worth most, of the rest the newest.
    const bool full = bulk && bulk_bytes_ > 0 && bulk_bytes_ + size > queue_bytes;
    if (!status_.connected || full) {
        ++status_.dropped_messages;
        return;
    }
    if (bulk) {
        bulk_bytes_ += size;
        bulk_.push_back(std::move(message));
    } else {
        urgent_.push_back(std::move(message));
        if (urgent_.size() > queue_messages) {
            ++status_.dropped_messages;
            urgent_.pop_front();
        }
    }
    wake_.notify();
}

void PeerLink::leave() {
    left_ = true;
    wake_.notify();
    retry_.notify();
}

io::Task<void> PeerLink::run() {
    // The stream's watcher must be joined, so being cancelled must not throw here.
    co_await asio::this_coro::throw_if_cancelled(false);
    const auto state = co_await asio::this_coro::cancellation_state;
    milliseconds pause = first_pause;
    while (!left_ && state.cancelled() == asio::cancellation_type::none) {
        const Result<void> ended = co_await connect();
        const bool was_connected = std::exchange(status_.connected, false);
        client_.reset();
        drop_queued();
        if (left_ || state.cancelled() != asio::cancellation_type::none) break;
        if (ended) continue;
        broken(ended.error());
        if (was_connected) pause = first_pause;
        const auto jittered =
            pause / 2 + milliseconds(static_cast<milliseconds::rep>(
                            random_.unit() * 0.5 * static_cast<double>(pause.count())));
        const bool refused = ended.error().code == ErrorCode::permission_denied;
        pause = std::min(pause * 2, refused ? longest_pause_when_refused : longest_pause);
        (void)co_await retry_.wait_for(jittered);
    }
}

// The registry's addresses and what was learned, one after the other.
Result<Endpoint> PeerLink::next_address() {
    const std::optional<Member> member = parts_.directory.find(peer_.id);
    if (!member || member->addresses.empty()) {
        return fail(ErrorCode::not_found, "its address is not known");
    }
    return member->addresses[attempts_++ % member->addresses.size()];
}

io::Task<Result<void>> PeerLink::connect() {
    Result<Endpoint> address = next_address();
    if (!address) co_return fail(std::move(address.error()));
    tls::CredentialsPtr credentials = parts_.credentials();
    if (!credentials) co_return fail(ErrorCode::unavailable, "this server has no certificate yet");
    status_.address = *address;
    auto client = co_await rpc::Client::connect_tls(
        *address, std::move(credentials),
        {.timeout = connect_timeout,
         .expected = model::Identity{.trust_domain = parts_.trust_domain,
                                     .kind = model::IdentityKind::server,
                                     .name = peer_.name},
         .ping_interval = ping_interval,
         .ping_timeout = ping_timeout});
    if (!client) co_return fail(std::move(client.error()));
    client_ = std::move(*client);
    auto stream = co_await client_->open_stream(std::string(messages_path));
    if (!stream) co_return fail(std::move(stream.error()));
    if (Result<void> greeted = co_await greet(**stream); !greeted) co_return greeted;

    status_.connected = true;
    status_.error.clear();
    last_told_.clear();
    --attempts_; // a good address is tried first next time
    log::info("connected to a server",
              {{"server", peer_.name}, {"address", status_.address.to_string()}});
    co_return co_await use(**stream);
}

io::Task<Result<void>> PeerLink::greet(rpc::MessageStream& stream) {
    const PeerGreeting greeting{.sender = parts_.directory.self(),
                                .to = peer_.id,
                                .trust_domain = parts_.trust_domain,
                                .version = parts_.version};
    // A refusal comes as the end of the stream: reading tells why.
    (void)co_await stream.write(encode(greeting), greeting_timeout);
    Result<std::optional<std::string>> bytes = co_await stream.read(greeting_timeout);
    status_.refused = !bytes && bytes.error().code == ErrorCode::permission_denied;
    if (!bytes) co_return fail(std::move(bytes.error()));
    if (!*bytes) co_return fail(ErrorCode::unavailable, "the peer ended the stream");
    Result<PeerGreeting> answer = decode_greeting(**bytes);
    if (!answer) co_return fail(std::move(answer.error()));
    if (answer->sender.id != peer_.id || answer->to != greeting.sender.id) {
        co_return fail(ErrorCode::failed_precondition,
                       std::format("it says it is {:016x}, not {:016x}: has it lost its data?",
                                   answer->sender.id, peer_.id));
    }
    if (Result<std::uint32_t> agreed = agree_on_protocol(*answer); !agreed)
        co_return fail(std::move(agreed.error()));
    co_return Result<void>();
}

// Until the stream ends, whoever ends it.
io::Task<Result<void>> PeerLink::use(rpc::MessageStream& stream) {
    stream_end_.reset();
    io::TaskGroup watcher(parts_.executor);
    watcher.spawn(watch(stream));
    Result<void> written = co_await write_queued(stream);
    stream.abort();
    watcher.cancel();
    co_await watcher.join();
    co_return written;
}

// The peer says nothing on this stream: all there is to read is its end.
io::Task<void> PeerLink::watch(rpc::MessageStream& stream) {
    Result<std::optional<std::string>> read = co_await stream.read(a_day);
    while (!read && read.error().code == ErrorCode::deadline_exceeded)
        read = co_await stream.read(a_day);
    stream_end_ = Error{.code = ErrorCode::unavailable, .message = "the peer ended the stream"};
    if (!read) stream_end_ = std::move(read.error());
    wake_.notify();
}

io::Task<Result<void>> PeerLink::write_queued(rpc::MessageStream& stream) {
    const auto state = co_await asio::this_coro::cancellation_state;
    while (!left_ && !stream_end_ && state.cancelled() == asio::cancellation_type::none) {
        if (urgent_.empty() && bulk_.empty()) {
            (void)co_await wake_.wait_for(a_day); // or until cancelled
            continue;
        }
        std::string batch = encode_batch(take_batch());
        status_.sent_bytes += batch.size();
        const milliseconds timeout = write_timeout(batch.size());
        Result<void> written = co_await stream.write(std::move(batch), timeout);
        if (!written) co_return written;
    }
    if (stream_end_) co_return fail(*stream_end_);
    co_return Result<void>();
}

std::vector<raft::Message> PeerLink::take_batch() {
    std::vector<raft::Message> batch;
    for (; !urgent_.empty(); urgent_.pop_front()) batch.push_back(std::move(urgent_.front()));
    std::size_t bytes = 0;
    while (!bulk_.empty()) {
        const std::size_t size = size_of(bulk_.front());
        if (bytes > 0 && bytes + size > batch_bytes) break;
        bytes += size;
        bulk_bytes_ -= size;
        batch.push_back(std::move(bulk_.front()));
        bulk_.pop_front();
    }
    return batch;
}

void PeerLink::drop_queued() {
    status_.dropped_messages += urgent_.size() + bulk_.size();
    urgent_.clear();
    bulk_.clear();
    bulk_bytes_ = 0;
}

void PeerLink::broken(const Error& error) {
    status_.error = error.message;
    if (error.message == last_told_) return;
    last_told_ = error.message;
    log::warn("no connection to a server", {{"server", peer_.name},
                                            {"address", status_.address.to_string()},
                                            {"error", printable(error.message, 512)}});
}

} // namespace hawser::server
