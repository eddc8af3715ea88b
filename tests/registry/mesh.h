// A registry with a trust domain in it, and short ways to send it commands.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "registry/registry.h"

namespace hawser::registry::test {

inline constexpr WallTime now = 1'750'000'000'000;

inline model::TrustDomain make_domain(const std::string& vip4 = "240.0.0.0/8",
                                      const std::string& vip6 = "fd68:6177::/64") {
    model::TrustDomain domain;
    domain.vip4 = *Cidr::parse(vip4);
    domain.vip6 = *Cidr::parse(vip6);
    domain.roots = {"root"};
    domain.intermediates = {"intermediate"};
    domain.epoch = 0x5eed;
    domain.epoch_since = 1'767'000'000'000;
    return domain;
}

inline model::InitTrust make_init(model::TrustDomain domain = make_domain()) {
    return {.domain = std::move(domain),
            .first_operator = {.id = "0a",
                               .secret_hash = std::string(32, 'o'),
                               .role = model::Role::admin,
                               .created_at = now}};
}

inline model::Service make_service(const std::string& name) {
    model::Service service;
    service.name = name;
    return service;
}

inline model::Policy make_policy(const std::string& name, const std::string& service) {
    model::Policy policy;
    policy.name = name;
    policy.service = service;
    policy.from = {"web"};
    return policy;
}

inline model::JoinToken make_token(const std::string& id, const std::string& node,
                                   std::vector<std::string> services = {"api", "web"}) {
    return {.id = id,
            .secret_hash = std::string(32, 's'),
            .node = node,
            .services = std::move(services),
            .expires_at = now + 600'000};
}

inline model::Instance make_instance(const std::string& node, const std::string& service,
                                     std::uint16_t port = 8080) {
    model::Instance instance;
    instance.node = node;
    instance.service = service;
    instance.port = port;
    instance.health = model::Health::passing;
    return instance;
}

inline model::SyncNode make_sync(const std::string& node, std::vector<model::Instance> instances) {
    return {.node = node,
            .zone = "eu/a",
            .tunnel = *Endpoint::parse("10.0.0.7:15008"),
            .version = "1.0",
            .instances = std::move(instances)};
}

// "service/api created": what an outcome says, one line a change.
using Lines = std::vector<std::string>;

class Mesh {
  public:
    explicit Mesh(model::TrustDomain domain = make_domain()) {
        REQUIRE(send(make_init(std::move(domain))));
    }

    Result<Outcome> send(model::Command command, WallTime at = now) {
        return registry.apply(++index,
                              {.command = std::move(command), .actor = "test", .proposed_at = at});
    }
    Lines done(model::Command command) {
        const Result<Outcome> outcome = send(std::move(command));
        if (!outcome) FAIL(outcome.error().message);
        return describe(*outcome);
    }
    // The refusal; the registry must be as it was.
    Error refused(model::Command command, WallTime at = now) {
        const std::string before = fingerprint();
        const model::CommandEnvelope envelope{
            .command = command, .actor = "test", .proposed_at = at};
        const Result<Outcome> foreseen = registry.check(envelope);
        const Result<Outcome> outcome = send(std::move(command), at);
        REQUIRE_FALSE(outcome.has_value());
        REQUIRE_FALSE(foreseen.has_value());
        CHECK(foreseen.error().message == outcome.error().message);
        CHECK(fingerprint() == before);
        return outcome.error();
    }
    void join(const std::string& node, std::vector<std::string> services = {"api", "web"}) {
        const std::string id = "aa" + std::to_string(++tokens_);
        done(model::CreateJoinToken{.token = make_token(id, node, std::move(services))});
        done(model::JoinNode{.token_id = id, .node = node, .now = now});
    }

    template <typename T>
    const T& get(const std::string& key) {
        const T* resource = registry.tables().get<T>(key);
        REQUIRE(resource != nullptr);
        return *resource;
    }
    template <typename T>
    bool has(const std::string& key) {
        return registry.tables().get<T>(key) != nullptr;
    }

    // All state as bytes: two registries with the same are the same.
    std::string fingerprint() const {
        std::string bytes = registry.meta();
        for (const model::Change& row : registry.rows()) {
            bytes += std::to_string(static_cast<int>(row.kind)) + row.key + "@" +
                     std::to_string(row.index) + "=" + model::encode(*row.value) + "\n";
        }
        return bytes;
    }

    Registry registry;
    std::uint64_t index = 0;

  private:
    int tokens_ = 0;
};

} // namespace hawser::registry::test
