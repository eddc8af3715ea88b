#include "server/peer_api.h"

#include <format>
#include <utility>

#include "log/log.h"
#include "server/peer_codec.h"

namespace hawser::server {

namespace {

constexpr std::chrono::milliseconds greeting_timeout{5'000};
constexpr std::chrono::milliseconds a_day{86'400'000};

} // namespace

// A server's stream, for as long as it is the newest: one that is made while the old one's end was
// not yet noticed here takes its place.
class PeerApi::Stream {
  public:
    Stream(PeerApi& api, raft::ServerId server, rpc::MessageStream& stream)
        : api_(api), server_(server), stream_(stream) {
        rpc::MessageStream*& current = api_.streams_[server];
        if (current != nullptr) current->abort();
        current = &stream;
    }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    ~Stream() {
        const auto current = api_.streams_.find(server_);
        if (current != api_.streams_.end() && current->second == &stream_)
            api_.streams_.erase(current);
    }

  private:
    PeerApi& api_;
    raft::ServerId server_;
    rpc::MessageStream& stream_;
};

PeerApi::PeerApi(Parts parts) : parts_(std::move(parts)) {}

void PeerApi::add_to(rpc::Methods& methods) {
    methods.streaming(
        std::string(messages_path),
        [this](const rpc::Caller& caller, rpc::MessageStream& stream) {
            return messages(caller, stream);
        },
        members_only(messages_path));
    methods.unary(
        std::string(propose_path),
        [this](const rpc::Caller& caller, std::string request) {
            return propose(caller, std::move(request));
        },
        members_only(propose_path));
    methods.unary(
        std::string(members_path),
        [this](const rpc::Caller& caller, std::string request) {
            return members(caller, std::move(request));
        },
        members_only(members_path));
}

rpc::Guard PeerApi::members_only(std::string_view path) {
    return [this, path](const rpc::Caller& caller) { return admit(path, caller); };
}

Result<void> PeerApi::admit(std::string_view path, const rpc::Caller& caller) {
    Result<void> admitted = parts_.directory.admit(caller, parts_.trust_domain);
    if (admitted) return admitted;
    parts_.refusals.record(Refused::peer, path, caller, admitted.error());
    const bool a_server = caller.identity && caller.identity->kind == model::IdentityKind::server &&
                          caller.identity->trust_domain == parts_.trust_domain;
    if (a_server) parts_.unknown();
    return admitted;
}

Result<Member> PeerApi::identify(std::string_view path, const rpc::Caller& caller,
                                 raft::ServerId claimed) {
    Result<Member> member = parts_.directory.identify(caller, claimed, parts_.trust_domain);
    if (member) return member;
    parts_.refusals.record(Refused::peer, path, caller, member.error());
    parts_.unknown();
    return member;
}

// --- messages --------------------------------------------------------------------------------

Result<PeerGreeting> PeerApi::check_greeting(const rpc::Caller& caller, std::string_view bytes) {
    Result<PeerGreeting> greeting = decode_greeting(bytes);
    if (!greeting) {
        parts_.refusals.record(Refused::peer, messages_path, caller, greeting.error());
        return greeting;
    }
    Result<Member> member = identify(messages_path, caller, greeting->sender.id);
    if (!member) return fail(std::move(member.error()));
    const Member& self = parts_.directory.self();
    Result<std::uint32_t> agreed = agree_on_protocol(*greeting);
    if (agreed && greeting->to != self.id) {
        agreed = fail(ErrorCode::failed_precondition,
                      std::format("server '{}' has the id {:016x}, not {:016x}", self.name, self.id,
                                  greeting->to));
    }
    if (agreed) return greeting;
    parts_.refusals.record(Refused::peer, messages_path, caller, agreed.error());
    return fail(std::move(agreed.error()));
}

io::Task<Result<void>> PeerApi::messages(const rpc::Caller& caller, rpc::MessageStream& stream) {
    Result<std::optional<std::string>> first = co_await stream.read(greeting_timeout);
    if (!first) co_return fail(std::move(first.error()));
    if (!*first) co_return fail(ErrorCode::invalid, "the stream begins with hello");
    const Result<PeerGreeting> greeting = check_greeting(caller, **first);
    if (!greeting) co_return fail(greeting.error());

    if (ended_) co_return fail(ErrorCode::unavailable, "this server is stopping");
    const raft::ServerId from = greeting->sender.id;
    const Stream current(*this, from, stream);
    parts_.directory.learn(from, greeting->sender.addresses);
    parts_.learned();
    const PeerGreeting answer{.sender = parts_.directory.self(),
                              .to = from,
                              .trust_domain = parts_.trust_domain,
                              .version = parts_.version};
    if (Result<void> written = co_await stream.write(encode(answer), greeting_timeout); !written)
        co_return written;
    log::info("a server connected", {{"server", greeting->sender.name},
                                     {"peer", caller.remote},
                                     {"version", greeting->version}});
    Result<void> ended = co_await take_messages(from, stream);
    if (!ended && ended.error().code == ErrorCode::invalid)
        parts_.refusals.record(Refused::peer, messages_path, caller, ended.error());
    co_return ended;
}

void PeerApi::refresh() {
    for (const auto& [server, stream] : streams_) {
        if (!parts_.directory.find(server)) stream->abort();
    }
}

void PeerApi::end_all() {
    ended_ = true;
    for (const auto& [server, stream] : streams_) stream->abort();
}

io::Task<Result<void>> PeerApi::take_messages(raft::ServerId from, rpc::MessageStream& stream) {
    while (true) {
        Result<std::optional<std::string>> bytes = co_await stream.read(a_day);
        if (!bytes && bytes.error().code == ErrorCode::deadline_exceeded) continue;
        if (!bytes) co_return fail(std::move(bytes.error()));
        if (!*bytes) co_return Result<void>();
        Result<std::vector<raft::Message>> messages =
            decode_batch(**bytes, from, parts_.directory.self().id);
        if (!messages) co_return fail(std::move(messages.error()));
        for (raft::Message& message : *messages) parts_.receive(std::move(message));
    }
}

// --- calls -----------------------------------------------------------------------------------

io::Task<Result<std::string>> PeerApi::propose(const rpc::Caller& caller, std::string request) {
    Result<ForwardedCommands> forwarded = decode_commands(std::move(request));
    if (!forwarded) co_return fail(std::move(forwarded.error()));
    if (Result<Member> member = identify(propose_path, caller, forwarded->from); !member)
        co_return fail(std::move(member.error()));
    if (forwarded->to != parts_.directory.self().id)
        co_return fail(ErrorCode::failed_precondition, "the commands are for another server");
    co_return encode_accepted(parts_.accept(std::move(forwarded->commands)));
}

io::Task<Result<std::string>> PeerApi::members(const rpc::Caller& caller, std::string request) {
    const Result<raft::ServerId> from = decode_members_request(request);
    if (!from) co_return fail(from.error());
    if (Result<Member> member = identify(members_path, caller, *from); !member)
        co_return fail(std::move(member.error()));
    co_return encode(parts_.directory.membership());
}

} // namespace hawser::server
