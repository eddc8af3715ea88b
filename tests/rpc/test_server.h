// A server whose handlers write down what they see, and what its tests do with it.
#pragma once

#include <doctest/doctest.h>

#include <unistd.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "http/test_connections.h"
#include "rpc/client.h"

namespace hawser::test {

using rpc::Caller;
using rpc::Client;
using rpc::MessageStream;

// What the handlers of a test server saw.
struct Seen {
    std::vector<Caller> callers;
    int cancelled = 0;
    int running = 0;
    int asked = 0; // guards
    std::vector<Error> refused;
};

struct Running { // also when its coroutine is cancelled
    explicit Running(Seen& the_seen) : seen(the_seen) { ++seen.running; }
    ~Running() {
        --seen.running;
        if (!done) ++seen.cancelled;
    }
    Seen& seen;
    bool done = false;
};

inline io::Task<Result<std::string>> echo(Seen& seen, const Caller& caller, std::string request) {
    seen.callers.push_back(caller);
    if (request == "fail") co_return fail(ErrorCode::not_found, "no such thing: 100 %");
    if (request == "slow") {
        Running running(seen);
        const bool slept = co_await io::sleep(30s);
        running.done = slept;
    }
    co_return request;
}

inline io::Task<Result<void>> chat(Seen& seen, const Caller& caller, MessageStream& stream) {
    seen.callers.push_back(caller);
    Running running(seen);
    while (true) {
        auto message = co_await stream.read(10s);
        if (!message) co_return fail(std::move(message.error()));
        if (!*message) break;
        if (**message == "fail") co_return fail(ErrorCode::aborted, "lost the race");
        if (auto written = co_await stream.write("re: " + **message, 10s); !written)
            co_return written;
    }
    running.done = true;
    co_return Result<void>();
}

// Sends as fast as it can, for as long as it is read.
inline io::Task<Result<void>> firehose(Seen& seen, const Caller&, MessageStream& stream) {
    Running running(seen);
    while (true) {
        auto written = co_await stream.write(std::string(100'000, 'x'), 200ms);
        if (!written) co_return written;
    }
}

// Takes nothing, for as long as the caller likes.
inline io::Task<Result<void>> deaf(Seen& seen) {
    Running running(seen);
    (void)co_await io::sleep(30s);
    co_return Result<void>();
}

// Who says the right word.
inline Result<void> ask_for_word(Seen& seen, const Caller& caller) {
    ++seen.asked;
    if (caller.bearer == "sesame") return {};
    return fail(ErrorCode::unauthenticated, "the wrong word");
}

struct Server {
    explicit Server(TestLoop& the_loop, rpc::ServerOptions options = {}, bool unix_socket = true)
        : loop(the_loop), tasks(loop.executor()) {
        rpc::Methods methods;
        methods.unary("/test/Echo", [this](const Caller& caller, std::string request) {
            return echo(seen, caller, std::move(request));
        });
        methods.streaming("/test/Chat", [this](const Caller& caller, MessageStream& stream) {
            return chat(seen, caller, stream);
        });
        methods.streaming("/test/Firehose", [this](const Caller& caller, MessageStream& stream) {
            return firehose(seen, caller, stream);
        });
        methods.streaming("/test/Deaf",
                          [this](const Caller&, MessageStream&) { return deaf(seen); });
        methods.unary(
            "/test/Guarded",
            [this](const Caller& caller, std::string request) {
                return echo(seen, caller, std::move(request));
            },
            [this](const Caller& caller) { return ask_for_word(seen, caller); });
        options.on_refused = [this](const Error& error) { seen.refused.push_back(error); };
        auto acceptor = unix_socket
                            ? io::listen_unix(loop.executor(), path, 0600, static_cast<gid_t>(-1))
                            : io::listen_tcp(loop.executor(), *Endpoint::parse("127.0.0.1:0"));
        REQUIRE(acceptor);
        if (!unix_socket) endpoint = *io::local_endpoint(acceptor->native_handle());
        tasks.spawn(rpc::serve(std::move(*acceptor), std::move(methods), std::move(options)));
        loop.settle();
    }
    ~Server() {
        tasks.cancel();
        REQUIRE(loop.until([this] { return tasks.size() == 0; }));
        std::error_code ignored;
        std::filesystem::remove(path, ignored);
    }

    [[nodiscard]] Result<std::unique_ptr<Client>> try_connect(tls::CredentialsPtr credentials) {
        return loop.run(endpoint.port == 0 ? Client::connect_unix(path)
                                           : Client::connect_tls(endpoint, std::move(credentials)));
    }
    [[nodiscard]] std::unique_ptr<Client> connect(tls::CredentialsPtr credentials = nullptr) {
        auto client = try_connect(std::move(credentials));
        if (!client) throw std::runtime_error(client.error().message);
        return std::move(*client);
    }

    TestLoop& loop;
    io::TaskGroup tasks;
    Seen seen;
    std::string path = "/tmp/hawser-rpc-test-" + std::to_string(::getpid()) + ".sock";
    Endpoint endpoint;
};

inline rpc::ServerOptions tls_options(tls::CredentialsPtr credentials) {
    return {.credentials = [credentials] { return credentials; }, .name = "test"};
}

inline Result<std::string> call(TestLoop& loop, Client& client, std::string request,
                                std::chrono::milliseconds timeout = 5s) {
    return loop.run(client.call("/test/Echo", std::move(request), timeout));
}

inline std::unique_ptr<MessageStream> open(TestLoop& loop, Client& client,
                                           const std::string& path) {
    auto stream = loop.run(client.open_stream(path));
    REQUIRE(stream);
    return std::move(*stream);
}

} // namespace hawser::test
