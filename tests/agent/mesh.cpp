#include "mesh.h"

#include <asio/as_tuple.hpp>
#include <asio/buffer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <utility>

#include "host/files.h"
#include "server/init.h"

namespace hawser::agent::test {
namespace {

using namespace std::chrono_literals;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable_t<io::Executor>{});

io::Task<std::string> talk_task(io::Executor executor, Endpoint endpoint, std::string text) {
    std::string heard;
    auto socket = co_await io::connect_tcp(executor, endpoint);
    if (!socket) co_return heard;
    auto [error, sent] = co_await asio::async_write(*socket, asio::buffer(text), as_result);
    std::error_code ignored;
    socket->shutdown(io::Socket::shutdown_send, ignored);
    char buffer[4096];
    while (!error) {
        auto [end, count] = co_await socket->async_read_some(asio::buffer(buffer), as_result);
        error = end;
        heard.append(buffer, count);
    }
    co_return heard;
}

} // namespace

EchoServer::EchoServer(hawser::test::TestLoop& loop) : loop_(loop), tasks_(loop.executor()) {
    acceptor_ = value_of(io::listen_tcp(loop.executor(), loopback));
    port_ = value_of(io::local_endpoint(acceptor_->native_handle())).port;
    tasks_.spawn(accept_all());
}

EchoServer::~EchoServer() {
    tasks_.cancel();
    if (!loop_.until([&] { return tasks_.size() == 0; })) std::abort();
}

void EchoServer::stop() {
    acceptor_->close();
}

io::Task<void> EchoServer::accept_all() {
    while (true) {
        auto socket = co_await io::accept(*acceptor_);
        if (!socket) co_return;
        ++accepted_;
        tasks_.spawn(echo(std::move(*socket)));
    }
}

io::Task<void> EchoServer::echo(io::Socket socket) {
    char buffer[4096];
    while (true) {
        auto [error, count] = co_await socket.async_read_some(asio::buffer(buffer), as_result);
        if (error) co_return;
        auto [failed, sent] =
            co_await asio::async_write(socket, asio::buffer(buffer, count), as_result);
        if (failed) co_return;
    }
}

RunningAgent::RunningAgent(hawser::test::TestLoop& loop, std::unique_ptr<Agent> agent)
    : loop_(loop), agent_(std::move(agent)), tasks_(loop.executor()) {
    tasks_.spawn(run());
}

RunningAgent::~RunningAgent() {
    stop();
}

io::Task<void> RunningAgent::run() {
    end_.emplace(co_await agent_->run());
}

void RunningAgent::stop() {
    if (!ended()) agent_->stop();
    if (!loop_.until([&] { return tasks_.size() == 0; }, 30s)) std::abort();
}

v1::AgentStatusResponse RunningAgent::status() {
    return loop_.run(agent_->status());
}

Mesh::Mesh(const std::function<void(config::ServerConfig&)>& adjust) : tasks_(loop.executor()) {
    server_config_.node = "s1";
    server_config_.data_dir = folder.path("server");
    server_config_.socket = folder.path("server.sock");
    server_config_.listen = loopback;
    server_config_.trust_domain = "test.local";
    server_config_.vip4 = value_of(Cidr::parse("240.0.0.0/8"));
    server_config_.vip6 = value_of(Cidr::parse("fd68:6177::/64"));
    if (adjust) adjust(server_config_);
    (void)value_of(server::init(server_config_));
    start_server();
    server_config_.listen = server_->endpoint();
}

Mesh::~Mesh() {
    if (server_) stop_server();
}

void Mesh::start_server() {
    server_ = value_of(loop.run(server::Server::open(loop.executor(), server_config_, "test")));
    server_end_.reset();
    tasks_.spawn(run_server());
}

io::Task<void> Mesh::run_server() {
    server_end_.emplace(co_await server_->run());
}

void Mesh::stop_server() {
    server_->stop();
    if (!loop.until([&] { return server_end_.has_value() && tasks_.size() == 0; }, 30s))
        std::abort();
    server_.reset();
}

std::string Mesh::make_token(const std::string& node, std::vector<std::string> services) {
    v1::CreateTokenRequest request;
    request.set_node(node);
    for (std::string& service : services) request.add_services(std::move(service));
    return call<v1::CreateTokenResponse>("CreateToken", std::move(request)).token();
}

void Mesh::allow(const std::string& source, const std::string& destination) {
    model::Policy policy;
    policy.name = source + "-calls-" + destination;
    policy.service = destination;
    policy.from = {source};
    v1::ApplyRequest request;
    *request.mutable_resources()->add_policies() = model::to_proto(policy);
    const auto applied = call<v1::ApplyResponse>("Apply", std::move(request));
    v1::WaitEnforcedRequest wait;
    wait.set_index(applied.index());
    wait.set_timeout_ms(10'000);
    const auto enforced = call<v1::WaitEnforcedResponse>("WaitEnforced", std::move(wait));
    REQUIRE(enforced.all());
}

config::AgentConfig Mesh::agent_config(const std::string& node, std::vector<std::string> services) {
    config::AgentConfig config;
    config.node = node;
    config.servers = {server_endpoint()};
    config.join_token_file = folder.path(node + ".token");
    succeed(host::write_file(*config.join_token_file, make_token(node, std::move(services))));
    config.data_dir = folder.path(node);
    config.socket = folder.path(node + ".sock");
    config.services_dir = folder.path(node + ".d");
    config.workers = 2;
    config.tunnel_listen = config.dns_listen = config.metrics_listen = loopback;
    config.intercept_mode = config::InterceptMode::explicit_;
    config.access_log = config::AccessLogMode::off;
    return config;
}

std::unique_ptr<RunningAgent> Mesh::start(config::AgentConfig config) {
    auto calls = std::make_shared<int*>(nullptr); // where to count, once there is a place
    AgentOptions options{.version = "test", .commit = "none", .on_ready = [calls] {
                             if (*calls != nullptr) ++**calls;
                         }};
    auto agent = value_of(Agent::open(std::move(config), loop.loop(), std::move(options)));
    auto running = std::make_unique<RunningAgent>(loop, std::move(agent));
    *calls = &running->ready_calls;
    const bool began = loop.until([&] { return running->agent().ready() || running->ended(); });
    if (running->ended() && !running->end()) FAIL(running->end().error().message);
    REQUIRE(began);
    return running;
}

std::size_t Mesh::usable(RunningAgent& agent, const std::string& service) {
    const model::SnapshotPtr mesh = agent.agent().mesh();
    const model::ServiceView* found = mesh->service(service);
    return found == nullptr ? 0 : found->usable.size();
}

std::string Mesh::talk(const Endpoint& endpoint, const std::string& text) {
    return loop.run(talk_task(loop.executor(), endpoint, text));
}

bool Mesh::talks(const Endpoint& endpoint) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (std::chrono::steady_clock::now() < end) {
        if (talk(endpoint, "hello") == "hello") return true;
        loop.pass(20ms);
    }
    return false;
}

config::ServiceConfig offered(const std::string& name, std::uint16_t port) {
    config::ServiceConfig service;
    service.name = name;
    service.port = port;
    return service;
}

config::ServiceConfig caller(const std::string& name, const std::string& upstream) {
    config::ServiceConfig service;
    service.name = name;
    service.upstreams.push_back({.service = upstream, .listen = loopback});
    return service;
}

} // namespace hawser::agent::test
