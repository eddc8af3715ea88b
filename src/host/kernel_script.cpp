// The nft scripts of an intent: pure text.
#include <algorithm>
#include <format>
#include <set>
#include <sstream>

#include "host/kernel_rules.h"

namespace hawser::host {
namespace {

// Declared first, so that the deletion succeeds whether or not there was a table; all three
// statements are one transaction.
constexpr std::string_view replace_table = "table inet hawser\ndelete table inet hawser\n";

// Datagrams for the mesh are sent where nobody can listen but root, and nobody does: the caller
// gets the kernel's own "connection refused". A reject rule would do for IPv6, but the kernel
// cannot make the ICMP answer for an IPv4 destination that is routed to lo.
constexpr int closed_port = 1;

// Whose presence says that the table is to be left closed.
constexpr std::string_view closed_chain = "closed_input";

std::string_view family(const IpAddress& address) {
    return address.is_v4() ? "ip" : "ip6";
}

std::vector<Cidr> ranges(const KernelIntent& intent) {
    std::vector<Cidr> all;
    if (intent.vip4) all.push_back(*intent.vip4);
    if (intent.vip6 && intent.ipv6) all.push_back(*intent.vip6);
    return all;
}

// In order, once each, and never a port whose loss would cut the host off.
std::string protected_ports(const KernelIntent& intent) {
    std::set<std::uint16_t> ports(intent.service_ports.begin(), intent.service_ports.end());
    for (const std::uint16_t never : {std::uint16_t{0}, std::uint16_t{22}, intent.tunnel_port})
        ports.erase(never);
    std::string text;
    for (const std::uint16_t port : ports)
        text += std::format("{}{}", text.empty() ? "" : ", ", port);
    return text;
}

std::string nat_output(const KernelIntent& intent) {
    std::string rules = std::format("        meta mark {:#010x} return\n", intent.mark);
    for (const Cidr& range : ranges(intent)) {
        const std::string match =
            std::format("        {} daddr {} ", family(range.base), range.to_string());
        rules +=
            match + std::format("meta l4proto tcp counter redirect to :{}\n", intent.outbound_port);
        rules += match + std::format("meta l4proto udp counter redirect to :{}\n", closed_port);
    }
    if (intent.dns_port == 0) return rules;
    for (const Endpoint& server : intent.nameservers) {
        if (!server.address.is_v4() && !intent.ipv6) continue;
        for (const char* protocol : {"udp", "tcp"})
            rules += std::format("        {} daddr {} {} dport {} counter redirect to :{}\n",
                                 family(server.address), server.address.to_string(), protocol,
                                 server.port, intent.dns_port);
    }
    return rules;
}

// What the redirection did not take: nothing but TCP is carried, so say so at once instead of
// letting the application wait for an answer.
std::string refuse_ranges(const KernelIntent& intent) {
    std::string rules;
    for (const Cidr& range : ranges(intent)) {
        const std::string match =
            std::format("        {} daddr {} ", family(range.base), range.to_string());
        rules += match + "meta l4proto tcp counter reject with tcp reset\n";
        rules += match + "counter reject with icmpx type port-unreachable\n";
    }
    return rules;
}

// Reaches a service's port only where nothing redirects it, and only what begins now: who was
// connected before the agent started stays connected. Without services it still says "closed".
std::string refuse_ports(const KernelIntent& intent) {
    const std::string ports = protected_ports(intent);
    if (ports.empty()) return "";
    return std::format(
        "        iifname != \"lo\" ct state new tcp dport {{ {} }} counter reject with tcp reset\n",
        ports);
}

std::string chain(std::string_view name, std::string_view hook, std::string_view rules) {
    return std::format("    chain {} {{\n        type {}; policy accept;\n{}    }}\n", name, hook,
                       rules);
}

std::vector<std::string> chains_of(std::string_view listing) {
    std::vector<std::string> names;
    std::istringstream lines{std::string(listing)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string first, name;
        if (words >> first >> name && first == "chain") names.push_back(name);
    }
    return names;
}

// What holds with and without an agent.
std::string lasting_chains(const KernelIntent& intent) {
    std::string text =
        chain("filter_output", "filter hook output priority 0", refuse_ranges(intent));
    if (intent.on_exit == OnExit::closed)
        text += chain(closed_chain, "filter hook input priority 0", refuse_ports(intent));
    return text;
}

} // namespace

std::string render(const KernelIntent& intent) {
    std::string text(replace_table);
    text += "table inet hawser {\n";
    text += chain("nat_output", "nat hook output priority -100", nat_output(intent));
    if (const std::string ports = protected_ports(intent); !ports.empty())
        text +=
            chain("nat_prerouting", "nat hook prerouting priority -100",
                  std::format("        iifname != \"lo\" tcp dport {{ {} }} counter redirect to "
                              ":{}\n",
                              ports, intent.inbound_port));
    return text + lasting_chains(intent) + "}\n";
}

std::string render_exit(const KernelIntent& intent) {
    std::string text(replace_table);
    if (intent.on_exit == OnExit::open) return text;
    return text + "table inet hawser {\n" + lasting_chains(intent) + "}\n";
}

std::string render_exit(std::string_view listing) {
    const std::vector<std::string> chains = chains_of(listing);
    if (std::ranges::find(chains, closed_chain) == chains.end()) return std::string(replace_table);
    std::string text;
    for (const std::string& name : chains) {
        if (name.starts_with("nat_"))
            text +=
                std::format("flush chain inet hawser {0}\ndelete chain inet hawser {0}\n", name);
    }
    return text;
}

} // namespace hawser::host
