// The systems under load, told apart only by the bytes of their calls: both speak gRPC over HTTP/2
// and TLS 1.3, and both are called through the same client, so that what a call costs here is the
// same for each.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/ip.h"
#include "base/result.h"
#include "io/loop.h"
#include "rpc/client.h"
#include "tls/credentials.h"

namespace hawser::bench {

struct Call {
    std::string path;
    std::string request;
};

class System {
  public:
    System(tls::CredentialsPtr credentials, std::string bearer)
        : credentials_(std::move(credentials)), bearer_(std::move(bearer)) {}
    virtual ~System() = default;

    // A write that changes the key's value, and one that has `serial` in it: no two are the same.
    [[nodiscard]] virtual Call write(std::size_t key, std::uint64_t serial) const = 0;
    // A linearizable read of one key.
    [[nodiscard]] virtual Call read(std::size_t key) const = 0;

    [[nodiscard]] io::Task<Result<std::unique_ptr<rpc::Client>>> connect(
        Endpoint endpoint, std::chrono::milliseconds timeout) const;

  private:
    tls::CredentialsPtr credentials_;
    std::string bearer_;
};

// hawser: a write is Apply of one service by an operator, a read is Get of it. `root_pin` is in
// hex, as `hawser init` prints it.
[[nodiscard]] Result<std::unique_ptr<System>> make_hawser(const std::string& root_pin,
                                                          std::string operator_token);
// etcd: Put and Range of one key. The value is what hawser would store for the same write.
[[nodiscard]] Result<std::unique_ptr<System>> make_etcd(const std::string& ca_file);

// The row that both systems write: a service as hawser stores it.
[[nodiscard]] std::string key_name(std::size_t key);
[[nodiscard]] std::string row_value(std::size_t key, std::uint64_t serial);

} // namespace hawser::bench
