// Who this process is and whom it trusts: what a TLS session is made with. Immutable and shared
// between threads; a renewal makes a new one and later sessions use that.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "model/identity.h"
#include "tls/secret.h"

namespace hawser::tls {

// A private key and its certificate chain. Move-only; the key is wiped when it goes.
struct KeyPair {
    std::string chain_pem; // leaf first, without the root
    SecretText key_pem;    // PKCS#8 or SEC1
};

struct TrustBundle {
    std::vector<std::string> roots; // DER
    // DER; signed by one of the roots (one that is not is refused). Saves the verification of the
    // peer's own copy, and helps with peers that sent only a leaf. Expired ones are left out.
    std::vector<std::string> intermediates;
};

class Credentials; // opaque: parsed key, chain and bundle, and the mbedTLS configurations
using CredentialsPtr = std::shared_ptr<const Credentials>;

enum class ClientAuth { required, optional };

struct CredentialsOptions {
    std::string trust_domain;   // peers must be of it; may be empty with a root_pin
    std::optional<KeyPair> own; // none: a client without certificate (joining, operators)
    TrustBundle trust;
    std::vector<std::string> alpn;                 // offered or accepted, in order of preference
    ClientAuth client_auth = ClientAuth::required; // server role
    // Joining: the server's root is not known yet, only SHA-256 of its DER. The server must send
    // its root in its chain; the chain is verified against the root that matches the pin.
    std::optional<std::string> root_pin; // 32 bytes
};
[[nodiscard]] Result<CredentialsPtr> make_credentials(CredentialsOptions options);

// Of make_credentials' own key pair.
[[nodiscard]] const std::optional<model::Identity>& own_identity(const Credentials& credentials);
[[nodiscard]] WallTime expires_at(const Credentials& credentials); // 0 without a certificate

} // namespace hawser::tls
