#include "agent/certificates.h"

#include <algorithm>
#include <utility>

#include "agent/renewal.h"
#include "base/bytes.h"
#include "io/clock.h"
#include "io/socket.h"
#include "log/log.h"
#include "model/proto/control.pb.h"
#include "tls/x509.h"

namespace hawser::agent {
namespace {

constexpr std::chrono::milliseconds first_retry{250};
constexpr std::chrono::milliseconds longest_retry{30'000};
// Times are wall-clock times and clocks are set: look again at least this often.
constexpr std::chrono::milliseconds longest_sleep{30'000};

} // namespace

struct Certificates::Entry {
    explicit Entry(model::Identity identity) : id(std::move(identity)) {}

    model::Identity id;
    tls::KeyPair pair;
    tls::CredentialsPtr credentials; // null: none that is valid
    WallTime not_after = 0;
    WallTime next = 0; // when to renew, or to try again
    std::string last_error;
    Backoff backoff{first_retry, longest_retry};
};

Certificates::Certificates(io::Executor executor, const StateDir& state, ServerList& servers,
                           NodeIdentity node, std::function<void(bool node)> on_change,
                           std::uint64_t seed)
    : executor_(executor),
      state_(state),
      servers_(servers),
      on_change_(std::move(on_change)),
      random_(seed),
      wake_(executor),
      tasks_(executor) {
    trust_.roots = std::move(node.roots);
    entries_.push_back(std::make_shared<Entry>(std::move(node.id)));
    adopt(*entries_.front(), std::move(node.pair));
}

Certificates::~Certificates() = default;

void Certificates::set_services(const std::vector<std::string>& names) {
    std::vector<EntryPtr> entries{entries_.front()};
    for (const std::string& name : names) {
        const auto known = std::ranges::find_if(entries_, [&](const EntryPtr& entry) {
            return entry->id.kind == model::IdentityKind::service && entry->id.name == name;
        });
        entries.push_back(known != entries_.end() ? *known : add_service(name));
    }
    entries_ = std::move(entries);
    wake_.notify();
}

Certificates::EntryPtr Certificates::add_service(const std::string& name) {
    model::Identity id = entries_.front()->id;
    id.kind = model::IdentityKind::service;
    id.name = name;
    auto entry = std::make_shared<Entry>(std::move(id));
    auto stored = state_.read_service(name);
    if (!stored) {
        log::warn("a stored service identity can't be read", {{"error", stored.error()}});
    } else if (*stored) {
        adopt(*entry, std::move(**stored));
    }
    return entry;
}

// What was stored: used if it still proves itself, else replaced as soon as possible.
void Certificates::adopt(Entry& entry, tls::KeyPair pair) {
    const auto leaf = describe_leaf(pair.chain_pem);
    auto credentials = proven_credentials(entry.id, pair, trust_);
    if (!leaf || !credentials) {
        const Error& why = leaf ? credentials.error() : leaf.error();
        log::warn("a stored identity is of no use",
                  {{"identity", entry.id.to_uri()}, {"error", why}});
        entry.last_error = why.message;
        return;
    }
    entry.pair = std::move(pair);
    entry.credentials = std::move(*credentials);
    entry.not_after = leaf->not_after;
    entry.next = renewal_time(leaf->not_before, leaf->not_after, random_);
    entry.last_error.clear();
}

void Certificates::start() {
    tasks_.spawn(run());
}

io::Task<void> Certificates::stop() {
    tasks_.cancel();
    co_await tasks_.join();
}

void Certificates::rejoined(NodeIdentity node) {
    if (node.pair.chain_pem == entries_.front()->pair.chain_pem) return;
    log::info("this host joined once more", {{"expires", format_time(node.not_after)}});
    adopt(*entries_.front(), std::move(node.pair));
    for (const auto& entry : entries_) {
        if (entry->last_error.empty()) continue;
        entry->next = 0;
        entry->backoff.reset();
    }
    on_change_(true);
    wake_.notify();
}

void Certificates::set_trust(const model::TrustDomain& domain) {
    if (domain.roots.empty()) return;
    if (domain.roots == trust_.roots && domain.intermediates == trust_.intermediates) return;
    if (domain.roots != trust_.roots) {
        if (auto written = state_.write_roots(domain.roots); !written)
            log::error("the new roots were not stored", {{"error", written.error()}});
    }
    trust_ = {.roots = domain.roots, .intermediates = domain.intermediates};
    for (const auto& entry : entries_) {
        if (!entry->credentials) continue;
        auto credentials = proven_credentials(entry->id, entry->pair, trust_);
        if (credentials) {
            entry->credentials = std::move(*credentials);
        } else {
            entry->next = 0; // the new roots didn't sign it; the old one is kept until they do
        }
    }
    on_change_(false); // a session goes on with the roots it began with
    wake_.notify();
}

tls::CredentialsPtr Certificates::node() const {
    const Entry& entry = *entries_.front();
    return entry.not_after > io::wall_now() ? entry.credentials : nullptr;
}

std::map<std::string, tls::CredentialsPtr, std::less<>> Certificates::services() const {
    std::map<std::string, tls::CredentialsPtr, std::less<>> all;
    for (const auto& entry : entries_) {
        if (entry->id.kind == model::IdentityKind::service && entry->credentials)
            all.emplace(entry->id.name, entry->credentials);
    }
    return all;
}

std::vector<CertificateReport> Certificates::report() const {
    std::vector<CertificateReport> all;
    for (const auto& entry : entries_) {
        all.push_back({.id = entry->id,
                       .not_after = entry->not_after,
                       .renews_at = entry->next,
                       .last_error = entry->last_error});
    }
    return all;
}

io::Task<void> Certificates::run() {
    while (true) {
        std::vector<EntryPtr> entries = due(io::wall_now());
        if (!entries.empty()) {
            co_await renew(std::move(entries));
        } else {
            (void)co_await wake_.wait_for(until_next(io::wall_now()));
        }
    }
}

std::vector<Certificates::EntryPtr> Certificates::due(WallTime now) {
    std::vector<EntryPtr> found;
    for (const EntryPtr& entry : entries_) {
        if (entry->next <= now) found.push_back(entry);
    }
    return found;
}

std::chrono::milliseconds Certificates::until_next(WallTime now) const {
    WallTime next = now + longest_sleep.count();
    for (const auto& entry : entries_) next = std::min(next, entry->next);
    return std::chrono::milliseconds(std::max<WallTime>(next - now, 1));
}

io::Task<void> Certificates::renew(std::vector<EntryPtr> entries) {
    auto client = co_await connect();
    if (!client) {
        for (const EntryPtr& entry : entries) failed(*entry, client.error());
        co_return;
    }
    bool changed = false;
    for (const EntryPtr& entry : entries) {
        auto pair = co_await sign(**client, entry->id);
        Result<void> accepted;
        if (!pair) {
            accepted = fail(std::move(pair.error()));
        } else {
            accepted = accept(*entry, std::move(*pair));
        }
        if (accepted) {
            changed = true;
        } else {
            failed(*entry, accepted.error());
        }
    }
    const bool node =
        changed && entries.front() == entries_.front() && entries.front()->last_error.empty();
    if (changed) on_change_(node);
}

// Any server: each hands what it can't sign itself to the leader.
io::Task<Result<std::unique_ptr<rpc::Client>>> Certificates::connect() {
    const tls::CredentialsPtr credentials = node();
    if (!credentials) {
        co_return fail(ErrorCode::failed_precondition,
                       "the node's certificate expired: join again with a new token");
    }
    Error last{ErrorCode::unavailable, "no server is configured"};
    for (const Endpoint& server : servers_.in_turn()) {
        auto client = co_await rpc::Client::connect_tls(server, credentials);
        if (client && (*client)->peer() &&
            (*client)->peer()->identity.kind == model::IdentityKind::server)
            co_return std::move(*client);
        last = client ? Error{ErrorCode::permission_denied, "it is not a hawser server"}
                      : std::move(client.error());
        last.message = ServerList::explain(server, last);
    }
    co_return fail(std::move(last));
}

io::Task<Result<tls::KeyPair>> Certificates::sign(rpc::Client& client, model::Identity id) {
    auto key = tls::generate_key_pem();
    if (!key) co_return fail(std::move(key.error()));
    auto csr = tls::make_csr(*key, id);
    if (!csr) co_return fail(std::move(csr.error()));
    v1::SignRequest request;
    if (id.kind == model::IdentityKind::service) request.set_service(id.name);
    request.set_csr(std::move(*csr));
    auto response =
        co_await client.call<v1::SignResponse>("/hawser.v1.Mesh/Sign", std::move(request));
    if (!response) co_return fail(std::move(response.error()));
    co_return tls::KeyPair{.chain_pem = response->chain(), .key_pem = std::move(*key)};
}

Result<void> Certificates::accept(Entry& entry, tls::KeyPair pair) {
    const auto leaf = describe_leaf(pair.chain_pem);
    if (!leaf) return fail(leaf.error(), "the certificate it issued");
    auto credentials = proven_credentials(entry.id, pair, trust_);
    if (!credentials) return fail(std::move(credentials.error()), "the certificate it issued");
    const bool node = entry.id.kind == model::IdentityKind::node;
    auto stored = node ? state_.write_node(pair) : state_.write_service(entry.id.name, pair);
    // Usable all the same; only a restart without servers would miss it.
    if (!stored) log::error("a new certificate was not stored", {{"error", stored.error()}});
    entry.pair = std::move(pair);
    entry.credentials = std::move(*credentials);
    entry.not_after = leaf->not_after;
    entry.next = renewal_time(leaf->not_before, leaf->not_after, random_);
    entry.last_error.clear();
    entry.backoff.reset();
    log::info("new certificate",
              {{"identity", entry.id.to_uri()}, {"expires", format_time(entry.not_after)}});
    return {};
}

void Certificates::failed(Entry& entry, const Error& why) {
    if (entry.last_error != why.message) {
        const bool none = entry.not_after == 0;
        log::warn("no new certificate",
                  {{"identity", entry.id.to_uri()},
                   {"expires", none ? std::string("none yet") : format_time(entry.not_after)},
                   {"error", why}});
    }
    entry.last_error = why.message;
    // What a server refuses it will refuse again, until an operator changes something.
    const bool refused = why.code == ErrorCode::permission_denied ||
                         why.code == ErrorCode::unauthenticated || why.code == ErrorCode::invalid;
    const auto pause = refused ? longest_retry : entry.backoff.next(random_);
    entry.next = io::wall_now() + pause.count();
}

} // namespace hawser::agent
