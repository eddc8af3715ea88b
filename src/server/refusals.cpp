#include "server/refusals.h"

#include "base/bytes.h"
#include "log/log.h"

namespace hawser::server {

std::string_view plural(Refused what) {
    switch (what) {
        case Refused::connection: return "connections";
        case Refused::join: return "joins";
        case Refused::certificate: return "certificates";
        case Refused::session: return "sessions";
        case Refused::registration: return "registrations";
        case Refused::call: return "calls";
        case Refused::peer: return "servers";
    }
    return "";
}

void Refusals::record(Refused what, std::string_view method, const rpc::Caller& caller,
                      const Error& error) {
    count(what, error.code);
    const auto left_out = limiter_.admit();
    if (!left_out) return;
    log::warn("denied", {{"method", method},
                         {"peer", caller.remote},
                         {"identity", caller.identity ? caller.identity->to_uri() : "none"},
                         {"reason", printable(error.message, 512)},
                         {"not_logged", *left_out}});
}

} // namespace hawser::server
