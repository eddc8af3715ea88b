// What this server refused since it started: logged with who asked and why, so many lines a
// second; counted each time, for status.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "log/limiter.h"
#include "rpc/server.h"

namespace hawser::server {

// What was asked for.
enum class Refused : std::uint8_t {
    connection,
    join,
    certificate,
    session,
    registration,
    call,
    peer, // what another server asked for
};
[[nodiscard]] std::string_view plural(Refused what); // "connections"

class Refusals {
  public:
    using Counts = std::map<std::pair<Refused, ErrorCode>, std::uint64_t>;

    // Of a connection: its listener has logged it.
    void count(Refused what, ErrorCode reason) { ++counts_[{what, reason}]; }
    void record(Refused what, std::string_view method, const rpc::Caller& caller,
                const Error& error);

    [[nodiscard]] const Counts& counts() const { return counts_; }

  private:
    Counts counts_;
    log::Limiter limiter_;
};

} // namespace hawser::server
