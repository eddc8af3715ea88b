// A small mesh for tests: a root, an intermediate, good leaves by the product's own code, and
// leaves of any shape, which that code refuses to make.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/check.h"
#include "tls/credentials.h"
#include "tls/library.h"
#include "tls/x509.h"

namespace hawser::tls::test {

constexpr WallTime minute = 60'000, hour = 60 * minute, day = 24 * hour;

// The value; a failure ends the test.
template <typename T>
T value_of(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message);
    return *std::move(result);
}

struct SubjectName {
    int type = MBEDTLS_X509_SAN_UNIFORM_RESOURCE_IDENTIFIER;
    std::string value;
};

// What a leaf says. The defaults are of a good one.
struct LeafShape {
    std::vector<SubjectName> names;
    bool is_ca = false;
    bool has_usage = true; // both kinds
    unsigned key_usage = MBEDTLS_X509_KU_DIGITAL_SIGNATURE;
    bool for_servers = true, for_clients = true;
    WallTime not_before = now() - hour, not_after = now() + day;
    mbedtls_md_type_t hash = MBEDTLS_MD_SHA256;
    std::string public_key_der; // empty: a new P-256 key
};

// A chain that its owner shows to peers, whatever is wrong with it.
struct Chain {
    std::vector<std::string> ders; // leaf first
    std::string key_pem;
};

class TestPki {
  public:
    explicit TestPki(std::string trust_domain = "hawser.local", WallTime created = now());

    [[nodiscard]] model::Identity service(std::string name) const;
    [[nodiscard]] LeafShape shape(const std::string& name) const;
    [[nodiscard]] Chain chain(const LeafShape& shape) const;  // leaf, intermediate
    [[nodiscard]] Chain chain(const std::string& name) const; // the same, a good one
    [[nodiscard]] KeyPair pair(const std::string& name) const;
    // As `name`, trusting this mesh; change what you like before making credentials of it.
    [[nodiscard]] CredentialsOptions options(const std::string& name) const;
    [[nodiscard]] CredentialsPtr credentials(const std::string& name) const;

    std::string trust_domain;
    std::string root, root_key, intermediate, intermediate_key; // DER and PEM
};

[[nodiscard]] KeyPair to_pair(const Chain& chain);
[[nodiscard]] std::string public_key_p384();
[[nodiscard]] std::string public_key_rsa();

} // namespace hawser::tls::test
