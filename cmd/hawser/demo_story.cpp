#include "demo_story.h"

#include <signal.h>

#include <array>
#include <format>
#include <fstream>

#include "base/random.h"

namespace hawser::cmd::demo {

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr int load_requests = 500;

std::chrono::microseconds since(Clock::time_point begin) {
    return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin);
}

std::unexpected<Error> broken(std::string what) {
    return fail(ErrorCode::failed_precondition, std::move(what));
}

std::string first_line(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

// Resident memory of a process, in bytes.
std::uint64_t memory_of(pid_t pid) {
    std::ifstream file(std::format("/proc/{}/statm", pid));
    std::uint64_t total = 0, resident = 0;
    file >> total >> resident;
    return resident * 4096;
}

std::string random_marker() {
    std::array<std::uint8_t, 4> bytes{};
    fill_secure_random(bytes);
    std::string text = "readable-by-anyone-";
    for (const auto byte : bytes) text += std::format("{:02x}", byte);
    return text;
}

} // namespace

Story::Story(Hosts& hosts, Plan plan, Report& report)
    : hosts_(hosts),
      plan_(std::move(plan)),
      report_(report),
      capture_(random_marker()),
      marker_(capture_.marker()) {}

Result<void> Story::tell() {
    using Step = Result<void> (Story::*)();
    report_.heading("A mesh");
    for (const Step step : {&Story::start_server, &Story::join_hosts, &Story::start_programs}) {
        if (auto held = (this->*step)(); !held) return held;
    }
    report_.heading("What it promises");
    for (const Step step :
         {&Story::nothing_is_allowed, &Story::a_policy_allows, &Story::curl_reaches_api,
          &Story::redis_reaches_cache, &Story::connections_are_cheap, &Story::the_wire_is_dark,
          &Story::others_are_refused, &Story::an_instance_dies, &Story::the_server_stops}) {
        if (auto held = (this->*step)(); !held) return held;
    }
    return {};
}

Result<void> Story::nothing_is_allowed() {
    begin("default", "calling api before any policy exists");
    const auto client = http_client(plan_.web_to_api_port, "/");
    if (auto held = must_be_refused(client, web_uid, "web"); !held) return held;
    report_.held(step_, "no policy yet, so web may not call api: the connection is reset");
    return {};
}

Result<void> Story::a_policy_allows() {
    begin("policy", "applying policies");
    const auto path = plan_.directory + "/policies.toml";
    if (auto written = write_file(path, policies()); !written) return written;
    const auto began = Clock::now();
    const auto output = hosts_.processes().hawser(
        at(plan_.server),
        {"apply", "-f", path, "--wait", "--socket", plan_.server.socket("server")});
    if (!output) return fail(output.error());
    if (output->exit_code != 0) return broken("hawser apply: " + output->text);
    report_.held(step_, std::format("web may call api and cache: enforced by every agent {} after "
                                    "`hawser apply`",
                                    show_time(since(began))));
    return {};
}

Result<void> Story::curl_reaches_api() {
    begin("http", "calling api");
    const auto client = http_client(plan_.web_to_api_port, "/");
    const auto output = call(client, web_uid);
    if (!output) return fail(output.error());
    if (output->exit_code != 0 || !output->text.contains("hello from api")) {
        return broken(
            std::format("{} exited {}: {}", client.shown, output->exit_code, output->text));
    }
    report_.held(step_, "an unmodified program reaches a service on another host");
    report_.command("web", client.shown, output->text);
    return {};
}

Result<void> Story::redis_reaches_cache() {
    begin("tcp", "talking to the cache");
    if (cache_is_http_) {
        const auto client = http_client(plan_.web_to_cache_port, "/");
        const auto output = call(client, web_uid);
        if (!output) return fail(output.error());
        if (output->exit_code != 0) return broken("calling the cache: " + output->text);
        report_.held(step_, "redis is not installed: a built-in server plays the cache's part");
        report_.command("web", client.shown, output->text);
        return {};
    }
    const auto program = find_program("redis-cli").value_or("redis-cli");
    const auto target =
        plan_.transparent ? std::vector<std::string>{"-h", "cache.mesh"}
                          : std::vector<std::string>{"-p", std::to_string(plan_.web_to_cache_port)};
    const auto prompt = plan_.transparent ? std::string("redis-cli -h cache.mesh ")
                                          : std::format("redis-cli -p {} ", target[1]);
    report_.held(step_, "any protocol: redis, where nobody told hawser it is redis");
    for (const auto& words : {std::vector<std::string>{"set", "greeting", marker_},
                              std::vector<std::string>{"get", "greeting"}}) {
        Client client{.shown = prompt, .arguments = {program}};
        client.arguments.insert(client.arguments.end(), target.begin(), target.end());
        client.arguments.insert(client.arguments.end(), words.begin(), words.end());
        for (const auto& word : words) client.shown += word + " ";
        client.shown.pop_back();
        const auto output = call(client, web_uid);
        if (!output) return fail(output.error());
        const auto expected = words[0] == "set" ? std::string("OK") : marker_;
        if (first_line(output->text) != expected) {
            return broken(client.shown + ": " + output->text);
        }
        report_.command("web", client.shown, output->text);
    }
    return {};
}

