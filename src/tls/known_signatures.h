// Signatures on certificates that this thread has found good before: peers come again, with the
// same chains. It remembers nothing about certificates. That a key has signed a hash is true for
// ever, so there is nothing here that could expire or be revoked, and chain, trust, time and usage
// are decided anew in every handshake; a peer's proof that it has its key always is.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "tls/p256.h"

namespace hawser::tls {

class KnownSignatures {
  public:
    // SHA-256 of key, hash and signature.
    using Fact = std::array<std::uint8_t, 32>;
    static Fact fact_of(const P256Point& key, const P256Number& hash,
                        const P256Signature& signature);

    static KnownSignatures& of_this_thread();

    [[nodiscard]] bool has(const Fact& fact) const;
    void add(const Fact& fact);
    [[nodiscard]] std::size_t size() const;

    // A mesh where one agent meets more peers than that verifies some again.
    static constexpr std::size_t most = 1024;

  private:
    static constexpr std::size_t ways = 4;
    struct Set {
        std::array<Fact, ways> facts{};
        std::uint8_t next = 0, used = 0; // the oldest makes room
    };
    [[nodiscard]] static std::size_t set_of(const Fact& fact);

    std::vector<Set> sets_ = std::vector<Set>(most / ways);
};

// While it exists, signatures that this thread verifies are those of one peer's certificates. They
// are looked up; which of them are remembered is decided once the chain has been: who is not
// trusted cannot fill the memory.
class CertificateSignatures {
  public:
    CertificateSignatures();
    ~CertificateSignatures();
    CertificateSignatures(const CertificateSignatures&) = delete;
    CertificateSignatures& operator=(const CertificateSignatures&) = delete;

    // The innermost of this thread, or null.
    static CertificateSignatures* current();

    [[nodiscard]] bool known(const KnownSignatures::Fact& fact) const;
    void verified(const KnownSignatures::Fact& fact) { new_.push_back(fact); }
    void remember();

  private:
    CertificateSignatures* const outer_;
    std::vector<KnownSignatures::Fact> new_; // as many as mbedTLS verifies for a chain
};

} // namespace hawser::tls
