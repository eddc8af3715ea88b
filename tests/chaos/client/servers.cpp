#include "servers.h"

namespace hawser::chaos {

namespace {

constexpr std::chrono::milliseconds connect_timeout{1000};

} // namespace

io::Task<Result<std::unique_ptr<rpc::Client>>> Servers::connect(std::size_t number) const {
    auto client = co_await rpc::Client::connect_tls(endpoints[number], credentials,
                                                    {.timeout = connect_timeout});
    if (client) (*client)->set_bearer(bearer);
    co_return client;
}

bool is_fault(const Error& error) {
    switch (error.code) {
        case ErrorCode::invalid:
        case ErrorCode::permission_denied:
        case ErrorCode::unauthenticated:
        case ErrorCode::unimplemented:
        case ErrorCode::corrupt: return true;
        default: return false;
    }
}

} // namespace hawser::chaos
