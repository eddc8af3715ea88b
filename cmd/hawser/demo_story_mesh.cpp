// The story's machinery: how the mesh is put up and asked. See demo_story.h.
#include <signal.h>
#include <sys/stat.h>

#include <format>

#include "demo_story.h"

namespace hawser::cmd::demo {

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;
using nlohmann::json;

constexpr auto start_limit = 15s;

std::chrono::microseconds since(Clock::time_point begin) {
    return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin);
}

} // namespace

void Story::begin(const std::string& step, const std::string& working) {
    step_ = step;
    report_.working(working);
}

Place Story::at(const HostPlan& host) const {
    return {.network_namespace = host.network_namespace, .uid = {}};
}

Place Story::as(std::uint32_t uid) const {
    Place place = at(plan_.web);
    if (plan_.transparent) place.uid = uid; // on loopback the listener says who calls
    return place;
}

Story::Client Story::http_client(std::uint16_t upstream_port, const std::string& path) const {
    const bool to_cache = upstream_port != 0 && upstream_port == plan_.web_to_cache_port;
    const auto host = plan_.transparent ? std::string(to_cache ? "cache.mesh" : "api.mesh")
                                        : std::format("127.0.0.1:{}", upstream_port);
    const auto url = std::format("http://{}{}", host, path);
    if (const auto curl = find_program("curl")) {
        return {.shown = "curl " + url,
                .arguments = {*curl, "-sS", "--fail", "--max-time", "5", url}};
    }
    const auto port = plan_.transparent ? 80 : upstream_port;
    return {.shown = "GET " + url + "   (built in: curl is not installed)",
            .arguments = {hosts_.processes().binary(), "demo", "--internal", "load",
                          plan_.transparent ? vip_ : "127.0.0.1", std::to_string(port), host, path,
                          "1"}};
}

Result<Output> Story::call(const Client& client, std::uint32_t uid) {
    auto output = hosts_.processes().run(as(uid), client.arguments, 10s);
    // The built-in client reports a refusal in its figures.
    if (output && output->text.contains("\"failed\":1")) output->exit_code = 1;
    return output;
}

Result<void> Story::must_be_refused(const Client& client, std::uint32_t uid,
                                    const std::string& who) {
    const auto output = call(client, uid);
    if (!output) return fail(output.error());
    if (output->exit_code == 0) {
        return fail(ErrorCode::failed_precondition,
                    std::format("{} was let through: {}", who, output->text));
    }
    // A name that does not resolve, or silence, would not be a refusal. A reset that is quicker
    // than the client's look at its socket is to curl a connection that was never made.
    if (!output->text.contains("reset by peer") && !output->text.contains("connect to server")) {
        return fail(ErrorCode::failed_precondition,
                    std::format("{} was not refused: {}", who, output->text));
    }
    return {};
}

Result<Story::Load> Story::load(int count) {
    const auto address = plan_.transparent ? vip_ : std::string("127.0.0.1");
    const auto port = plan_.transparent ? 80 : plan_.web_to_api_port;
    const auto output =
        hosts_.processes().hawser(as(web_uid),
                                  {"demo", "--internal", "load", address, std::to_string(port),
                                   "api.mesh", "/" + marker_, std::to_string(count)},
                                  60s);
    if (!output) return fail(output.error(), "making load");
    const auto figures = json::parse(output->text, nullptr, false);
    if (output->exit_code != 0 || !figures.is_object()) {
        return fail(ErrorCode::internal, "making load: " + output->text);
    }
    return Load{.ok = figures.value("ok", 0),
                .failed = figures.value("failed", 0),
                .p50 = std::chrono::microseconds(figures.value("p50_us", 0)),
                .p99 = std::chrono::microseconds(figures.value("p99_us", 0)),
                .bodies = figures.value("bodies", json::object())};
}

Result<json> Story::ask(const HostPlan& host, const std::string& role,
                        std::vector<std::string> command) {
    command.insert(command.end(), {"--json", "--socket", host.socket(role)});
    const auto output = hosts_.processes().hawser(at(host), command);
    if (!output) return fail(output.error());
    auto answer = json::parse(output->text, nullptr, false);
    if (output->exit_code != 0 || answer.is_discarded()) {
        return fail(ErrorCode::unavailable, output->text);
    }
    return answer;
}

