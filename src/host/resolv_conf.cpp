#include "host/resolv_conf.h"

#include <sys/stat.h>

#include <algorithm>

#include "host/files.h"

namespace hawser::host {
namespace {

constexpr std::size_t max_nameservers = 8; // resolvers use three
constexpr std::size_t max_file = 64 << 10;
constexpr std::string_view space = " \t\r";

std::string_view next_word(std::string_view& line) {
    line.remove_prefix(std::min(line.find_first_not_of(space), line.size()));
    const std::string_view word = line.substr(0, line.find_first_of(space));
    line.remove_prefix(word.size());
    return word;
}

} // namespace

std::vector<Endpoint> parse_resolv_conf(std::string_view text) {
    std::vector<Endpoint> servers;
    while (!text.empty() && servers.size() < max_nameservers) {
        const auto end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (next_word(line) != "nameserver") continue;
        const auto address = IpAddress::parse(next_word(line));
        const Endpoint server{address.value_or(IpAddress{}), 53};
        if (address && std::ranges::find(servers, server) == servers.end())
            servers.push_back(server);
    }
    return servers;
}

std::vector<Endpoint> capturable(std::vector<Endpoint> nameservers,
                                 const std::function<bool(const IpAddress&)>& is_own) {
    const auto is_remote = [&](const Endpoint& server) {
        return !server.address.is_loopback() && !is_own(server.address);
    };
    if (!std::ranges::all_of(nameservers, is_remote)) std::erase_if(nameservers, is_remote);
    return nameservers;
}

const std::vector<Endpoint>& ResolvConf::nameservers() {
    struct stat info{};
    Stamp now;
    if (::stat(path_.c_str(), &info) == 0) {
        const auto nanoseconds = [](const timespec& time) {
            return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
        };
        now = {.device = info.st_dev,
               .inode = info.st_ino,
               .size = static_cast<std::uint64_t>(info.st_size),
               .modified = nanoseconds(info.st_mtim),
               .changed = nanoseconds(info.st_ctim)};
    }
    if (now == stamp_) return nameservers_;
    stamp_ = now;
    nameservers_ = parse_resolv_conf(read_file(path_, max_file).value_or(""));
    return nameservers_;
}

} // namespace hawser::host
