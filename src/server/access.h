// Who may do what through the API: operators by token, local users by who the kernel says they are,
// agents by their node's certificate. Pure decisions; api.cpp asks and logs.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "base/ip.h"
#include "base/result.h"
#include "base/units.h"
#include "model/command.h"
#include "model/resources.h"
#include "registry/tables.h"
#include "rpc/server.h"

namespace hawser::server {

// Local users who count as administrators.
struct LocalAdmins {
    uid_t own_uid = 0;        // this server's own user; root always counts
    bool group_known = false; // there is a group "hawser"
    gid_t group = 0;
    std::set<uid_t> members; // of it, beyond those whose primary group it is
};
// From the texts of /etc/group and /etc/passwd.
[[nodiscard]] LocalAdmins parse_local_admins(std::string_view group_file,
                                             std::string_view passwd_file, uid_t own_uid);
[[nodiscard]] LocalAdmins read_local_admins();

// Who asked, as history names it: "operator:1f2e…", "uid:0"; and from where.
struct Actor {
    std::string name;
    model::Role role = model::Role::reader;
    std::string source{};         // "10.0.0.9:53122", "unix:uid=0"
    std::string service_prefix{}; // of a registrar: what it may write begins with it
};

// Of an API call: by peer credentials on the admin socket, otherwise by token.
[[nodiscard]] Result<Actor> identify_operator(const rpc::Caller& caller,
                                              const registry::Tables& tables,
                                              const LocalAdmins& admins, WallTime now);
[[nodiscard]] Result<void> require_role(const Actor& actor, model::Role least);
// A registrar writes services of its prefix, and nothing else; the others are not limited here.
[[nodiscard]] Result<void> require_scope(const Actor& actor, const model::ApplyResources& command);
[[nodiscard]] Result<void> require_scope(const Actor& actor, const model::DeleteResource& command);

// Where a caller over the network is; of another, no address.
[[nodiscard]] IpAddress address_of(const rpc::Caller& caller);

// What a node's certificates carry, to tell them from those of a deleted node that had its name.
// Not a time that is compared: the servers' clocks need not agree.
[[nodiscard]] std::uint64_t generation_of(const model::Node& node);

// The node whose agent calls: certificate of this trust domain, and not deleted since. Valid until
// the registry changes.
[[nodiscard]] Result<const model::Node*> identify_node(const rpc::Caller& caller,
                                                       const registry::Tables& tables);

} // namespace hawser::server
