// Local users and groups, read from /etc/passwd and /etc/group: a static binary must not load
// NSS modules. Users of LDAP and the like are given by number. Blocking file reads; cold paths.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace hawser::host {

// A name, or a number as text ("1001", which need not exist).
[[nodiscard]] Result<uid_t> user_id(std::string_view user,
                                    const std::string& passwd = "/etc/passwd");
[[nodiscard]] Result<std::string> user_name(uid_t uid, const std::string& passwd = "/etc/passwd");
[[nodiscard]] Result<gid_t> group_id(std::string_view name,
                                     const std::string& group = "/etc/group");

} // namespace hawser::host
