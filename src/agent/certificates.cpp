#include "agent/certificates.h"

#include <algorithm>
#include <format>
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

// Of what is left of a certificate, a pause between two tries takes no more than this part.
constexpr WallTime pauses_in_rest = 10;

} // namespace

struct Certificates::Entry {
    explicit Entry(model::Identity identity) : id(std::move(identity)) {}

    model::Identity id;
    tls::KeyPair pair;
    tls::CredentialsPtr credentials; // null: none that is valid
    WallTime not_before = 0;
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
      renew_after_(state.read_renew_after()),
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
    auto credentials = proven_credentials(entry.id, pair, trust_);
    if (credentials) return use(entry, std::move(pair), std::move(*credentials));
    const auto leaf = describe_leaf(pair.chain_pem);
    if (leaf && leaf->not_after <= io::wall_now()) {
        entry.not_before = leaf->not_before;
        entry.not_after = leaf->not_after;
        entry.last_error = "it expired";
    } else {
        entry.last_error = credentials.error().message;
    }
    log::warn("a stored certificate is of no use",
              {{"identity", entry.id.to_uri()}, {"error", entry.last_error}});
}

void Certificates::use(Entry& entry, tls::KeyPair pair, tls::CredentialsPtr credentials) {
    const auto leaf = describe_leaf(pair.chain_pem); // it was proven
    entry.pair = std::move(pair);
    entry.credentials = std::move(credentials);
    entry.not_before = leaf ? leaf->not_before : 0;
    entry.not_after = leaf ? leaf->not_after : 0;
    entry.next = renewal_time(entry.not_before, entry.not_after, renew_after_, random_);
    entry.last_error.clear();
    entry.backoff.reset();
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
    renew_after_ = state_.read_renew_after();
    if (node.roots != trust_.roots) trust_ = {.roots = std::move(node.roots), .intermediates = {}};
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
                       .issued = issue_time(entry->not_before, entry->not_after),
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

// On the first server that does it; what one does not do, the next is asked for.
io::Task<void> Certificates::renew(std::vector<EntryPtr> entries) {
    bool changed = false, node = false;
    Error last{ErrorCode::unavailable, "no server is configured"};
    for (const Endpoint& server : servers_.in_turn()) {
        auto client = co_await connect(server);
        if (!client) {
            last = std::move(client.error());
            if (last.code == ErrorCode::failed_precondition) break; // none will do
            continue;
        }
        std::vector<EntryPtr> left;
        for (const EntryPtr& entry : entries) {
            auto renewed = co_await renew_one(**client, entry);
            if (renewed) {
                changed = true;
                node = node || entry == entries_.front();
            } else if (ServerList::worth_another(renewed.error().code)) {
                last = std::move(renewed.error());
                last.message = ServerList::explain(server, last);
                left.push_back(entry);
            } else {
                failed(*entry, renewed.error());
            }
        }
        entries = std::move(left);
        if (entries.empty()) break;
    }
    for (const EntryPtr& entry : entries) failed(*entry, last);
    if (changed) on_change_(node);
}

io::Task<Result<void>> Certificates::renew_now(std::vector<model::Identity> which) {
    std::vector<EntryPtr> chosen;
    for (const EntryPtr& entry : entries_) {
        if (std::ranges::contains(which, entry->id)) chosen.push_back(entry);
    }
    co_await renew(chosen);
    wake_.notify(); // the next one may be due earlier, or later
    for (const EntryPtr& entry : chosen) {
        if (!entry->last_error.empty())
            co_return fail(ErrorCode::unavailable, entry->id.to_uri() + ": " + entry->last_error);
    }
    co_return Result<void>();
}

// Any server: each hands what it can't sign itself to the leader.
io::Task<Result<std::unique_ptr<rpc::Client>>> Certificates::connect(Endpoint server) {
    const tls::CredentialsPtr credentials = node();
    if (!credentials) {
        const Entry& own = *entries_.front();
        co_return fail(ErrorCode::failed_precondition,
                       std::format("this host's own certificate expired at {}: make a token with "
                                   "`hawser token create --node {}` and run `hawser join` here",
                                   format_time(own.not_after), own.id.name));
    }
    auto client = co_await rpc::Client::connect_tls(server, credentials);
    if (client && (*client)->peer() &&
        (*client)->peer()->identity.kind == model::IdentityKind::server)
        co_return std::move(*client);
    Error why = client ? Error{ErrorCode::permission_denied, "it is not a hawser server"}
                       : std::move(client.error());
    co_return fail(ErrorCode::unavailable, ServerList::explain(server, why));
}

io::Task<Result<void>> Certificates::renew_one(rpc::Client& client, EntryPtr entry) {
    auto pair = co_await sign(client, entry->id);
    if (!pair) co_return fail(std::move(pair.error()));
    co_return accept(*entry, std::move(*pair));
}

io::Task<Result<tls::KeyPair>> Certificates::sign(rpc::Client& client, model::Identity id) {
    auto made = tls::generate_key_pem();
    if (!made) co_return fail(std::move(made.error()));
    tls::SecretText key(std::move(*made));
    auto csr = tls::make_csr(key, id);
    if (!csr) co_return fail(std::move(csr.error()));
    v1::SignRequest request;
    if (id.kind == model::IdentityKind::service) request.set_service(id.name);
    request.set_csr(std::move(*csr));
    auto response =
        co_await client.call<v1::SignResponse>("/hawser.v1.Mesh/Sign", std::move(request));
    if (!response) co_return fail(std::move(response.error()));
    heed(Duration(response->renew_after_ms()));
    co_return tls::KeyPair{.chain_pem = response->chain(), .key_pem = std::move(key)};
}

Result<void> Certificates::accept(Entry& entry, tls::KeyPair pair) {
    auto credentials = proven_credentials(entry.id, pair, trust_);
    if (!credentials) return fail(std::move(credentials.error()), "the certificate it issued");
    const bool node = entry.id.kind == model::IdentityKind::node;
    auto stored = node ? state_.write_node(pair) : state_.write_service(entry.id.name, pair);
    // Usable all the same; only a restart without servers would miss it.
    if (!stored) log::error("a new certificate was not stored", {{"error", stored.error()}});
    use(entry, std::move(pair), std::move(*credentials));
    ++counts_.ok;
    log::info("new certificate",
              {{"identity", entry.id.to_uri()}, {"expires", format_time(entry.not_after)}});
    return {};
}

// What the servers ask for holds for the certificates of before, too.
void Certificates::heed(Duration renew_after) {
    if (renew_after < Duration::zero() || renew_after == renew_after_) return;
    renew_after_ = renew_after;
    if (auto stored = state_.write_renew_after(renew_after); !stored)
        log::error("when to renew was not stored", {{"error", stored.error()}});
    for (const EntryPtr& entry : entries_) {
        if (!entry->credentials || !entry->last_error.empty()) continue;
        entry->next = renewal_time(entry->not_before, entry->not_after, renew_after_, random_);
    }
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
    ++counts_.failed;
    // What a server refuses it will refuse again, until an operator changes something.
    const bool refused = why.code == ErrorCode::permission_denied ||
                         why.code == ErrorCode::unauthenticated || why.code == ErrorCode::invalid;
    WallTime pause = (refused ? longest_retry : entry.backoff.next(random_)).count();
    const WallTime now = io::wall_now();
    if (!refused && entry.not_after > now)
        pause = std::min(pause, std::max((entry.not_after - now) / pauses_in_rest,
                                         WallTime{first_retry.count()}));
    entry.next = now + pause;
}

} // namespace hawser::agent
