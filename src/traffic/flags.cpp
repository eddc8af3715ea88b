#include "traffic/flags.h"

namespace hawser::traffic {
namespace {

struct FlagText {
    std::string_view code;
    std::string_view words;
};

FlagText text(Flag flag) {
    switch (flag) {
        case Flag::none: return {"-", "ok"};
        case Flag::no_healthy_upstream: return {"UH", "no healthy instance"};
        case Flag::policy_denied: return {"RBAC", "denied by policy"};
        case Flag::overload: return {"UO", "a limit was reached"};
        case Flag::upstream_connect_failure: return {"UF", "connecting to the instance failed"};
        case Flag::upstream_timeout: return {"UT", "the instance did not answer in time"};
        case Flag::upstream_reset: return {"UC", "the instance reset the connection"};
        case Flag::downstream_reset: return {"DC", "the caller reset the connection"};
        case Flag::no_route: return {"NR", "no such service"};
        case Flag::unknown_caller:
            return {"UAEX", "the calling process belongs to no service of this host"};
        case Flag::idle_timeout: return {"SI", "idle for too long"};
        case Flag::local_shutdown: return {"LR", "the agent is stopping"};
        case Flag::quarantined: return {"HQ", "in quarantine"};
        case Flag::deregistered: return {"HD", "no longer registered"};
        case Flag::unproven: return {"HX", "the certificate expired and was not renewed"};
    }
    return {"-", "ok"};
}

} // namespace

std::string_view code(Flag flag) {
    return text(flag).code;
}
std::string_view words(Flag flag) {
    return text(flag).words;
}

} // namespace hawser::traffic
