#include "agent/interception.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "host/interfaces.h"
#include "host/routes.h"
#include "log/log.h"

namespace hawser::agent {
namespace {

// resolv.conf is looked at this often (one stat), the rules every fifteenth time (one nft).
constexpr std::chrono::milliseconds look_interval{2'000};
constexpr int looks_per_check = 15;

Error with_advice(Error error) {
    if (error.code == ErrorCode::permission_denied)
        error.message +=
            " (transparent mode needs CAP_NET_ADMIN; intercept.mode = \"explicit\" "
            "works without)";
    return error;
}

} // namespace

io::Task<Result<void>> leave_kernel(io::Executor executor) {
    host::KernelRules rules(executor);
    auto left = co_await rules.leave();
    auto routes = host::remove_vip_routes();
    if (!left) co_return left;
    co_return routes;
}

io::Task<Result<void>> clear_kernel(io::Executor executor) {
    host::KernelRules rules(executor);
    auto removed = co_await rules.remove();
    auto routes = host::remove_vip_routes();
    if (!removed) co_return removed;
    co_return routes;
}

io::Task<Result<host::KernelStatus>> kernel_leftovers(io::Executor executor) {
    host::KernelRules rules(executor);
    auto status = co_await rules.status();
    if (!status && status.error().code != ErrorCode::permission_denied &&
        status.error().code != ErrorCode::failed_precondition)
        co_return fail(std::move(status.error()));
    // Who may not look, or has no nft, can't have made rules either.
    if (!status) status = host::KernelStatus();
    auto routes = host::vip_routes();
    if (!routes) co_return fail(std::move(routes.error()));
    for (const Cidr& route : *routes)
        status->added.push_back("route: " + route.to_string() + " dev lo");
    status->matches = status->added.empty();
    co_return status;
}

Interception::Interception(io::Executor executor, InterceptionOptions options)
    : options_(std::move(options)), rules_(executor), changed_(executor), tasks_(executor) {}

Interception::~Interception() = default;

io::Task<Result<void>> Interception::install(model::TrustDomain domain) {
    touched_ = true;
    domain_ = std::move(domain);
    auto applied = co_await apply();
    if (!applied) {
        domain_.reset();
        (void)co_await rules_.leave();
        (void)host::remove_vip_routes();
        co_return fail(with_advice(std::move(applied.error())));
    }
    installed_ = true;
    tasks_.spawn(look_after());
    co_return Result<void>();
}

void Interception::update(const model::TrustDomain& domain) {
    if (!domain_ || (domain_->vip4 == domain.vip4 && domain_->vip6 == domain.vip6)) return;
    domain_ = domain;
    changed_.notify();
}

void Interception::set_service_ports(std::vector<std::uint16_t> ports) {
    options_.service_ports = std::move(ports);
    changed_.notify();
}

io::Task<Result<void>> Interception::leave() {
    tasks_.cancel();
    co_await tasks_.join();
    // An install() that was interrupted may have got as far as the kernel.
    if (!std::exchange(touched_, false)) co_return Result<void>();
    domain_.reset();
    installed_ = intact_ = false;
    auto left = co_await rules_.leave();
    auto routes = host::remove_vip_routes();
    if (!left) co_return left;
    co_return routes;
}

io::Task<Result<host::KernelStatus>> Interception::status() {
    return rules_.status();
}

std::string Interception::intended() const {
    return rules_.intent() ? host::render(*rules_.intent()) : "";
}

std::vector<Endpoint> Interception::uncaptured() {
    if (!rules_.intent() || options_.dns_port == 0) return {};
    std::vector<Endpoint> others = resolv_conf_.nameservers();
    const auto captured = host::capturable(others, host::is_own_address);
    std::erase_if(others,
                  [&](const Endpoint& each) { return std::ranges::contains(captured, each); });
    return others;
}

host::KernelIntent Interception::intent_for(const model::TrustDomain& domain) {
    host::KernelIntent intent;
    if (domain.vip4 != Cidr{}) intent.vip4 = domain.vip4;
    if (domain.vip6 != Cidr{} && options_.ipv6) intent.vip6 = domain.vip6;
    intent.ipv6 = options_.ipv6;
    intent.outbound_port = options_.outbound_port;
    intent.inbound_port = options_.inbound_port;
    intent.tunnel_port = options_.tunnel_port;
    intent.dns_port = options_.dns_port;
    if (intent.dns_port != 0)
        intent.nameservers = host::capturable(resolv_conf_.nameservers(), host::is_own_address);
    intent.service_ports = options_.service_ports;
    intent.mark = options_.mark;
    intent.on_exit =
        options_.on_exit == config::OnExit::open ? host::OnExit::open : host::OnExit::closed;
    return intent;
}

io::Task<Result<void>> Interception::apply() {
    host::KernelIntent intent = intent_for(*domain_);
    if (auto routes = set_routes(intent); !routes) co_return routes;
    auto applied = co_await rules_.apply(std::move(intent));
    intact_ = applied.has_value();
    last_error_ = applied ? "" : applied.error().message;
    co_return applied;
}

// Routes first: a redirected connection needs one. What an earlier run left is taken away.
Result<void> Interception::set_routes(const host::KernelIntent& intent) {
    auto present = host::vip_routes();
    if (!present) return fail(std::move(present.error()));
    std::vector<Cidr> wanted;
    if (intent.vip4) wanted.push_back(*intent.vip4);
    if (intent.vip6) wanted.push_back(*intent.vip6);
    for (const Cidr& route : *present) {
        if (std::ranges::find(wanted, route) != wanted.end()) continue;
        if (auto removed = host::remove_vip_route(route); !removed) return removed;
    }
    for (const Cidr& route : wanted) {
        if (auto added = host::add_vip_route(route); !added) return added;
    }
    return {};
}

io::Task<void> Interception::look_after() {
    for (int count = 1; !tasks_.cancelled(); ++count) {
        (void)co_await changed_.wait_for(look_interval);
        if (tasks_.cancelled() || !domain_) co_return;
        if (intent_for(*domain_) != rules_.intent()) {
            auto applied = co_await apply();
            if (applied) {
                log::info("kernel rules changed", {});
            } else {
                log::error("the kernel rules could not be changed", {{"error", applied.error()}});
            }
        } else if (count % looks_per_check == 0) {
            co_await look();
        }
    }
}

// Somebody flushed the firewall, or edited our table: put it back and say so.
io::Task<void> Interception::look() {
    auto status = co_await rules_.status();
    if (!status) {
        last_error_ = status.error().message;
        intact_ = false;
        co_return;
    }
    intact_ = status->matches;
    if (intact_) co_return;
    log::warn("the kernel rules were changed by somebody else; restoring them",
              {{"missing", status->missing.size()}, {"added", status->added.size()}});
    auto applied = co_await apply();
    if (!applied)
        log::error("the kernel rules could not be restored", {{"error", applied.error()}});
}

} // namespace hawser::agent
