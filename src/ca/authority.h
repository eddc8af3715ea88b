// The mesh's certificate authority: a root (10 years), an intermediate (1 year) that signs, and
// leaves of 24 hours; or what an operator brought (ca/signer.h). Pure but for the random serials:
// the caller passes the time.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/units.h"
#include "model/identity.h"
#include "tls/secret.h"

namespace hawser::ca {

inline constexpr Duration root_lifetime = std::chrono::days(3653); // 10 years
inline constexpr Duration intermediate_lifetime = std::chrono::days(365);

struct Lifetimes {
    Duration root = root_lifetime;
    Duration intermediate = intermediate_lifetime;
};

// A root of its own and an intermediate under it.
struct NewAuthority {
    std::string root_der;
    std::string root_key_pem;
    std::string intermediate_der;
    std::string intermediate_key_pem;
};
[[nodiscard]] Result<NewAuthority> create_authority(std::string_view trust_domain, WallTime now,
                                                    Lifetimes lifetimes = {});

struct NewIntermediate {
    std::string der;
    std::string key_pem;
};
// Ends with its root at the latest.
[[nodiscard]] Result<NewIntermediate> create_intermediate(std::string_view trust_domain,
                                                          const std::string& root_der,
                                                          std::string_view root_key_pem,
                                                          WallTime now, Duration lifetime);

// Moves, never copies; its key is wiped when it goes.
class Authority {
  public:
    // `chain` is what signs, then whoever signed that, without the root. Refuses a key that is not
    // that of its first, and a chain that does not lead to the root.
    static Result<Authority> load(std::string trust_domain, std::string root_der,
                                  std::vector<std::string> chain, std::string key_pem);

    // The public key (DER) of a request that sign() would sign now.
    [[nodiscard]] Result<std::string> requested_key(ByteView csr_der,
                                                    const model::Identity& identity,
                                                    WallTime now) const;
    // Signs a leaf for `identity`. The request's key is used, its other claims must not disagree:
    // a URI SAN in it must be `identity`. Valid from now − 5 min for `lifetime`, never beyond those
    // who signed. `generation` goes into the serial. Returns the chain as PEM: leaf, then the
    // authority's, without the root.
    [[nodiscard]] Result<std::string> sign(ByteView csr_der, const model::Identity& identity,
                                           WallTime now, Duration lifetime,
                                           std::uint64_t generation = 0) const;

    [[nodiscard]] const std::string& trust_domain() const { return trust_domain_; }
    [[nodiscard]] const std::string& root_der() const { return root_der_; }
    [[nodiscard]] const std::string& intermediate_der() const { return chain_.front(); }
    // Nothing that it signs is valid for longer.
    [[nodiscard]] WallTime not_after() const { return not_after_; }

  private:
    std::string trust_domain_, root_der_;
    std::vector<std::string> chain_;
    tls::SecretText key_pem_;
    WallTime not_after_ = 0;
};

} // namespace hawser::ca