int Story::passing(const std::string& service) {
    const auto answer = ask(plan_.server, "server", {"services", service});
    if (!answer || !answer->is_object() || !answer->contains("instances")) return -1;
    if (service == "api") vip_ = answer->value("vip4", vip_);
    int count = 0;
    for (const auto& instance : (*answer)["instances"]) {
        count += instance.value("health", "") == "passing" ? 1 : 0;
    }
    return count;
}

bool Story::has_joined(const HostPlan& host) {
    const auto status = ask(host, "agent", {"status"});
    if (!status || !status->is_object()) return false;
    const auto received = status->value("received_index", 0);
    // The rules come last.
    if (plan_.transparent && !ask(host, "agent", {"intercept", "status"})) return false;
    return !status->value("server", "").empty() && received > 0 &&
           status->value("enforced_index", 0) >= received &&
           status->value("certificates", json::array()).size() >= 2;
}

Result<void> Story::start_server() {
    begin("server", "making a trust domain and starting the server");
    const auto began = Clock::now();
    const auto& host = plan_.server;
    const auto config = host.config("server");
    if (auto written = write_file(config, server_config(plan_)); !written) return written;
    const auto init = hosts_.processes().hawser(at(host), {"init", "-c", config});
    if (!init) return fail(init.error());
    if (init->exit_code != 0) {
        return fail(ErrorCode::failed_precondition, "hawser init: " + init->text);
    }
    auto pid = hosts_.processes().start(
        at(host), {hosts_.processes().binary(), "server", "-c", config}, "server");
    if (!pid) return fail(pid.error());
    server_ = *pid;
    auto ready = wait_until([&] { return ask(host, "server", {"status"}).has_value(); },
                            start_limit, "the server answers");
    if (!ready) return ready;
    report_.held(step_, std::format("trust domain, certificate authority and registry: {}",
                                    show_time(since(began))));
    return {};
}

Result<void> Story::join_hosts() {
    begin("hosts", "enrolling web and api");
    const auto began = Clock::now();
    cache_is_http_ = !find_program("redis-server") || !find_program("redis-cli");
    auto written = write_file(plan_.web.config("agent"), web_config(plan_));
    if (written) {
        written = write_file(plan_.api.config("agent"), api_config(plan_, cache_is_http_));
    }
    if (!written) return written;
    auto watching =
        plan_.transparent
            ? capture_.watch_namespace(plan_.web.network_namespace, plan_.web.tunnel_port)
            : capture_.watch_loopback(plan_.api.advertised_port, plan_.api.tunnel_port);
    if (!watching) return watching;
    if (auto done = join(plan_.web, "web,batch", web_agent_); !done) return done;
    if (auto done = join(plan_.api, "api,cache", api_agent_); !done) return done;
    auto joined = wait_until([&] { return has_joined(plan_.web) && has_joined(plan_.api); },
                             start_limit, "both agents are part of the mesh");
    if (!joined) return joined;
    report_.held(step_, std::format("web and api enrolled with one-time tokens, keys made on the "
                                    "host: {}",
                                    show_time(since(began))));
    return {};
}

Result<void> Story::join(const HostPlan& host, const std::string& services, pid_t& agent) {
    const auto token = ask(plan_.server, "server",
                           {"token", "create", "--node", host.name, "--services", services});
    if (!token) return fail(token.error(), "hawser token create");
    const auto path = host.directory + "/join-token";
    if (auto done = write_file(path, token->value("token", "") + "\n"); !done) return done;
    auto pid = hosts_.processes().start(
        at(host), {hosts_.processes().binary(), "agent", "-c", host.config("agent")},
        "agent-" + host.name);
    if (!pid) return fail(pid.error());
    agent = *pid;
    return {};
}

