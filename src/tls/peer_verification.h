// Decides whether a peer's certificate is one the mesh accepts, and says why not. mbedTLS builds
// the chain and checks signatures; everything about identity, usage and time is decided here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/identity.h"
#include "tls/library.h"
#include "tls/records.h"
#include "tls/session.h"

namespace hawser::tls {

// ECDSA P-256 and SHA-256 throughout the chain.
extern const mbedtls_x509_crt_profile certificate_profile;

struct Refusal {
    Alert alert;
    std::string reason; // "expired on …"; the caller puts "peer certificate: " in front
};

// The identity of a leaf: its one URI SAN, with no name of another type beside it.
[[nodiscard]] std::expected<model::Identity, Refusal> leaf_identity(const mbedtls_x509_crt& leaf);
// Not a CA, for signatures only, and for the extended use that its owner's role needs.
[[nodiscard]] std::optional<Refusal> check_leaf_usage(const mbedtls_x509_crt& leaf, Role owner);

// What a peer must show.
struct PeerRequirements {
    std::string trust_domain;
    Role peer_role = Role::client;
    std::optional<model::Identity> identity; // that one and no other
    std::optional<std::string> root_pin;     // SHA-256 of the root, which is in the peer's chain
};

// Follows one verification by mbedTLS from the root down to the leaf.
class PeerVerification {
  public:
    explicit PeerVerification(PeerRequirements requirements)
        : requirements_(std::move(requirements)) {}

    // mbedTLS calls this for each certificate of the chain it built, the leaf (depth 0) last.
    // After the leaf, the decision stands in refusal() or peer(). `flags` are cleared: only the
    // decision counts.
    void see(mbedtls_x509_crt& certificate, int depth, std::uint32_t& flags);

    [[nodiscard]] const std::optional<Refusal>& refusal() const { return refusal_; }
    [[nodiscard]] std::optional<PeerCertificate>& peer() { return peer_; }

  private:
    void note(const mbedtls_x509_crt& certificate, int depth, std::uint32_t flags);
    void note_issuer(const mbedtls_x509_crt& issuer);
    [[nodiscard]] std::optional<Refusal> decide(mbedtls_x509_crt& leaf);
    [[nodiscard]] std::optional<Refusal> decide_pinned(mbedtls_x509_crt& leaf);
    [[nodiscard]] std::optional<Refusal> check_signatures(const mbedtls_x509_crt& leaf) const;

    PeerRequirements requirements_;
    std::uint32_t flags_ = 0;            // of all certificates so far, without those of time
    std::optional<Refusal> out_of_time_; // the first certificate that is not valid now
    std::optional<Refusal> bad_issuer_;
    // The one that no authority we know has signed, and its depth. Valid during the verification.
    const mbedtls_x509_crt* untrusted_ = nullptr;
    int untrusted_depth_ = 0;
    std::optional<Refusal> refusal_;
    std::optional<PeerCertificate> peer_;
};

} // namespace hawser::tls
