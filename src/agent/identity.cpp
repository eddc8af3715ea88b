#include "agent/identity.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "tls/session.h"
#include "tls/x509.h"

namespace hawser::agent {
namespace {

// More flights than any handshake has: ends the loop whatever the library does.
constexpr int most_flights = 16;

// Carries what one end wants to send to the other.
void carry(tls::Session& from, tls::Session& to) {
    while (!from.output().empty()) {
        const ByteView output = from.output();
        const std::span<std::uint8_t> room = to.receive_buffer(output.size());
        const std::size_t count = std::min(room.size(), output.size());
        std::memcpy(room.data(), output.data(), count);
        to.received(count);
        from.consume_output(count);
    }
}

Result<void> shake_hands(tls::Session& client, tls::Session& server) {
    bool client_done = false;
    bool server_done = false;
    for (int flight = 0; flight < most_flights; ++flight) {
        if (!client_done) {
            const auto step = client.handshake();
            if (!step) return fail(step.error());
            client_done = *step;
        }
        carry(client, server);
        if (!server_done) {
            const auto step = server.handshake();
            if (!step) return fail(step.error());
            server_done = *step;
        }
        carry(server, client);
        if (client_done && server_done) return {};
    }
    return fail(ErrorCode::internal, "the handshake does not end");
}

// What is stored, expired or not, is of the same node and mesh.
bool is_known_as(const StateDir& state, const NodeIdentity& identity) {
    const auto known = load_identity(state);
    return known && *known && (*known)->id == identity.id &&
           std::ranges::find_first_of((*known)->roots, identity.roots) != (*known)->roots.end();
}

} // namespace

std::vector<std::string> mesh_alpn() {
    return {"h2"};
}

tls::KeyPair copy_of(const tls::KeyPair& pair) {
    return {.chain_pem = pair.chain_pem, .key_pem = std::string(std::string_view(pair.key_pem))};
}

Result<LeafFacts> describe_leaf(const std::string& chain_pem) {
    const auto chain = tls::chain_from_pem(chain_pem);
    if (!chain) return fail(chain.error());
    if (chain->empty()) return fail(ErrorCode::corrupt, "no certificate");
    auto leaf = tls::describe_certificate(as_bytes(chain->front()));
    if (!leaf) return fail(leaf.error());
    if (!leaf->identity) return fail(ErrorCode::corrupt, "a certificate without a mesh identity");
    return LeafFacts{.id = std::move(*leaf->identity),
                     .not_before = leaf->not_before,
                     .not_after = leaf->not_after};
}

Result<std::optional<NodeIdentity>> load_identity(const StateDir& state) {
    auto pair = state.read_node();
    if (!pair) return fail(std::move(pair.error()));
    if (!*pair) return std::optional<NodeIdentity>();
    const std::string file = state.path() + "/node.pem";
    auto leaf = describe_leaf((*pair)->chain_pem);
    if (!leaf) return fail(std::move(leaf.error()), file);
    if (leaf->id.kind != model::IdentityKind::node)
        return fail(ErrorCode::corrupt, file + ": not a node's certificate");
    auto roots = state.read_roots();
    if (!roots) return fail(std::move(roots.error()));
    if (roots->empty())
        return fail(ErrorCode::corrupt, state.path() + ": node.pem without roots.pem");
    return std::optional<NodeIdentity>(NodeIdentity{.id = std::move(leaf->id),
                                                    .pair = std::move(**pair),
                                                    .roots = std::move(*roots),
                                                    .not_before = leaf->not_before,
                                                    .not_after = leaf->not_after});
}

Result<void> store_identity(const StateDir& state, const NodeIdentity& identity) {
    if (!is_known_as(state, identity)) {
        if (auto forgotten = state.forget_mesh(); !forgotten) return forgotten;
    }
    if (auto written = state.write_roots(identity.roots); !written) return written;
    return state.write_node(identity.pair);
}

Result<tls::CredentialsPtr> proven_credentials(const model::Identity& id, const tls::KeyPair& pair,
                                               const tls::TrustBundle& trust) {
    tls::CredentialsOptions options;
    options.trust_domain = id.trust_domain;
    options.own = copy_of(pair);
    options.trust = trust;
    options.alpn = mesh_alpn();
    auto credentials = tls::make_credentials(std::move(options));
    if (!credentials) return credentials;
    auto client = tls::Session::create(*credentials, tls::Role::client, id);
    if (!client) return fail(std::move(client.error()));
    auto server = tls::Session::create(*credentials, tls::Role::server, id);
    if (!server) return fail(std::move(server.error()));
    if (auto proven = shake_hands(**client, **server); !proven)
        return fail(std::move(proven.error()));
    return credentials;
}

} // namespace hawser::agent