Result<void> Story::start_programs() {
    begin("services", "starting real programs");
    auto done = start_api("one", plan_.api_one_port, api_one_);
    if (done) done = start_api("two", plan_.api_two_port, api_two_);
    if (done) done = start_cache();
    if (!done) return done;
    done = wait_until([&] { return passing("api") == 2 && passing("cache") == 1; }, start_limit,
                      "two instances of api and one of cache are healthy");
    if (!done) return done;
    report_.held(step_, std::format("{} × 2 as “api”, {} as “cache”: healthy",
                                    find_program("nginx") ? "nginx" : "a built-in web server",
                                    cache_is_http_ ? "a built-in web server" : "redis"));
    return {};
}

Result<void> Story::start_api(const std::string& instance, std::uint16_t port, pid_t& pid) {
    const auto& host = plan_.api;
    std::vector<std::string> arguments;
    if (const auto nginx = find_program("nginx")) {
        const auto path = std::format("{}/nginx-{}.conf", host.directory, instance);
        if (auto done = write_file(path, nginx_config(host.directory, port, instance)); !done) {
            return done;
        }
        arguments = {*nginx, "-p", host.directory, "-e", "stderr", "-c", path};
    } else {
        arguments = {hosts_.processes().binary(), "demo",           "--internal", "echo",
                     std::to_string(port),        "api " + instance};
    }
    auto started = hosts_.processes().start(at(host), arguments, "api-" + instance);
    if (!started) return fail(started.error());
    pid = *started;
    return {};
}

Result<void> Story::start_cache() {
    const auto port = std::to_string(plan_.cache_port);
    std::vector<std::string> arguments = {
        hosts_.processes().binary(), "demo", "--internal", "echo", port, "cache"};
    if (!cache_is_http_) {
        arguments = {*find_program("redis-server"),
                     "--port",
                     port,
                     "--bind",
                     "127.0.0.1",
                     "--save",
                     "",
                     "--dir",
                     plan_.api.directory};
    }
    return hosts_.processes().start(at(plan_.api), arguments, "cache").transform([](pid_t) {});
}

Result<void> Story::revive() {
    begin("keep", "starting again what the story stopped");
    auto pid = hosts_.processes().start(
        at(plan_.server),
        {hosts_.processes().binary(), "server", "-c", plan_.server.config("server")}, "server");
    if (!pid) return fail(pid.error());
    server_ = *pid;
    if (auto done = start_api("one", plan_.api_one_port, api_one_); !done) return done;
    return wait_until([&] { return passing("api") == 2; }, start_limit, "api is whole again");
}

Result<void> Story::leave() {
    begin("leaving", "stopping the agents");
    capture_.stop();
    const auto began = Clock::now();
    for (const auto agent : {web_agent_, api_agent_}) {
        const auto stopped = hosts_.processes().stop(agent, SIGTERM, 10s);
        if (!stopped) return fail(stopped.error(), "stopping an agent");
        if (*stopped != 0) {
            return fail(ErrorCode::failed_precondition,
                        std::format("an agent exited {}", *stopped));
        }
    }
    for (const auto* host : {&plan_.web, &plan_.api}) {
        if (auto clean = left_nothing(*host); !clean) return clean;
    }
    report_.held(step_,
                 std::format("agents stopped in {}{}", show_time(since(began)),
                             plan_.transparent ? ", no rule of theirs left in the kernel" : ""));
    return {};
}

Result<void> Story::left_nothing(const HostPlan& host) {
    if (!plan_.transparent) return {};
    const auto nft = find_program("nft").value_or("nft");
    const auto rules = hosts_.processes().run(at(host), {nft, "list", "tables"});
    if (!rules) return fail(rules.error());
    if (rules->text.empty() && rules->exit_code == 0) return {};
    return fail(ErrorCode::failed_precondition, "left in the kernel: " + rules->text);
}

std::string Story::logs() const {
    std::string text;
    for (const auto* name : {"server", "agent-web", "agent-api", "api-one", "api-two", "cache"}) {
        const auto tail = hosts_.processes().log_tail(name);
        if (!tail.empty()) text += std::format("--- {}\n{}", name, tail);
    }
    return text;
}

} // namespace hawser::cmd::demo
