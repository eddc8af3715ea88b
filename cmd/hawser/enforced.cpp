#include "enforced.h"

#include <format>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "console.h"
#include "model/proto/control.pb.h"

namespace hawser::cmd {

namespace {

using nlohmann::json;

json enforcement_json(const v1::WaitEnforcedResponse& waited) {
    return {{"all", waited.all()},
            {"agents", waited.agents()},
            {"behind", std::vector<std::string>(waited.behind().begin(), waited.behind().end())},
            {"away", std::vector<std::string>(waited.away().begin(), waited.away().end())}};
}

std::string list(const google::protobuf::RepeatedPtrField<std::string>& nodes) {
    std::string text;
    for (const std::string& node : nodes) text += (text.empty() ? "" : ", ") + node;
    return text;
}

void print_enforced(const v1::WaitEnforcedResponse& waited) {
    print_line(waited.agents() == 0
                   ? "no agent is connected yet"
                   : std::format("enforced by all {} connected agents", waited.agents()));
    if (!waited.away().empty())
        print_line("not waited for, their agents are away: " + list(waited.away()));
}

} // namespace

int finish_waiting(DaemonClient& client, std::uint64_t index, Duration timeout,
                   const std::string& done, bool json, nlohmann::json value) {
    v1::WaitEnforcedRequest request;
    request.set_index(index);
    request.set_timeout_ms(timeout.count());
    const auto waited = client.call<v1::WaitEnforcedResponse>(
        "/hawser.v1.Api/WaitEnforced", request, timeout + limits::rpc_timeout);
    if (!waited)
        return client.report(waited.error().context(done + ", but waiting for the agents failed"));
    value["enforced"] = enforcement_json(*waited);
    if (json) print_json(value);
    if (!waited->all()) {
        return report({.code = ErrorCode::deadline_exceeded,
                       .message = std::format("{}, but after {} not enforced by {}", done,
                                              format_duration(timeout), list(waited->behind()))});
    }
    if (!json) print_enforced(*waited);
    return cmd::done;
}

} // namespace hawser::cmd
