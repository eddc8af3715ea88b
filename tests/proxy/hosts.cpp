#include "proxy/hosts.h"

#include <asio/as_tuple.hpp>
#include <asio/buffer.hpp>
#include <asio/use_awaitable.hpp>

#include "io/socket.h"
#include "proxy/enforcement.h"
#include "proxy/inbound.h"
#include "proxy/outbound.h"

namespace hawser::proxy::test {
namespace {

const Endpoint any_port{.address = IpAddress::v4(0x7f000001), .port = 0};

// Ends the tasks of a group that is about to go.
void end(TestLoop& loop, io::TaskGroup& tasks) {
    tasks.cancel();
    if (!loop.until([&] { return tasks.size() == 0; })) std::abort();
}

template <typename T>
void add_rows(model::SnapshotBuilder& builder, const std::vector<T>& rows) {
    for (const T& row : rows) {
        const model::Resource resource = row;
        builder.apply({.kind = model::kind_of(resource),
                       .key = model::key_of(resource),
                       .index = 1,
                       .value = std::make_shared<const model::Resource>(resource)});
    }
}

} // namespace

void MeshRows::add(const std::string& node, const Endpoint& tunnel, std::uint16_t port) {
    nodes.push_back({.name = node, .zone = {}, .tunnel = tunnel, .version = {}, .alive = true});
    instances.push_back(
        {.node = node, .service = "api", .port = port, .health = model::Health::passing});
}

void MeshRows::allow(const std::string& caller) {
    policies.push_back({.name = caller + "-calls-api", .service = "api", .from = {caller}});
}

model::SnapshotPtr MeshRows::snapshot() const {
    model::SnapshotBuilder builder;
    add_rows<model::Service>(builder, {api});
    add_rows(builder, nodes);
    add_rows(builder, instances);
    add_rows(builder, policies);
    add_rows(builder, quarantines);
    builder.set_index(1);
    return builder.build();
}

Listener::Listener(TestLoop& loop, std::function<void(io::Socket)> take)
    : loop_(loop),
      take_(std::move(take)),
      acceptor_(value_of(io::listen_tcp(loop.executor(), any_port))),
      endpoint_(value_of(io::local_endpoint(acceptor_.native_handle()))),
      tasks_(loop.executor()) {
    tasks_.spawn(accept_all());
}

Listener::~Listener() {
    end(loop_, tasks_);
}

io::Task<void> Listener::accept_all() {
    while (true) {
        auto socket = co_await io::accept(acceptor_);
        if (!socket) co_return;
        take_(std::move(*socket));
    }
}

Host::Host(TestLoop& loop, const std::string& node)
    : context(loop.executor(), options, metrics, *log, value_of(host::SocketOwnerLookup::open()),
              42),
      loop_(loop),
      node_(node),
      node_credentials_(hawser::test::credentials_of_node(node)),
      web_credentials_(hawser::test::credentials_of("web")) {
    know({});
}

Host::~Host() {
    tunnels_.reset();
    end(loop_, context.tasks);
}

void Host::know(const MeshRows& rows, Endpoint api) {
    std::vector<LocalService> services;
    if (speaks_as_web) services.push_back({.name = "web", .port = 0, .dial = {}, .owner = {}});
    if (api.port != 0) services.push_back({.name = "api", .port = 8080, .dial = api, .owner = {}});
    auto view = std::make_shared<View>();
    view->node = node_;
    view->trust_domain = trust_domain;
    view->mesh = rows.snapshot();
    view->local = std::make_shared<LocalServices>(std::move(services));
    view->node_credentials = node_credentials_;
    view->service_credentials["web"] = web_credentials_;
    use_view(context, std::move(view), nullptr);
}

void Host::certify(std::uint64_t generation, Duration lifetime) {
    const model::Identity node{.trust_domain = std::string(trust_domain),
                               .kind = model::IdentityKind::node,
                               .name = node_};
    node_credentials_ = hawser::test::new_credentials(node, generation, lifetime);
    web_credentials_ =
        hawser::test::new_credentials(hawser::test::identity_of("web"), generation, lifetime);
}

io::Socket Host::call() {
    std::optional<io::Socket> taken;
    Listener listener(loop_, [&](io::Socket socket) { taken.emplace(std::move(socket)); });
    auto socket = value_of(loop_.run(io::connect_tcp(loop_.executor(), listener.endpoint())));
    REQUIRE(loop_.until([&] { return taken.has_value(); }));
    context.tasks.spawn(
        serve_upstream(context, std::move(*taken),
                       {.source = "web", .destination = "api", .listen = listener.endpoint()}));
    return socket;
}

Endpoint Host::listen() {
    tunnels_ = std::make_unique<Listener>(loop_, [this](io::Socket socket) {
        context.tasks.spawn(serve_tunnel(context, std::move(socket)));
    });
    return tunnels_->endpoint();
}

std::uint64_t Host::counted(telemetry::Metric metric,
                            std::initializer_list<std::string_view> labels) {
    return metrics.counter(metric, labels).value;
}

std::uint64_t Host::opened(std::string_view reporter, std::string_view security,
                           std::string_view flags) {
    const bool reached = security != "none";
    return metrics
        .connection({.reporter = reporter,
                     .source_workload = "web",
                     .source_principal = "spiffe://hawser.local/svc/web",
                     .destination_service = "api.mesh",
                     .destination_workload = "api",
                     .destination_principal = reached ? "spiffe://hawser.local/svc/api" : "",
                     .response_flags = flags,
                     .connection_security_policy = security})
        .opened->value;
}

FarAgent::FarAgent(TestLoop& loop, const std::string& node)
    : credentials_(hawser::test::credentials_of_node(node)),
      listener_(loop, [this, &loop](io::Socket socket) { take(loop, std::move(socket)); }) {}

FarAgent::~FarAgent() = default;

void FarAgent::take(TestLoop& loop, io::Socket socket) {
    auto session = value_of(tls::Session::create(credentials_, tls::Role::server));
    auto& tunnel = tunnels.emplace_back(std::make_unique<TestEnd>(
        loop, std::move(socket), std::move(session), http::H2Options{.server = true}));
    tunnel->when_request = when_request;
    tunnel->start();
}

std::size_t FarAgent::requests() const {
    std::size_t count = 0;
    for (const auto& tunnel : tunnels) count += tunnel->requests.size();
    return count;
}

End::End(TestLoop& loop, io::Socket& socket) : loop_(loop), tasks_(loop.executor()) {
    tasks_.spawn(read(socket));
}

End::~End() {
    end(loop_, tasks_);
}

io::Task<void> End::read(io::Socket& socket) {
    char buffer[4096];
    while (!error) {
        auto [failure, count] = co_await socket.async_read_some(
            asio::buffer(buffer), asio::as_tuple(asio::use_awaitable_t<io::Executor>{}));
        received.append(buffer, count);
        if (failure) error = failure;
    }
}

} // namespace hawser::proxy::test
