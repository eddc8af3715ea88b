#include "watcher.h"

#include "io/socket.h"
#include "model/row.h"

namespace hawser::chaos {

namespace {

using std::chrono::milliseconds;

// A server says something every ten seconds; one that is paused or cut off says nothing. To wait
// less than it promises is to move between servers more.
constexpr milliseconds silence{3000};

} // namespace

Watcher::Watcher(const Servers& servers, History& history, std::uint32_t seed, std::size_t number)
    : servers_(servers),
      history_(history),
      number_(number),
      server_(number % servers.endpoints.size()),
      random_(seed * 1000 + 500 + static_cast<std::uint32_t>(number)) {}

io::Task<Result<void>> Watcher::run() {
    while (true) {
        const Result<void> ended = co_await follow();
        if (!ended && is_fault(ended.error()))
            co_return fail(ended.error(), "a watch ended as no fault explains");
        if (!ended && ended.error().code == ErrorCode::out_of_range) seen_ = 0; // "resync"
        co_await step_aside();
    }
}

io::Task<Result<void>> Watcher::follow() {
    auto client = co_await servers_.connect(server_);
    if (!client) co_return fail(std::move(client.error()));
    auto stream = co_await (*client)->open_stream("/hawser.v1.Api/Watch");
    if (!stream) co_return fail(std::move(stream.error()));
    if (seen_ == 0) note(Event::begin);
    v1::WatchRequest request;
    request.set_kind("service");
    request.set_from_index(seen_);
    request.set_epoch(epoch_);
    auto sent = co_await (*stream)->write(request.SerializeAsString(), servers_.timeout);
    if (!sent) co_return sent;
    while (true) {
        const auto bytes = co_await (*stream)->read(silence);
        if (!bytes) co_return fail(bytes.error());
        if (!*bytes) co_return fail(ErrorCode::unavailable, "the server ended the watch");
        v1::WatchResponse message;
        if (!message.ParseFromString(**bytes)) co_return fail(ErrorCode::corrupt, "no message");
        if (auto taken = take(message); !taken) co_return taken;
    }
}

Result<void> Watcher::take(const v1::WatchResponse& message) {
    for (const v1::Change& change : message.changes())
        if (auto taken = take_row(change, message.initial()); !taken) return taken;
    epoch_ = message.epoch();
    if (message.index() == 0 || message.index() == seen_) return {};
    seen_ = message.index();
    note(message.complete() ? Event::complete : Event::seen);
    return {};
}

Result<void> Watcher::take_row(const v1::Change& row, bool initial) {
    v1::Service service;
    if (row.kind() != static_cast<std::uint32_t>(model::Kind::service) || row.deleted() ||
        !service.ParseFromString(row.value()) || service.name() != row.key())
        return fail(ErrorCode::corrupt, "a change that is none of a register");
    history_.add(Told{.watcher = number_,
                      .event = initial ? Event::row : Event::change,
                      .index = row.index(),
                      .key = row.key(),
                      .value = static_cast<std::int64_t>(service.idle_timeout_ms())});
    return {};
}

io::Task<void> Watcher::step_aside() {
    server_ = servers_.next(server_, random_() % 2 == 0);
    (void)co_await io::sleep(milliseconds(100 + random_() % 200));
}

} // namespace hawser::chaos
