// The few messages of etcd's KV service that the load needs, as bytes. Field numbers are those of
// etcd 3's rpc.proto; what is left out has its default there.
#pragma once

#include <string>
#include <string_view>

namespace hawser::bench::etcd {

[[nodiscard]] std::string put_request(std::string_view key, std::string_view value);
// Of one key; linearizable, which is the default.
[[nodiscard]] std::string range_request(std::string_view key);

// The first message of a Watch stream: every key from now on.
[[nodiscard]] std::string watch_all_request();

} // namespace hawser::bench::etcd
