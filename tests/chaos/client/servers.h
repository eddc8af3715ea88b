// The servers under test, as clients reach them.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "io/loop.h"
#include "rpc/client.h"
#include "tls/credentials.h"

namespace hawser::chaos {

struct Servers {
    std::vector<Endpoint> endpoints;
    tls::CredentialsPtr credentials;
    std::string bearer;
    std::chrono::milliseconds timeout{2000}; // of a call

    [[nodiscard]] io::Task<Result<std::unique_ptr<rpc::Client>>> connect(std::size_t number) const;
    // The one after, or the same: half of the time a client stays, to see what that one says next.
    [[nodiscard]] std::size_t next(std::size_t number, bool stay) const {
        return stay ? number : (number + 1) % endpoints.size();
    }
};

// What no crash, partition or full disk explains.
[[nodiscard]] bool is_fault(const Error& error);

} // namespace hawser::chaos
