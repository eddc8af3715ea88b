#include "raft/types.h"

#include <utility>

namespace hawser::raft {

Payload make_payload(std::string bytes) {
    return std::make_shared<const std::string>(std::move(bytes));
}

std::string_view to_string(Role role) {
    switch (role) {
        case Role::follower: return "follower";
        case Role::pre_candidate: return "pre-candidate";
        case Role::candidate: return "candidate";
        case Role::leader: return "leader";
    }
    return "";
}

} // namespace hawser::raft
