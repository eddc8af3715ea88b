// The nameservers of /etc/resolv.conf, read again when the file changes.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"

namespace hawser::host {

// "nameserver" lines in order, port 53; what is no address (scoped ones too) is left out. At most
// eight.
[[nodiscard]] std::vector<Endpoint> parse_resolv_conf(std::string_view text);

// Those whose port-53 traffic the kernel may lead to an agent. Where one of them is this host
// itself (`is_own`, or loopback), a resolver of its own runs here and asks the others: taking its
// questions, too, would lead them in a circle.
[[nodiscard]] std::vector<Endpoint> capturable(std::vector<Endpoint> nameservers,
                                               const std::function<bool(const IpAddress&)>& is_own);

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
