// A server and its clients on loops of their own, each on its own thread: nothing is shared.
#include <doctest/doctest.h>

#include <atomic>
#include <future>

#include "http/test_connections.h"
#include "rpc/client.h"

namespace hawser::test {
namespace {

using rpc::Caller;
using rpc::Client;

io::Task<Result<std::string>> echo(const Caller&, std::string request) {
    co_return request;
}

io::Task<void> serve_then(io::Acceptor acceptor, std::promise<void>& ended) {
    rpc::Methods methods;
    methods.unary("/test/Echo", echo);
    const auto credentials = credentials_of("api");
    co_await rpc::serve(std::move(acceptor), std::move(methods),
                        {.credentials = [credentials] { return credentials; }});
    ended.set_value();
}

io::Task<void> call_many(Endpoint endpoint, tls::CredentialsPtr credentials, std::uint32_t seed,
                         int& good) {
    auto client = co_await Client::connect_tls(endpoint, std::move(credentials));
    if (!client) co_return;
    for (std::uint32_t i = 0; i < 20; ++i) {
        const std::string request = pattern(100'000, seed * 100 + i);
        const auto answer = co_await (*client)->call("/test/Echo", request);
        if (answer && *answer == request) ++good;
    }
}

} // namespace

TEST_CASE("a server serves clients on other threads") {
    const auto credentials = credentials_of("web");
    (void)credentials_of("api");
    io::Loop server_loop("server");
    auto acceptor = io::listen_tcp(server_loop.executor(), *Endpoint::parse("127.0.0.1:0"));
    REQUIRE(acceptor);
    const Endpoint endpoint = *io::local_endpoint(acceptor->native_handle());
    std::promise<void> ended;
    io::TaskGroup tasks(server_loop.executor());
    tasks.spawn(serve_then(std::move(*acceptor), ended)); // before the loop's thread begins
    server_loop.start();

    std::vector<std::thread> threads;
    std::atomic<int> good = 0;
    for (std::uint32_t i = 0; i < 4; ++i) {
        threads.emplace_back([&, i] {
            TestLoop loop;
            io::TaskGroup group(loop.executor());
            int answered = 0;
            group.spawn(call_many(endpoint, credentials, i, answered));
            if (loop.until([&] { return group.size() == 0; })) good += answered;
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(good == 80);
    server_loop.post([&] { tasks.cancel(); });
    CHECK(ended.get_future().wait_for(20s) == std::future_status::ready);
    server_loop.stop();
    server_loop.join();
}

} // namespace hawser::test
