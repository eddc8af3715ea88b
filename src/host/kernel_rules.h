// The kernel's part of transparent mode: one nftables table of our own, `inet hawser`.
//
// What it shall contain is a value (Intent); render() turns it into a script for the `nft`
// program, which replaces the whole table in one transaction: no moment without rules, nothing of
// anybody else's touched, and removal is the deletion of one table. After applying, the kernel's
// own listing is kept, so that status() finds any later change by hand.
//
// The table itself says how it is to be left: with OnExit::closed it has all along what refuses
// the mesh without an agent. So whoever finds the rules of an agent that was killed can do what
// that agent would have done, with no configuration and no state of it. Control loop only.
//
// Listeners the redirections lead to: outbound and DNS on 127.0.0.1 and, with `ipv6`, on ::1 (a
// redirect of locally made traffic ends on loopback); inbound on every address.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "io/loop.h"

namespace hawser::host {

enum class OnExit : std::uint8_t { open, closed };

struct KernelIntent {
    std::optional<Cidr> vip4;
    std::optional<Cidr> vip6; // ignored without `ipv6`
    bool ipv6 = true;         // see ipv6_available() in interfaces.h
    std::uint16_t outbound_port = 15001;
    std::uint16_t inbound_port = 15006;
    std::uint16_t tunnel_port = 15008;        // never captured, like 22
    std::uint16_t dns_port = 0;               // 0: resolver traffic is left alone
    std::vector<Endpoint> nameservers;        // whose port-53 traffic goes to dns_port
    std::vector<std::uint16_t> service_ports; // of this host's strict services
    std::uint32_t mark = 0x6877;              // SO_MARK of the agent's own sockets; never 0
    OnExit on_exit = OnExit::open;

    bool operator==(const KernelIntent&) const = default;
};

// Scripts for `nft -f -`, each one transaction. Deterministic.
[[nodiscard]] std::string render(const KernelIntent& intent);
// What remains when the agent stops: with OnExit::closed a table that refuses the VIP ranges and
// the services' ports, with OnExit::open no table.
[[nodiscard]] std::string render_exit(const KernelIntent& intent);
// The same for a table that was found, by its listing. "": it is left already.
[[nodiscard]] std::string render_exit(std::string_view listing);

// How the kernel's table differs from what was applied. Lines are nft's own.
struct KernelStatus {
    bool present = false; // there is a table at all
    bool matches = false;
    std::vector<std::string> missing; // "nat_output: ip daddr 240.0.0.0/8 …"
    std::vector<std::string> added;
    std::string listing; // the table as it is
};
// The lines of two listings compared, order within a chain included.
[[nodiscard]] KernelStatus compare_listings(std::string_view wanted, std::string_view found);

struct KernelRulesOptions {
    std::string nft; // the program; empty: looked for in the usual folders
    std::chrono::milliseconds timeout{5'000};
};

class KernelRules {
  public:
    explicit KernelRules(io::Executor executor, KernelRulesOptions options = {});

    // Replaces the table. On failure the kernel keeps what it had.
    [[nodiscard]] io::Task<Result<void>> apply(KernelIntent intent);
    // When the agent stops: deletes the table, or leaves the closed one, as the intent says.
    // Without an intent (nothing was applied) the same for the table that is there, whoever left
    // it.
    [[nodiscard]] io::Task<Result<void>> leave();
    // Deletes the table, a closed one too. Fine if there is none.
    [[nodiscard]] io::Task<Result<void>> remove();
    // Against what apply() last established; without one, nothing ever matches. Waits for a change
    // of our own that is on its way.
    [[nodiscard]] io::Task<Result<KernelStatus>> status();
    [[nodiscard]] const std::optional<KernelIntent>& intent() const { return intent_; }

  private:
    class Change;
    [[nodiscard]] io::Task<Result<std::string>> nft(std::vector<std::string> arguments,
                                                    std::string script);
    [[nodiscard]] io::Task<Result<std::optional<std::string>>> list();
    [[nodiscard]] io::Task<Result<std::string>> exit_script();
    [[nodiscard]] io::Task<Result<void>> end_with(std::string script);

    io::Executor executor_;
    KernelRulesOptions options_;
    std::optional<KernelIntent> intent_;
    std::string applied_listing_;
    std::uint64_t changes_ = 0; // begun so far
    int changing_ = 0;          // not ended yet
};

} // namespace hawser::host
