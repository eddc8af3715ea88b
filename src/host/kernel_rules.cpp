#include "host/kernel_rules.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "host/child_process.h"
#include "io/socket.h"

namespace hawser::host {
namespace {

// A listing of some thousand rules; ours has about twenty.
constexpr std::size_t max_listing = 256 << 10;
constexpr int status_attempts = 50;
constexpr std::chrono::milliseconds status_pause{20};

// The agent's PATH may lack the sbin folders.
std::string find_nft() {
    constexpr std::array<const char*, 4> places = {"/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft",
                                                   "/usr/local/sbin/nft"};
    for (const char* place : places)
        if (::access(place, X_OK) == 0) return place;
    return {};
}

std::string_view trimmed(std::string_view line) {
    const auto first = line.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
}

// "chain: rule" for each rule, "chain: type …" for its hook, in order.
std::vector<std::string> statements(std::string_view listing) {
    std::vector<std::string> found;
    std::string chain;
    while (!listing.empty()) {
        const auto end = listing.find('\n');
        const std::string_view line = trimmed(listing.substr(0, end));
        listing.remove_prefix(end == std::string_view::npos ? listing.size() : end + 1);
        if (line.empty() || line == "}" || line.starts_with("table ")) continue;
        if (line.ends_with("{")) {
            chain = trimmed(line.substr(0, line.size() - 1));
            if (chain.starts_with("chain ")) chain.erase(0, 6);
            found.push_back(chain + ": declared");
            continue;
        }
        found.push_back(chain + ": " + std::string(line));
    }
    return found;
}

std::vector<std::string> without(std::vector<std::string> all,
                                 const std::vector<std::string>& others) {
    for (const std::string& other : others)
        if (auto same = std::ranges::find(all, other); same != all.end()) all.erase(same);
    return all;
}

} // namespace

// Tells status() that the rules are being changed, however the change ends.
class KernelRules::Change {
  public:
    explicit Change(KernelRules& rules) : rules_(rules) {
        ++rules_.changes_;
        ++rules_.changing_;
    }
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;
    ~Change() { --rules_.changing_; }

  private:
    KernelRules& rules_;
};

KernelStatus compare_listings(std::string_view wanted, std::string_view found) {
    const auto want = statements(wanted), have = statements(found);
    KernelStatus status;
    status.present = !found.empty();
    status.matches = !wanted.empty() && want == have;
    status.missing = without(want, have);
    status.added = without(have, want);
    status.listing = found;
    return status;
}

KernelRules::KernelRules(io::Executor executor, KernelRulesOptions options)
    : executor_(executor), options_(std::move(options)) {
    if (options_.nft.empty()) options_.nft = find_nft();
}

io::Task<Result<std::string>> KernelRules::nft(std::vector<std::string> arguments,
                                               std::string script) {
    if (options_.nft.empty())
        co_return fail(ErrorCode::failed_precondition,
                       "the nft program is missing (package nftables)");
    arguments.insert(arguments.begin(), options_.nft);
    ProgramOptions program;
    program.arguments = std::move(arguments);
    program.input = std::move(script);
    program.timeout = options_.timeout;
    program.max_output = max_listing;
    program.keep_capabilities = true;
    auto result = co_await run_program(executor_, std::move(program));
    if (!result) co_return fail(std::move(result.error()), "nft");
    if (result->timed_out) co_return fail(ErrorCode::deadline_exceeded, "nft did not end in time");
    if (result->exit_code == 0) co_return std::move(result->output);
    const std::string_view all = result->output;
    const std::string_view text = trimmed(all.substr(0, all.find('\n')));
    const bool no_table = all.contains("No such file or directory");
    const bool forbidden = all.contains("Operation not permitted");
    co_return fail(no_table    ? ErrorCode::not_found
                   : forbidden ? ErrorCode::permission_denied
                               : ErrorCode::internal,
                   "nft: " + std::string(text));
}

io::Task<Result<std::optional<std::string>>> KernelRules::list() {
    std::vector<std::string> arguments = {"-s", "-n", "list", "table", "inet", "hawser"};
    auto listing = co_await nft(std::move(arguments), {});
    if (listing) co_return std::optional<std::string>(std::move(*listing));
    if (listing.error().code == ErrorCode::not_found) co_return std::optional<std::string>();
    co_return fail(std::move(listing.error()));
}

io::Task<Result<void>> KernelRules::apply(KernelIntent intent) {
    if (intent.mark == 0) co_return fail(ErrorCode::invalid, "the agent's mark must not be 0");
    const Change change(*this);
    std::vector<std::string> arguments = {"-f", "-"};
    auto applied = co_await nft(std::move(arguments), render(intent));
    if (!applied) co_return fail(std::move(applied.error()), "applying the kernel rules");
    intent_ = std::move(intent);
    applied_listing_.clear();
    auto listing = co_await list();
    if (!listing) co_return fail(std::move(listing.error()), "reading the kernel rules back");
    applied_listing_ = std::move(*listing).value_or("");
    co_return Result<void>{};
}

io::Task<Result<std::string>> KernelRules::exit_script() {
    if (intent_) co_return render_exit(*intent_);
    auto listing = co_await list();
    if (!listing) co_return fail(std::move(listing.error()), "reading the kernel rules");
    co_return *listing ? render_exit(**listing) : std::string();
}

io::Task<Result<void>> KernelRules::end_with(std::string script) {
    if (!script.empty()) {
        std::vector<std::string> arguments = {"-f", "-"};
        auto removed = co_await nft(std::move(arguments), std::move(script));
        if (!removed) co_return fail(std::move(removed.error()), "removing the kernel rules");
    }
    intent_.reset();
    applied_listing_.clear();
    co_return Result<void>{};
}

io::Task<Result<void>> KernelRules::leave() {
    const Change change(*this);
    auto script = co_await exit_script();
    if (!script) co_return fail(std::move(script.error()));
    co_return co_await end_with(std::move(*script));
}

io::Task<Result<void>> KernelRules::remove() {
    const Change change(*this);
    co_return co_await end_with(render_exit(KernelIntent{}));
}

io::Task<Result<KernelStatus>> KernelRules::status() {
    // A change of our own in between would look like somebody else's.
    for (int attempt = 1;; ++attempt) {
        const std::uint64_t before = changes_;
        auto listing = co_await list();
        if (!listing) co_return fail(std::move(listing.error()), "reading the kernel rules");
        if ((changes_ == before && changing_ == 0) || attempt == status_attempts)
            co_return compare_listings(applied_listing_, std::move(*listing).value_or(""));
        if (!co_await io::sleep(status_pause))
            co_return fail(ErrorCode::cancelled, "reading the kernel rules: cancelled");
    }
}

} // namespace hawser::host
