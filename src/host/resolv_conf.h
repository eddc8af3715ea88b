// The nameservers of /etc/resolv.conf, read again when the file changes.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"

namespace hawser::host {

// "nameserver" lines in order, port 53; what is no address (scoped ones too) is left out. At most
// eight.
[[nodiscard]] std::vector<Endpoint> parse_resolv_conf(std::string_view text);

class ResolvConf {
  public:
    explicit ResolvConf(std::string path = "/etc/resolv.conf") : path_(std::move(path)) {}
    // Looks at the file's identity and times (one stat) and reads it only when they changed. A
    // missing file means no nameservers.
    [[nodiscard]] const std::vector<Endpoint>& nameservers();

  private:
    struct Stamp {
        std::uint64_t device = 0, inode = 0, size = 0;
        std::int64_t modified = 0, changed = 0;
        bool operator==(const Stamp&) const = default;
    };
    std::string path_;
    Stamp stamp_;
    std::vector<Endpoint> nameservers_;
};

} // namespace hawser::host
