// The mesh's certificate authority: a root (10 years), an intermediate (1 year) that signs, and
// leaves of 24 hours. Pure but for the random serials: the caller passes the time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/units.h"
#include "model/identity.h"
#include "tls/secret.h"

namespace hawser::ca {

// Everything that `hawser init` makes.
struct NewAuthority {
    std::string root_der;
    std::string root_key_pem;
    std::string intermediate_der;
    std::string intermediate_key_pem;
};
[[nodiscard]] Result<NewAuthority> create_authority(std::string_view trust_domain, WallTime now);

// Moves, never copies; its key is wiped when it goes.
class Authority {
  public:
    // Refuses a key that is not the intermediate's, and an intermediate that the root did not sign.
    static Result<Authority> load(std::string trust_domain, std::string root_der,
                                  std::string intermediate_der, std::string intermediate_key_pem);

    // The public key (DER) of a request that sign() would sign now.
    [[nodiscard]] Result<std::string> requested_key(ByteView csr_der,
                                                    const model::Identity& identity,
                                                    WallTime now) const;
    // Signs a leaf for `identity`. The request's key is used, its other claims must not disagree:
    // a URI SAN in it must be `identity`. Valid from now − 5 min for `lifetime`, never beyond the
    // intermediate. `generation` goes into the serial. Returns the chain as PEM: leaf,
    // intermediate.
    [[nodiscard]] Result<std::string> sign(ByteView csr_der, const model::Identity& identity,
                                           WallTime now, Duration lifetime,
                                           std::uint64_t generation = 0) const;

    [[nodiscard]] const std::string& trust_domain() const { return trust_domain_; }
    [[nodiscard]] const std::string& root_der() const { return root_der_; }
    [[nodiscard]] const std::string& intermediate_der() const { return intermediate_der_; }

  private:
    std::string trust_domain_, root_der_, intermediate_der_;
    tls::SecretText intermediate_key_pem_;
    WallTime intermediate_not_after_ = 0;
};

} // namespace hawser::ca
