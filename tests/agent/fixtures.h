// What the agent's tests share: a temporary folder, a certificate authority, resources.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "agent/identity.h"
#include "ca/authority.h"
#include "io/clock.h"
#include "model/codec.h"
#include "model/proto/control.pb.h"
#include "tls/x509.h"

namespace hawser::agent::test {

// The value; a failure ends the test with its message.
template <typename T>
T value_of(Result<T> result) {
    if (!result) FAIL(result.error().message);
    return *std::move(result);
}
inline void succeed(const Result<void>& result) {
    if (!result) FAIL(result.error().message);
}
template <typename T>
std::string message_of(const Result<T>& result) {
    return result ? "no failure" : result.error().message;
}

class TemporaryFolder {
  public:
    TemporaryFolder() {
        char text[] = "/tmp/hawser-agent-XXXXXX";
        path_ = ::mkdtemp(text);
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

constexpr Duration one_day{86'400'000};

// A mesh's authority, and what it signs.
class TestAuthority {
  public:
    explicit TestAuthority(const std::string& trust_domain = "test.local")
        : made_(value_of(ca::create_authority(trust_domain, io::wall_now()))),
          authority_(
              value_of(ca::Authority::load(trust_domain, made_.root_der, {made_.intermediate_der},
                                           made_.intermediate_key_pem))) {}

    [[nodiscard]] model::Identity id(model::IdentityKind kind, const std::string& name) const {
        return {.trust_domain = authority_.trust_domain(), .kind = kind, .name = name};
    }
    [[nodiscard]] tls::KeyPair pair(const model::Identity& id, Duration lifetime = one_day,
                                    WallTime now = io::wall_now()) const {
        std::string key = value_of(tls::generate_key_pem());
        const std::string csr = value_of(tls::make_csr(key, id));
        std::string chain = value_of(authority_.sign(as_bytes(csr), id, now, lifetime));
        return {.chain_pem = std::move(chain), .key_pem = std::move(key)};
    }
    [[nodiscard]] NodeIdentity node(const std::string& name, Duration lifetime = one_day,
                                    WallTime now = io::wall_now()) const {
        NodeIdentity identity;
        identity.id = id(model::IdentityKind::node, name);
        identity.pair = pair(identity.id, lifetime, now);
        identity.roots = roots();
        const LeafFacts leaf = value_of(describe_leaf(identity.pair.chain_pem));
        identity.not_before = leaf.not_before;
        identity.not_after = leaf.not_after;
        return identity;
    }
    [[nodiscard]] std::vector<std::string> roots() const { return {made_.root_der}; }
    [[nodiscard]] tls::TrustBundle trust() const {
        return {.roots = roots(), .intermediates = {made_.intermediate_der}};
    }
    [[nodiscard]] model::TrustDomain domain() const {
        model::TrustDomain domain;
        domain.name = authority_.trust_domain();
        domain.vip4 = value_of(Cidr::parse("240.0.0.0/8"));
        domain.vip6 = value_of(Cidr::parse("fd68:6177::/64"));
        domain.roots = roots();
        domain.intermediates = {made_.intermediate_der};
        return domain;
    }

  private:
    ca::NewAuthority made_;
    ca::Authority authority_;
};

inline model::Service service(const std::string& name, std::uint32_t number = 1) {
    model::Service service;
    service.name = name;
    service.vip4 = IpAddress::v4(0xf0000000 + number);
    return service;
}

inline v1::Change row(model::Resource resource, std::uint64_t index = 1) {
    const model::Change change{
        .kind = model::kind_of(resource),
        .key = model::key_of(resource),
        .index = index,
        .value = std::make_shared<const model::Resource>(std::move(resource))};
    return model::to_proto(change);
}

inline v1::Change deletion(model::Kind kind, const std::string& key, std::uint64_t index) {
    return model::to_proto(
        model::Change{.kind = kind, .key = key, .index = index, .value = nullptr});
}

inline v1::MeshChanges batch(std::uint64_t index, std::vector<v1::Change> changes,
                             bool reset = false, bool complete = true) {
    v1::MeshChanges batch;
    batch.set_index(index);
    batch.set_reset(reset);
    batch.set_complete(complete);
    for (v1::Change& change : changes) *batch.add_changes() = std::move(change);
    return batch;
}

} // namespace hawser::agent::test
