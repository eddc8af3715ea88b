#include "daemon_client.h"

#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <cstdlib>
#include <format>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/ip.h"
#include "ca/tokens.h"
#include "console.h"
#include "host/files.h"
#include "io/loop.h"
#include "io/task_group.h"
#include "rpc/client.h"
#include "tls/credentials.h"
#include "tls/x509.h"

namespace hawser::cmd {

namespace {

constexpr char default_ca[] = "/var/lib/hawser/agent/roots.pem";
constexpr std::string_view fingerprint_prefix = "sha256:";
constexpr std::size_t token_bytes = 4096;
constexpr std::size_t ca_bytes = 64 << 10;

bool exists(const std::string& path) {
    return ::access(path.c_str(), F_OK) == 0;
}

struct NetworkTarget {
    Endpoint endpoint;
    tls::CredentialsPtr credentials;
    std::string bearer;
};

std::string trimmed(std::string text) {
    const char* space = " \t\r\n";
    text.erase(text.find_last_not_of(space) + 1);
    text.erase(0, text.find_first_not_of(space));
    return text;
}

Result<std::string> read_operator_token(const std::string& file) {
    std::string text;
    if (!file.empty()) {
        Result<std::string> read = host::read_file(file, token_bytes);
        if (!read) return fail(std::move(read.error()), "the operator token");
        text = *std::move(read);
    } else if (const char* variable = std::getenv("HAWSER_TOKEN"); variable != nullptr) {
        text = variable;
    } else {
        return fail(ErrorCode::invalid,
                    "--server needs an operator token: --token-file FILE, or HAWSER_TOKEN");
    }
    text = trimmed(std::move(text));
    if (const auto parsed = ca::OperatorTokenText::parse(text); !parsed) {
        return fail(parsed.error(), "the operator token");
    }
    return text;
}

// SHA-256 of the root that the server must show.
Result<std::string> read_root_pin(const std::string& ca) {
    if (ca.starts_with(fingerprint_prefix)) {
        Result<std::string> pin = from_hex(std::string_view(ca).substr(fingerprint_prefix.size()));
        if (!pin || pin->size() != 32) {
            return fail(ErrorCode::invalid, "--ca: not 64 hex digits after 'sha256:'");
        }
        return pin;
    }
    const std::string file = ca.empty() ? default_ca : ca;
    const Result<std::string> pem = host::read_file(file, ca_bytes);
    if (!pem) {
        if (!ca.empty()) return fail(pem.error(), "--ca");
        return fail(ErrorCode::invalid,
                    "--server needs --ca: the mesh's root certificate, or its "
                    "fingerprint as sha256:HEX");
    }
    const auto chain = tls::chain_from_pem(*pem);
    if (!chain) return fail(chain.error(), file);
    if (chain->empty()) return fail(ErrorCode::invalid, file + ": holds no certificate");
    return tls::sha256(as_bytes(chain->front()));
}

Result<NetworkTarget> network_target(const TargetOptions& options) {
    NetworkTarget target;
    const Result<Endpoint> endpoint = Endpoint::parse(options.server);
    if (!endpoint) return fail(endpoint.error(), "--server");
    target.endpoint = *endpoint;
    Result<std::string> bearer = read_operator_token(options.token_file);
    if (!bearer) return fail(std::move(bearer.error()));
    target.bearer = *std::move(bearer);
    Result<std::string> pin = read_root_pin(options.ca);
    if (!pin) return fail(std::move(pin.error()));
    auto credentials = tls::make_credentials({.alpn = {"h2"}, .root_pin = *std::move(pin)});
    if (!credentials) return fail(std::move(credentials.error()));
    target.credentials = *std::move(credentials);
    return target;
}

struct Exchange {
    DaemonClient::TakeBytes take; // null: one answer, not a stream
    std::string socket;
    std::optional<NetworkTarget> network;
    std::string path;
    std::string request;
    std::chrono::milliseconds timeout;
    bool reached = false;
    Result<std::string> answer = fail(ErrorCode::internal, "the call did not end");
};

io::Task<Result<std::unique_ptr<rpc::Client>>> connect(Exchange& exchange) {
    if (!exchange.network) co_return co_await rpc::Client::connect_unix(exchange.socket);
    auto client = co_await rpc::Client::connect_tls(exchange.network->endpoint,
                                                    exchange.network->credentials);
    if (!client) co_return client;
    // Any host of the mesh has a certificate under the root; only a server may see the token.
    const auto& peer = (*client)->peer();
    if (!peer || peer->identity.kind != model::IdentityKind::server) {
        co_return fail(ErrorCode::unauthenticated,
                       "what answers there is not a server of the mesh");
    }
    (*client)->set_bearer(exchange.network->bearer);
    co_return client;
}

// A server that says nothing for so long has gone.
constexpr std::chrono::milliseconds stream_silence{30'000};

io::Task<Result<std::string>> read_stream(rpc::Client& client, Exchange& exchange) {
    auto stream = co_await client.open_stream(exchange.path);
    if (!stream) co_return fail(std::move(stream.error()));
    auto asked = co_await (*stream)->write(std::move(exchange.request), exchange.timeout);
    if (!asked) co_return fail(std::move(asked.error()));
    (*stream)->finish();
    while (true) {
        auto bytes = co_await (*stream)->read(stream_silence);
        if (!bytes) co_return fail(std::move(bytes.error()));
        if (!*bytes) co_return std::string();
        if (auto taken = exchange.take(**bytes); !taken) co_return fail(std::move(taken.error()));
    }
}

// `exchange` outlives the loop that runs this.
io::Task<void> perform(Exchange& exchange, io::Loop& loop) {
    {
        Result<std::unique_ptr<rpc::Client>> client = co_await connect(exchange);
        if (client) {
            exchange.reached = true;
            exchange.answer =
                exchange.take ? co_await read_stream(**client, exchange)
                              : co_await (*client)->call(exchange.path, std::move(exchange.request),
                                                         exchange.timeout);
        } else {
            exchange.answer = fail(std::move(client.error()));
        }
    }
    loop.stop();
}

} // namespace

void add_target_options(CLI::App& app, TargetOptions& options, Reach reach) {
    app.add_option("--socket", options.socket, "the daemon's admin socket")->type_name("PATH");
    options.network_too = reach == Reach::network_too;
    if (!options.network_too) return;
    app.add_option("--server", options.server, "a server elsewhere, as ADDRESS:PORT")
        ->type_name("ADDRESS:PORT")
        ->excludes("--socket");
    app.add_option("--token-file", options.token_file,
                   "with --server: the operator token (or HAWSER_TOKEN)")
        ->type_name("FILE");
    app.add_option("--ca", options.ca,
                   "with --server: the mesh's root certificate, or sha256:FINGERPRINT")
        ->type_name("FILE");
}

DaemonClient::DaemonClient(TargetOptions options, std::vector<std::string> sockets)
    : options_(std::move(options)) {
    if (!options_.server.empty()) {
        address_ = options_.server;
        return;
    }
    if (options_.socket.empty()) {
        options_.socket = sockets.front();
        for (const std::string& socket : sockets) {
            if (!exists(socket)) continue;
            options_.socket = socket;
            break;
        }
        sockets_ = std::move(sockets);
    }
    address_ = options_.socket;
}

Result<std::string> DaemonClient::call_bytes(const std::string& path, std::string request,
                                             std::chrono::milliseconds timeout) {
    return exchange(path, std::move(request), timeout, nullptr);
}

Result<void> DaemonClient::stream_bytes(const std::string& path, std::string request,
                                        TakeBytes take) {
    Result<std::string> end =
        exchange(path, std::move(request), limits::rpc_timeout, std::move(take));
    if (!end) return fail(std::move(end.error()));
    return {};
}

Result<std::string> DaemonClient::exchange(const std::string& path, std::string request,
                                           std::chrono::milliseconds timeout, TakeBytes take) {
    Exchange exchange{.take = std::move(take),
                      .socket = options_.socket,
                      .path = path,
                      .request = std::move(request),
                      .timeout = timeout};
    if (!options_.server.empty()) {
        Result<NetworkTarget> target = network_target(options_);
        if (!target) {
            wrong_usage_ = true;
            return fail(std::move(target.error()));
        }
        exchange.network = *std::move(target);
    }
    io::Loop loop("call");
    io::TaskGroup tasks(loop.executor());
    tasks.spawn(perform(exchange, loop));
    loop.run();
    reached_ = exchange.reached;
    return std::move(exchange.answer);
}

int DaemonClient::report(const Error& error) const {
    if (wrong_usage_) {
        cmd::report(error);
        return usage;
    }
    if (reached_) return cmd::report(error);
    // The reason names the address again.
    std::string_view reason = error.message;
    for (const std::string& step :
         {"connecting to " + address_ + ": ", std::string("connecting: ")})
        if (reason.starts_with(step)) reason.remove_prefix(step.size());
    cmd::report(
        {error.code, std::format("cannot reach {}: {}{}", address_, reason, what_to_do(error))});
    return unreachable;
}

std::string DaemonClient::what_to_do(const Error& error) const {
    if (!options_.server.empty())
        return error.code == ErrorCode::unauthenticated ? "" : "; is a server running there?";
    if (error.code == ErrorCode::permission_denied)
        return "; ask as root, or as a member of the group hawser";
    if (sockets_.empty()) return "; is the daemon running, and is this its socket?";
    const bool only_server = sockets_.size() == 1 && sockets_.front() == server_socket;
    if (only_server && exists(agent_socket))
        return "; this host has an agent only: ask on a server's host, or with --server";
    const std::string_view unit =
        options_.socket == agent_socket ? "hawser-agent" : "hawser-server";
    return std::format("; is it running? see systemctl status {}, or name another with --socket{}",
                       unit, options_.network_too ? " or --server" : "");
}

std::vector<DaemonClient> daemons_here(const TargetOptions& options) {
    const std::vector<std::string> sockets{agent_socket, server_socket};
    std::vector<DaemonClient> clients;
    if (options.socket.empty() && options.server.empty()) {
        for (const std::string& socket : sockets)
            if (exists(socket)) clients.push_back(DaemonClient(options, {socket}));
    }
    if (clients.empty()) clients.push_back(DaemonClient(options, sockets));
    return clients;
}

} // namespace hawser::cmd
