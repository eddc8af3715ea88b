#include "system.h"

#include <format>
#include <fstream>
#include <sstream>

#include "base/bytes.h"
#include "etcd_messages.h"
#include "model/codec.h"
#include "model/proto/control.pb.h"
#include "tls/x509.h"

namespace hawser::bench {

namespace {

constexpr std::uint64_t distinct_timeouts = 1'000'000'000; // milliseconds, within what is valid

model::Service service(std::size_t key, std::uint64_t serial) {
    return {.name = key_name(key),
            .idle_timeout = Duration{static_cast<std::int64_t>(1 + serial % distinct_timeouts)}};
}

class Hawser final : public System {
  public:
    using System::System;

    [[nodiscard]] Call write(std::size_t key, std::uint64_t serial) const override {
        v1::ApplyRequest request;
        *request.mutable_resources()->add_services() = model::to_proto(service(key, serial));
        return {.path = "/hawser.v1.Api/Apply", .request = request.SerializeAsString()};
    }
    [[nodiscard]] Call read(std::size_t key) const override {
        v1::GetRequest request;
        request.set_kind("service");
        request.set_name(key_name(key));
        return {.path = "/hawser.v1.Api/Get", .request = request.SerializeAsString()};
    }
};

class Etcd final : public System {
  public:
    using System::System;

    [[nodiscard]] Call write(std::size_t key, std::uint64_t serial) const override {
        return {.path = "/etcdserverpb.KV/Put",
                .request = etcd::put_request(key_name(key), row_value(key, serial))};
    }
    [[nodiscard]] Call read(std::size_t key) const override {
        return {.path = "/etcdserverpb.KV/Range", .request = etcd::range_request(key_name(key))};
    }
};

Result<std::string> read_text(const std::string& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    if (!file) return fail(ErrorCode::not_found, path + ": cannot be read");
    return std::move(text).str();
}

} // namespace

io::Task<Result<std::unique_ptr<rpc::Client>>> System::connect(
    Endpoint endpoint, std::chrono::milliseconds timeout) const {
    auto client = co_await rpc::Client::connect_tls(endpoint, credentials_, {.timeout = timeout});
    if (client && !bearer_.empty()) (*client)->set_bearer(bearer_);
    co_return client;
}

std::string key_name(std::size_t key) {
    return std::format("service-{:06}", key);
}

std::string row_value(std::size_t key, std::uint64_t serial) {
    model::Service row = service(key, serial);
    row.vip4 = IpAddress::v4(0xf0000000U + static_cast<std::uint32_t>(key));
    std::array<std::uint8_t, 16> vip6{0xfd, 0x68, 0x61, 0x77};
    vip6[14] = static_cast<std::uint8_t>(key >> 8U);
    vip6[15] = static_cast<std::uint8_t>(key);
    row.vip6 = IpAddress::v6(vip6);
    return model::to_proto(row).SerializeAsString();
}

Result<std::unique_ptr<System>> make_hawser(const std::string& root_pin,
                                            std::string operator_token) {
    Result<std::string> pin = from_hex(root_pin);
    if (!pin) return fail(std::move(pin.error()), "the root's fingerprint");
    auto credentials = tls::make_credentials({.alpn = {"h2"}, .root_pin = *std::move(pin)});
    if (!credentials) return fail(std::move(credentials.error()));
    return std::make_unique<Hawser>(*std::move(credentials), std::move(operator_token));
}

Result<std::unique_ptr<System>> make_etcd(const std::string& ca_file) {
    const Result<std::string> pem = read_text(ca_file);
    if (!pem) return fail(pem.error());
    Result<std::vector<std::string>> roots = tls::chain_from_pem(*pem);
    if (!roots) return fail(std::move(roots.error()), ca_file);
    auto credentials = tls::make_credentials(
        {.trust_domain = "bench", .trust = {.roots = *std::move(roots)}, .alpn = {"h2"}});
    if (!credentials) return fail(std::move(credentials.error()));
    return std::make_unique<Etcd>(*std::move(credentials), "");
}

} // namespace hawser::bench
