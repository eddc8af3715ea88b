#include "server/removed.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "io/clock.h"
#include "registry/registry.h"
#include "rpc/client.h"
#include "server/authority_keeper.h"
#include "server/storage.h"

namespace hawser::server {

namespace {

constexpr std::chrono::milliseconds answer_timeout{2'000};

// Not while the server runs: it has the files.
bool disk_says_so(const std::string& data_dir, const Welcome& welcome, raft::ServerId self) {
    Result<Storage> storage = open_storage(data_dir);
    if (!storage) return false;
    Result<store::State> state = storage->state.load();
    if (!state) return false;
    const Result<registry::Registry> registry =
        registry::Registry::restore(std::move(state->rows), state->meta);
    if (!registry || registry->index() < welcome.index) return false; // it had not caught up
    const model::Server* row = registry->tables().server(self);
    return row == nullptr || row->leaving;
}

// Who is no member is told so, whatever it asks. Nothing: no answer.
io::Task<std::optional<bool>> is_member(Endpoint address, tls::CredentialsPtr credentials,
                                        raft::ServerId self) {
    auto client = co_await rpc::Client::connect_tls(address, std::move(credentials),
                                                    {.timeout = answer_timeout});
    if (!client) co_return std::nullopt;
    const Result<std::string> members = co_await (*client)->call(
        std::string(members_path), encode_members_request(self), answer_timeout);
    if (members) co_return true;
    if (members.error().code == ErrorCode::permission_denied) co_return false;
    co_return std::nullopt;
}

} // namespace

io::Task<bool> was_removed(const config::ServerConfig& config, const Welcome& welcome,
                           std::vector<Endpoint> addresses) {
    const auto self = std::ranges::find(welcome.servers, config.node, &model::Server::name);
    if (self == welcome.servers.end()) co_return false;
    if (disk_says_so(config.data_dir, welcome, self->id)) co_return true;
    const Result<std::unique_ptr<AuthorityKeeper>> authority =
        AuthorityKeeper::load({.data_dir = config.data_dir,
                               .server = config.node,
                               .certificate_lifetime = config.certificate_lifetime,
                               .sealing_key = sealing_key_place(config)},
                              {.domain = welcome.domain,
                               .authority = welcome.authority,
                               .index = welcome.authority_index},
                              io::wall_now());
    if (!authority) co_return false;
    bool refused = false;
    for (const Endpoint& address : addresses) {
        const std::optional<bool> member =
            co_await is_member(address, (*authority)->credentials(), self->id);
        if (!member) continue;
        // One that lags behind does not know a new member yet: who knows it is right.
        if (*member) co_return false;
        refused = true;
    }
    co_return refused;
}

} // namespace hawser::server
