#include "host/dns_server.h"

#include <arpa/inet.h>

#include <algorithm>
#include <asio/as_tuple.hpp>
#include <asio/buffer.hpp>
#include <asio/read.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include "host/deadline.h"
#include "host/dns_forward.h"
#include "host/dns_message.h"
#include "host/interfaces.h"
#include "log/log.h"

namespace hawser::host {
namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable_t<io::Executor>{});
constexpr std::size_t max_connections = 128; // a host's resolvers use TCP for a moment only
constexpr auto connection_idle = std::chrono::seconds(10);
constexpr int datagrams_per_wake = 64; // then others of the loop get their turn
constexpr int bind_attempts = 16;
constexpr std::size_t most_records = 16; // more nameservers than a host has

// Counts something while it lives, however its coroutine ends.
class Counted {
  public:
    explicit Counted(std::size_t& count) : count_(count) { ++count_; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    ~Counted() { --count_; }

  private:
    std::size_t& count_;
};

// The upstream could not say: another may know.
bool is_refusal(int rcode) {
    return rcode == dns_server_failure || rcode == dns_not_implemented || rcode == dns_refused;
}

} // namespace

DnsServer::DnsServer(io::Executor executor, DnsServerOptions options, SnapshotSource snapshot)
    : executor_(executor),
      options_(std::move(options)),
      snapshot_(std::move(snapshot)),
      resolv_conf_(options_.resolv_conf),
      tasks_(executor) {}

Result<void> DnsServer::start() {
    for (const Endpoint& wanted : options_.listen)
        if (auto opened = open(wanted); !opened) return fail(std::move(opened.error()), "dns");
    return {};
}

Result<void> DnsServer::open(const Endpoint& wanted) {
    Error last;
    // Any free port must be free for both; whoever asked for a number gets that one or an error.
    for (int attempt = 0; attempt < (wanted.port == 0 ? bind_attempts : 1); ++attempt) {
        auto acceptor = io::listen_tcp(executor_, wanted);
        if (!acceptor) return fail(std::move(acceptor.error()));
        auto bound = io::local_endpoint(acceptor->native_handle());
        if (!bound) return fail(std::move(bound.error()));
        auto listener = UdpListener::open(executor_, *bound);
        if (!listener) {
            last = std::move(listener.error());
            continue;
        }
        endpoints_.push_back(*bound);
        tasks_.spawn(serve_udp(std::make_shared<UdpListener>(std::move(*listener))));
        tasks_.spawn(serve_tcp(std::make_shared<io::Acceptor>(std::move(*acceptor))));
        return {};
    }
    return fail(std::move(last));
}

io::Task<void> DnsServer::stop() {
    tasks_.cancel();
    co_await tasks_.join();
}

bool DnsServer::is_self(const Endpoint& upstream) const {
    return std::ranges::any_of(endpoints_, [&](const Endpoint& own) {
        return own.port == upstream.port &&
               (own.address == upstream.address ||
                (own.address.is_unspecified() && is_own_address(upstream.address)));
    });
}

std::vector<Endpoint> DnsServer::upstreams() {
    std::vector<Endpoint> servers =
        options_.upstreams.empty() ? resolv_conf_.nameservers() : options_.upstreams;
    std::erase_if(servers, [this](const Endpoint& server) { return is_self(server); });
    std::ranges::stable_partition(servers, [this](const Endpoint& each) { return !rests(each); });
    return servers;
}

bool DnsServer::rests(const Endpoint& upstream) const {
    const auto known = std::ranges::find(records_, upstream, &Record::upstream);
    return known != records_.end() && std::chrono::steady_clock::now() < known->rests_until;
}

DnsServer::Record& DnsServer::record_of(const Endpoint& upstream) {
    const auto known = std::ranges::find(records_, upstream, &Record::upstream);
    if (known != records_.end()) return *known;
    // resolv.conf may name others from time to time.
    if (records_.size() >= most_records) records_.erase(records_.begin());
    return records_.emplace_back(
        Record{.upstream = upstream, .answered = Time::min(), .rests_until = Time::min()});
}

void DnsServer::note_answer(const Endpoint& upstream) {
    Record& record = record_of(upstream);
    record.answered = std::chrono::steady_clock::now();
    record.rests_until = Time::min();
}

// It may be that one name which is slow, if it answered others meanwhile.
void DnsServer::note_silence(const Endpoint& upstream, Time since) {
    Record& record = record_of(upstream);
    if (record.answered < since)
        record.rests_until = std::chrono::steady_clock::now() + options_.upstream_rest;
}