Result<void> Story::connections_are_cheap() {
    begin("load", std::format("{} requests, each on a new connection", load_requests));
    const auto before = capture_.facts();
    const auto figures = load(load_requests);
    if (!figures) return fail(figures.error());
    const auto after = capture_.facts();
    if (figures->failed > 0) return broken(std::format("{} requests failed", figures->failed));
    if (figures->bodies.size() < 2) return broken("only one instance got traffic");
    const auto handshakes = after.handshakes - before.handshakes;
    if (handshakes > load_requests / 20) return broken(std::format("{} handshakes", handshakes));
    std::string shares;
    for (const auto& [body, count] : figures->bodies.items()) {
        shares += std::format("{}{} × “{}”", shares.empty() ? "" : ", ", count.get<int>(), body);
    }
    report_.held(step_,
                 std::format("{} new connections, {} answered; p50 {}, p99 {}", load_requests,
                             figures->ok, show_time(figures->p50), show_time(figures->p99)));
    report_.detail(std::format("{}; {} TLS handshakes, {} on the wire", shares, handshakes,
                               show_size(after.bytes - before.bytes)));
    summary_ = std::format("p50 {}, {} TLS handshakes for {} connections, agents' memory {} and {}",
                           show_time(figures->p50), after.handshakes, load_requests,
                           show_size(memory_of(web_agent_)), show_size(memory_of(api_agent_)));
    return {};
}

Result<void> Story::the_wire_is_dark() {
    begin("wire", "reading what was captured");
    // The capture runs behind by at most what the kernel still holds.
    const auto arrived = wait_until([&] { return capture_.facts().data_records > 0; }, 2s,
                                    "tunnel records on the wire");
    if (!arrived) return arrived;
    const auto facts = capture_.facts();
    if (facts.marker_seen) return broken("a request could be read on the wire");
    if (facts.not_tls > 0) return broken(std::format("{} streams were not TLS", facts.not_tls));
    if (facts.handshakes == 0 || facts.tls13 != facts.handshakes) {
        return broken(
            std::format("{} of {} handshakes chose TLS 1.3", facts.tls13, facts.handshakes));
    }
    report_.held(step_,
                 std::format("between the hosts, {} in {} records of TLS 1.3 and nothing else",
                             show_size(facts.bytes), facts.data_records));
    report_.detail(std::format("“{}” was in every request and is nowhere in them", marker_));
    for (const auto& sample : facts.samples) {
        report_.detail(std::format("{}  {} …  {}, {} bytes", sample.route, sample.first_bytes,
                                   sample.what, sample.length));
    }
    return {};
}

Result<void> Story::others_are_refused() {
    begin("identity", "calling as another service");
    const auto client = http_client(plan_.batch_to_api_port, "/");
    if (auto held = must_be_refused(client, batch_uid, "batch"); !held) return held;
    report_.held(step_,
                 plan_.transparent
                     ? std::format("run by uid {} the same command is service “batch”, which "
                                   "no policy allows: reset",
                                   batch_uid)
                     : std::string("service “batch”, which no policy allows: reset"));
    return {};
}

Result<void> Story::an_instance_dies() {
    begin("failure", "killing one of api's two instances");
    const auto began = Clock::now();
    if (auto killed = hosts_.processes().stop(api_one_, SIGKILL, 2s); !killed) {
        return fail(killed.error());
    }
    int lost = 0, answered = 0;
    const auto limit = std::chrono::seconds(check_interval_seconds) + 2s;
    auto out_after = std::chrono::microseconds::zero();
    while (out_after == std::chrono::microseconds::zero()) {
        if (passing("api") == 1) out_after = since(began);
        const auto figures = load(20);
        if (!figures) return fail(figures.error());
        lost += figures->failed;
        answered += figures->ok;
        if (since(began) > limit) return broken("the dead instance still gets connections");
    }
    const auto figures = load(100);
    if (!figures) return fail(figures.error());
    if (figures->failed > 0) {
        return broken(std::format("{} of 100 requests failed afterwards", figures->failed));
    }
    report_.held(step_, std::format("an instance killed with SIGKILL was out of rotation after {}",
                                    show_time(out_after)));
    report_.detail(
        std::format("{} of {} requests failed until then, 0 of 100 since", lost, lost + answered));
    return {};
}

Result<void> Story::the_server_stops() {
    begin("autonomy", "stopping the server");
    const auto stopped = hosts_.processes().stop(server_, SIGTERM, 10s);
    if (!stopped) return fail(stopped.error(), "stopping the server");
    if (*stopped != 0) return broken(std::format("the server exited {}", *stopped));
    const auto figures = load(100);
    if (!figures) return fail(figures.error());
    if (figures->failed > 0) {
        return broken(std::format("{} of 100 requests failed", figures->failed));
    }
    report_.held(step_, std::format("the only server is stopped: 100 of 100 requests answered, p50 "
                                    "{}",
                                    show_time(figures->p50)));
    return {};
}

} // namespace hawser::cmd::demo
