#include <nlohmann/json.hpp>

#include <algorithm>
#include <format>

#include "base/bytes.h"
#include "console.h"
#include "daemon_client.h"
#include "io/clock.h"
#include "model/proto/control.pb.h"
#include "verbs.h"

namespace hawser::cmd {

namespace {

using nlohmann::json;

struct Options {
    TargetOptions target;
    bool json = false;
};

// How far its log is behind the one that knows most; unknown where nobody told.
json lag_of(const v1::MemberState& member, const v1::ServerStatusResponse& status) {
    if (member.match_index() == 0) return {};
    std::uint64_t newest = status.last_index();
    for (const v1::MemberState& other : status.members()) {
        newest = std::max<std::uint64_t>(newest, other.match_index());
    }
    return newest - member.match_index();
}

json known(std::uint64_t number) {
    return number == 0 ? json() : json(number);
}

// As `hawser server remove` takes it.
std::string id_text(const v1::MemberState& member) {
    return member.id() == 0 ? "-" : std::format("{:016x}", member.id());
}

json member_json(const v1::MemberState& member, const v1::ServerStatusResponse& status) {
    return {{"name", member.name()},
            {"id", member.id() == 0 ? json() : json(id_text(member))},
            {"role", member.role().empty() ? json() : json(member.role())},
            {"addresses",
             std::vector<std::string>(member.addresses().begin(), member.addresses().end())},
            {"index", known(member.match_index())},
            {"lag", lag_of(member, status)},
            {"last_contact", time_json(member.last_contact_ms())},
            {"version", member.version()},
            {"level", member.level()},
            {"leaving", member.leaving()},
            {"trouble", member.trouble()},
            {"joined_at", time_json(member.joined_at_ms())}};
}

std::string role_text(const v1::MemberState& member) {
    const std::string role = member.role().empty() ? "-" : printable(member.role());
    return member.leaving() ? role + ", leaving" : role;
}

std::string number_text(const json& number) {
    return number.is_null() ? "-" : number.dump();
}

void print(const v1::ServerStatusResponse& status) {
    TextTable table({"NAME", "ROLE", "INDEX", "LAG", "LAST CONTACT", "ADDRESSES", "VERSION", "ID"});
    const WallTime now = io::wall_now();
    for (const v1::MemberState& member : status.members()) {
        std::string addresses;
        for (const std::string& address : member.addresses()) {
            addresses += (addresses.empty() ? "" : ", ") + printable(address);
        }
        const bool leader = member.role() == "leader";
        table.add({printable(member.name()),
                   {role_text(member), leader ? Tone::good : Tone::plain},
                   number_text(known(member.match_index())),
                   number_text(lag_of(member, status)),
                   distance_text(std::min<WallTime>(member.last_contact_ms(), now), now),
                   addresses,
                   printable(member.version()),
                   id_text(member)});
    }
    table.print();
}

int run(const Options& options) {
    DaemonClient client(options.target, {server_socket});
    const auto status = client.call<v1::ServerStatusResponse>("/hawser.v1.Api/ServerStatus",
                                                              v1::ServerStatusRequest());
    if (!status) return client.report(status.error());
    // It is of no cluster any more, which it says last.
    if (status->members().empty() && !status->warnings().empty())
        return report({ErrorCode::failed_precondition, *status->warnings().rbegin()});
    if (!options.json) {
        print(*status);
        return done;
    }
    json members = json::array();
    for (const v1::MemberState& member : status->members()) {
        members.push_back(member_json(member, *status));
    }
    print_json({{"feature_level", status->feature_level()}, {"members", std::move(members)}});
    return done;
}

} // namespace

void add_members(CLI::App& root, Action& chosen) {
    auto options = std::make_shared<Options>();
    CLI::App& verb = *root.add_subcommand("members", "Show the servers of the cluster");
    add_target_options(verb, options->target, Reach::network_too);
    verb.add_flag("--json", options->json, "print JSON");
    verb.footer(
        "The leader knows most of the others; what the asked server does not know is '-'.\n"
        "Example:\n  hawser members");
    on_chosen(verb, chosen, options, run);
}

} // namespace hawser::cmd