DnsDecision DnsServer::decide_now(ByteView query, bool udp) {
    const model::SnapshotPtr mesh = snapshot_();
    DnsZone zone{.snapshot = mesh.get(), .domain = options_.domain, .ipv6 = options_.ipv6};
    if (mesh && !mesh->trust().dns_domain.empty()) zone.domain = mesh->trust().dns_domain;
    return decide(query, zone, udp);
}

io::Task<void> DnsServer::serve_udp(ListenerPtr listener) {
    UdpPeer peer;
    while (true) {
        auto [error] = co_await listener->socket().async_wait(UdpSocket::wait_read, as_result);
        if (error) co_return;
        for (int i = 0; i < datagrams_per_wake; ++i) {
            const auto query = listener->receive(peer);
            if (!query) break;
            handle_datagram(listener, peer, *query);
        }
    }
}

void DnsServer::handle_datagram(const ListenerPtr& listener, const UdpPeer& peer, ByteView query) {
    DnsDecision decision = decide_now(query, true);
    if (decision.action == DnsAction::forward) {
        tasks_.spawn(answer_later(listener, peer, std::string(as_text(query))));
        return;
    }
    count(decision.result);
    if (decision.action == DnsAction::answer) listener->send(peer, decision.answer);
}

io::Task<void> DnsServer::answer_later(ListenerPtr listener, UdpPeer peer, std::string query) {
    const std::string answer = co_await forward(std::move(query), false);
    listener->send(peer, answer);
}

io::Task<std::string> DnsServer::forward(std::string query, bool tcp) {
    const auto servers = upstreams();
    const std::string failure = error_answer(as_bytes(query), dns_server_failure);
    if (servers.empty() || in_flight_ >= limits::dns_forwards_in_flight) {
        count(DnsResult::failed);
        co_return failure;
    }
    const Counted slot(in_flight_);
    // A lost datagram is asked for again, also with a single upstream.
    const std::size_t tries = std::max<std::size_t>(2, servers.size());
    const auto each = options_.forward_timeout / static_cast<int>(tries);
    std::vector<bool> refused(servers.size());
    std::string refusal;
    for (std::size_t attempt = 0; attempt < tries; ++attempt) {
        const std::size_t position = attempt % servers.size();
        if (refused[position]) continue;
        DnsForward to{.upstream = servers[position], .mark = options_.mark, .timeout = each};
        const Time asked = std::chrono::steady_clock::now();
        auto answer =
            tcp ? co_await ask_tcp(executor_, to, query) : co_await ask_udp(executor_, to, query);
        if (!answer) {
            if (answer.error().code == ErrorCode::deadline_exceeded)
                note_silence(to.upstream, asked);
            continue;
        }
        note_answer(to.upstream);
        if (is_refusal(dns_rcode(as_bytes(*answer)))) {
            refused[position] = true;
            refusal = std::move(*answer);
            continue;
        }
        count(DnsResult::forwarded);
        co_return std::move(*answer);
    }
    count(DnsResult::failed);
    co_return refusal.empty() ? failure : refusal;
}

io::Task<void> DnsServer::serve_tcp(std::shared_ptr<io::Acceptor> acceptor) {
    while (true) {
        auto socket = co_await io::accept(*acceptor);
        if (!socket) co_return;
        if (connections_ < max_connections) tasks_.spawn(serve_connection(std::move(*socket)));
    }
}

io::Task<std::string> DnsServer::answer_tcp(std::string query) {
    DnsDecision decision = decide_now(as_bytes(query), false);
    if (decision.action == DnsAction::forward) co_return co_await forward(std::move(query), true);
    count(decision.result);
    co_return std::move(decision.answer);
}

io::Task<void> DnsServer::serve_connection(io::Socket socket) {
    const Counted slot(connections_);
    while (true) {
        std::string query;
        {
            const Deadline deadline(socket, connection_idle);
            std::uint16_t length = 0;
            auto [error, read] =
                co_await asio::async_read(socket, asio::buffer(&length, 2), as_result);
            if (error || deadline.expired()) co_return;
            query.resize(ntohs(length));
            auto [body_error, body] =
                co_await asio::async_read(socket, asio::buffer(query), as_result);
            if (body_error) co_return;
        }
        const std::string answer = co_await answer_tcp(std::move(query));
        if (answer.empty() || answer.size() > limits::dns_message_bytes) co_return;
        const Deadline deadline(socket, connection_idle);
        const std::uint16_t length = htons(static_cast<std::uint16_t>(answer.size()));
        const std::array<asio::const_buffer, 2> parts = {asio::buffer(&length, 2),
                                                         asio::buffer(answer)};
        auto [error, written] = co_await asio::async_write(socket, parts, as_result);
        if (error) co_return;
    }
}

} // namespace hawser::host
