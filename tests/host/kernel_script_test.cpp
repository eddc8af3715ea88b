// The scripts and the comparison of listings: pure.
#include <doctest/doctest.h>

#include "host/kernel_rules.h"

using namespace hawser;
using namespace hawser::host;

namespace {

KernelIntent intent() {
    KernelIntent wanted;
    wanted.vip4 = Cidr::parse("240.0.0.0/8").value();
    wanted.vip6 = Cidr::parse("fd68:6177::/64").value();
    wanted.dns_port = 15053;
    wanted.nameservers = {Endpoint::parse("10.0.0.2:53").value(),
                          Endpoint::parse("[fd00::53]:53").value()};
    wanted.service_ports = {9090, 8080, 22, 15008, 8080, 0};
    return wanted;
}

constexpr std::string_view listing = R"(table inet hawser {
	chain nat_output {
		type nat hook output priority -100; policy accept;
		meta mark 0x00006877 return
		ip daddr 240.0.0.0/8 meta l4proto 6 counter redirect to :15001
	}
}
)";

} // namespace

TEST_CASE("the script of an intent is one transaction with every rule in order") {
    CHECK(render(intent()) == R"(table inet hawser
delete table inet hawser
table inet hawser {
    chain nat_output {
        type nat hook output priority -100; policy accept;
        meta mark 0x00006877 return
        ip daddr 240.0.0.0/8 meta l4proto tcp counter redirect to :15001
        ip daddr 240.0.0.0/8 meta l4proto udp counter redirect to :1
        ip6 daddr fd68:6177::/64 meta l4proto tcp counter redirect to :15001
        ip6 daddr fd68:6177::/64 meta l4proto udp counter redirect to :1
        ip daddr 10.0.0.2 udp dport 53 counter redirect to :15053
        ip daddr 10.0.0.2 tcp dport 53 counter redirect to :15053
        ip6 daddr fd00::53 udp dport 53 counter redirect to :15053
        ip6 daddr fd00::53 tcp dport 53 counter redirect to :15053
    }
    chain nat_prerouting {
        type nat hook prerouting priority -100; policy accept;
        iifname != "lo" tcp dport { 8080, 9090 } counter redirect to :15006
    }
    chain filter_output {
        type filter hook output priority 0; policy accept;
        ip daddr 240.0.0.0/8 meta l4proto tcp counter reject with tcp reset
        ip daddr 240.0.0.0/8 counter reject with icmpx type port-unreachable
        ip6 daddr fd68:6177::/64 meta l4proto tcp counter reject with tcp reset
        ip6 daddr fd68:6177::/64 counter reject with icmpx type port-unreachable
    }
}
)");
}

TEST_CASE("without IPv6 no rule mentions it") {
    KernelIntent wanted = intent();
    wanted.ipv6 = false;
    CHECK_FALSE(render(wanted).contains("ip6"));
    CHECK(render(wanted).contains("ip daddr 240.0.0.0/8"));
}

TEST_CASE("without a DNS port resolver traffic is left alone, and without ports prerouting") {
    KernelIntent wanted = intent();
    wanted.dns_port = 0;
    wanted.service_ports = {22, 15008};
    CHECK_FALSE(render(wanted).contains("dport"));
    CHECK_FALSE(render(wanted).contains("prerouting"));
}

TEST_CASE("leaving open deletes the table, leaving closed refuses what was redirected") {
    KernelIntent wanted = intent();
    CHECK(render_exit(wanted) == "table inet hawser\ndelete table inet hawser\n");
    wanted.on_exit = OnExit::closed;
    const std::string closed = render_exit(wanted);
    CHECK_FALSE(closed.contains("redirect"));
    CHECK(closed.contains("ip daddr 240.0.0.0/8 meta l4proto tcp counter reject with tcp reset"));
    CHECK(closed.contains("ct state new tcp dport { 8080, 9090 } counter reject with tcp reset"));
    // All of that is there while the agent runs: whoever finds the table can leave it closed.
    CHECK(render(wanted).ends_with(closed.substr(closed.find("    chain filter_output"))));
}

TEST_CASE("a table that was found is left as it says itself") {
    CHECK(render_exit(listing) == "table inet hawser\ndelete table inet hawser\n");
    KernelIntent wanted = intent();
    wanted.on_exit = OnExit::closed;
    CHECK(render_exit(render(wanted)) ==
          "flush chain inet hawser nat_output\ndelete chain inet hawser nat_output\n"
          "flush chain inet hawser nat_prerouting\ndelete chain inet hawser nat_prerouting\n");
    CHECK(render_exit(render_exit(wanted)).empty());
    wanted.service_ports = {}; // closed all the same
    CHECK_FALSE(render_exit(render(wanted)).contains("delete table"));
}

TEST_CASE("equal listings match, whatever their indentation") {
    const KernelStatus status = compare_listings(listing, std::string(listing) + "\n  \n");
    CHECK(status.present);
    CHECK(status.matches);
    CHECK(status.missing.empty());
    CHECK(status.added.empty());
}

TEST_CASE("a listing without one rule and with another names both") {
    std::string other(listing);
    const std::string_view rule = "meta mark 0x00006877 return";
    other.replace(other.find(rule), rule.size(), "tcp dport 80 accept");
    const KernelStatus status = compare_listings(listing, other);
    CHECK_FALSE(status.matches);
    CHECK(status.missing == std::vector<std::string>{"nat_output: meta mark 0x00006877 return"});
    CHECK(status.added == std::vector<std::string>{"nat_output: tcp dport 80 accept"});
}

TEST_CASE("the same rules in another order, a missing table and an unknown intent don't match") {
    std::string swapped(listing);
    const std::string_view first = "\t\tmeta mark 0x00006877 return\n";
    swapped.erase(swapped.find(first), first.size());
    swapped.insert(swapped.find("\t}\n"), first);
    const KernelStatus reordered = compare_listings(listing, swapped);
    CHECK_FALSE(reordered.matches);
    CHECK(reordered.missing.empty());
    CHECK(reordered.added.empty());

    const KernelStatus gone = compare_listings(listing, "");
    CHECK_FALSE(gone.present);
    CHECK(gone.missing.size() == 4);
    CHECK_FALSE(compare_listings("", "").matches);
}
