#include "server/authority_upkeep.h"

#include <format>
#include <utility>

#include "io/clock.h"
#include "log/log.h"

namespace hawser::server {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::string_view sealing_key_path = "/hawser.v1.Peer/SealingKey";
constexpr auto look_interval = 60s;
constexpr auto retry_interval = 1s;
constexpr auto answer_timeout = 2s;

} // namespace

AuthorityRows authority_rows(const registry::Tables& tables) {
    AuthorityRows rows{
        .domain = *tables.trust(), .authority = std::nullopt, .index = tables.authority_index()};
    if (const model::Authority* authority = tables.authority()) rows.authority = *authority;
    return rows;
}

AuthorityUpkeep::AuthorityUpkeep(Parts parts)
    : parts_(std::move(parts)), changed_(parts_.executor), tasks_(parts_.executor) {}

void AuthorityUpkeep::add_to(rpc::Methods& methods) {
    methods.unary(
        std::string(sealing_key_path),
        [this](const rpc::Caller& caller, std::string request) {
            return hand_out(caller, std::move(request));
        },
        [this](const rpc::Caller& caller) { return parts_.cluster.admit(caller); });
}

void AuthorityUpkeep::start() {
    tasks_.spawn(keep_current());
    tasks_.spawn(keep_rotating());
}

void AuthorityUpkeep::changed() {
    if (tables().trust() == nullptr) return;
    AuthorityRows rows = authority_rows(tables());
    // At once where that is possible: whoever wrote it relies on it.
    if (rows == parts_.keeper.rows() && parts_.keeper.index() == rows.index) return;
    tell(parts_.keeper.reload(std::move(rows), io::wall_now()));
    changed_.notify_all();
}

// --- taking it over ---------------------------------------------------------------------------

io::Task<void> AuthorityUpkeep::keep_current() {
    while (true) {
        tell(co_await take_over());
        const auto pause = trouble_.empty() ? Clock::duration(look_interval) : retry_interval;
        (void)co_await changed_.wait_until(Clock::now() + pause);
    }
}

io::Task<Result<void>> AuthorityUpkeep::take_over() {
    if (tables().trust() == nullptr) co_return Result<void>(); // the registry is still to come
    AuthorityRows rows = authority_rows(tables());
    AuthorityKeeper& keeper = parts_.keeper;
    if (rows == keeper.rows() && keeper.index() == rows.index) co_return Result<void>();
    const std::string id = rows.authority ? rows.authority->sealing_key_id : std::string();
    Result<void> done = keeper.reload(std::move(rows), io::wall_now());
    const SealingKeyPlace& place = keeper.options().sealing_key;
    if (done || id.empty() || place.from_operator()) co_return done;
    if (const Result<ca::SealingKey> known = read_sealing_key(place); known && known->id() == id)
        co_return done;
    if (Result<void> fetched = co_await fetch_sealing_key(id); !fetched)
        co_return fail(std::move(fetched.error()), done.error().message);
    co_return keeper.reload(authority_rows(tables()), io::wall_now());
}

io::Task<Result<void>> AuthorityUpkeep::fetch_sealing_key(std::string id) {
    v1::SealingKeyRequest request;
    request.set_from(parts_.raft.id());
    request.set_id(id);
    Error last{ErrorCode::unavailable, "there is no other server to ask for the sealing key"};
    std::vector<raft::ServerId> others;
    for (const model::Server* server : tables().servers()) {
        if (server->id != parts_.raft.id()) others.push_back(server->id);
    }
    for (const raft::ServerId other : others) {
        const PeerTransport::Answer answer = co_await parts_.cluster.call(
            other, std::string(sealing_key_path), request.SerializeAsString(), answer_timeout);
        v1::SealingKeyResponse response;
        if (!answer.bytes) {
            last = answer.bytes.error();
            continue;
        }
        if (!response.ParseFromString(*answer.bytes)) continue;
        const Result<ca::SealingKey> key = ca::SealingKey::parse(response.key());
        if (key && key->id() == id)
            co_return store_sealing_key(parts_.keeper.options().sealing_key, *key);
        last = {ErrorCode::corrupt, "another server answered with another sealing key"};
    }
    co_return fail(std::move(last), "asking the other servers for the sealing key " + id);
}

// A member has all that the key opens already; it is only that the key came later.
io::Task<Result<std::string>> AuthorityUpkeep::hand_out(const rpc::Caller& caller,
                                                        std::string bytes) {
    v1::SealingKeyRequest request;
    if (!request.ParseFromString(bytes)) co_return fail(ErrorCode::invalid, "not a question");
    const Result<Member> member = parts_.cluster.identify(caller, request.from());
    if (!member) co_return fail(member.error());
    const SealingKeyPlace& place = parts_.keeper.options().sealing_key;
    if (place.from_operator())
        co_return fail(ErrorCode::failed_precondition,
                       "the sealing key is the operator's to bring to each server");
    const Result<ca::SealingKey> key = read_sealing_key(place);
    if (!key) co_return fail(key.error());
    if (key->id() != request.id())
        co_return fail(ErrorCode::not_found, "this server has another sealing key");
    log::info("gave the sealing key to a server", {{"server", member->name}});
    v1::SealingKeyResponse response;
    response.set_key(key->to_text());
    co_return response.SerializeAsString();
}

void AuthorityUpkeep::tell(const Result<void>& result) {
    const std::string before =
        std::exchange(trouble_, result ? std::string() : result.error().message);
    if (!result && before != trouble_) {
        log::error("this server does not sign with the mesh's authority as it is now",
                   {{"error", result.error()}});
    } else if (result && !before.empty()) {
        log::info("this server signs with the mesh's authority as it is now", {});
    }
}

} // namespace hawser::server
