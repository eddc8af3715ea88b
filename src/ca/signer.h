// What an authority signs with: made here or brought by an operator, in the clear while it is
// worked with, and sealed for the registry (model::Signer). Pure but for keys and serials.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "ca/authority.h"
#include "ca/seal.h"
#include "model/resources.h"
#include "tls/secret.h"

namespace hawser::ca {

struct OpenSigner {
    std::string root;               // DER
    std::vector<std::string> chain; // DER; the one that signs first, without the root
    tls::SecretText root_key;       // PEM; empty: it is kept elsewhere
    tls::SecretText key;            // PEM, of the first of the chain
};

// A new root and an intermediate under it.
[[nodiscard]] Result<OpenSigner> make_signer(std::string_view trust_domain, WallTime now,
                                             Lifetimes lifetimes);
// An operator's: either a root certificate and its key, under which an intermediate is made, or an
// intermediate with its key, followed by the chain up to its root, whose key stays outside.
// Refuses, with the reason, what agents would not accept, and what would expire too soon.
[[nodiscard]] Result<OpenSigner> bring_signer(std::string_view certificates_pem,
                                              std::string_view key_pem,
                                              std::string_view trust_domain, WallTime now,
                                              Lifetimes lifetimes);
// A new intermediate under the same root, whose key it needs.
[[nodiscard]] Result<OpenSigner> with_new_intermediate(const OpenSigner& signer,
                                                       std::string_view trust_domain, WallTime now,
                                                       Duration lifetime);

[[nodiscard]] model::Signer seal(const OpenSigner& signer, const SealingKey& key);
[[nodiscard]] Result<OpenSigner> open(const model::Signer& signer, const SealingKey& key);

// When its certificates end.
struct SignerTimes {
    WallTime since = 0; // of the one that signs
    WallTime until = 0; // of the first of the chain to expire, the root included
    WallTime root_since = 0;
    WallTime root_until = 0;
};
[[nodiscard]] Result<SignerTimes> times_of(const model::Signer& signer);

} // namespace hawser::ca
