#include "agent/membership.h"

#include <utility>

#include "agent/server_list.h"
#include "model/proto/control.pb.h"
#include "rpc/client.h"
#include "tls/x509.h"

namespace hawser::agent {
namespace {

// A renewal; what it brings is left to the agent, which renews when it is time.
io::Task<Result<void>> ask(Endpoint server, tls::CredentialsPtr credentials, std::string csr) {
    auto client = co_await rpc::Client::connect_tls(server, std::move(credentials));
    if (!client) co_return fail(ErrorCode::unavailable, std::move(client.error().message));
    const auto& peer = (*client)->peer();
    if (!peer || peer->identity.kind != model::IdentityKind::server)
        co_return fail(ErrorCode::unavailable, "it is not a hawser server");
    v1::SignRequest request;
    request.set_csr(std::move(csr));
    auto response =
        co_await (*client)->call<v1::SignResponse>("/hawser.v1.Mesh/Sign", std::move(request));
    if (!response) co_return fail(std::move(response.error()));
    co_return Result<void>();
}

} // namespace

io::Task<Result<void>> ask_membership(const NodeIdentity& identity, std::vector<Endpoint> servers) {
    const tls::TrustBundle trust{.roots = identity.roots, .intermediates = {}};
    const auto credentials = proven_credentials(identity.id, identity.pair, trust);
    if (!credentials) co_return fail(credentials.error());
    const auto csr = tls::make_csr(identity.pair.key_pem, identity.id);
    if (!csr) co_return fail(csr.error());
    std::string reasons;
    for (const Endpoint& server : servers) {
        auto known = co_await ask(server, *credentials, *csr);
        if (known) co_return known;
        Error& why = known.error();
        if (why.code == ErrorCode::unauthenticated || why.code == ErrorCode::permission_denied)
            co_return fail(std::move(why));
        reasons += (reasons.empty() ? "" : "; ") + ServerList::explain(server, why);
    }
    co_return fail(ErrorCode::unavailable, std::move(reasons));
}

} // namespace hawser::agent
