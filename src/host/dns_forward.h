// One question to one upstream nameserver.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/ip.h"
#include "base/result.h"
#include "io/loop.h"

namespace hawser::host {

struct DnsForward {
    Endpoint upstream;
    std::uint32_t mark = 0; // SO_MARK, so that the kernel rules leave it alone
    std::chrono::milliseconds timeout{1'000};
};
// The answer with the query's own id. A socket of its own with a random port and a random id; over
// UDP, datagrams that do not fit are passed over. Errors: deadline_exceeded, nothing that fits came
// in time; unavailable, the upstream's host or the network said that nothing will.
[[nodiscard]] io::Task<Result<std::string>> ask_udp(io::Executor executor, DnsForward to,
                                                    std::string query);
[[nodiscard]] io::Task<Result<std::string>> ask_tcp(io::Executor executor, DnsForward to,
                                                    std::string query);

} // namespace hawser::host
