#include "tls/known_signatures.h"

#include <mbedtls/sha256.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace hawser::tls {
namespace {

thread_local CertificateSignatures* innermost = nullptr;

} // namespace

KnownSignatures::Fact KnownSignatures::fact_of(const P256Point& key, const P256Number& hash,
                                               const P256Signature& signature) {
    std::array<std::uint8_t, 160> all;
    auto* end = all.data();
    for (const P256Number* number : {&key.x, &key.y, &hash, &signature.r, &signature.s})
        end = std::ranges::copy(*number, end).out;
    Fact fact;
    HAWSER_CHECK(mbedtls_sha256(all.data(), all.size(), fact.data(), 0) == 0);
    return fact;
}

KnownSignatures& KnownSignatures::of_this_thread() {
    thread_local KnownSignatures all;
    return all;
}

std::size_t KnownSignatures::set_of(const Fact& fact) {
    std::uint64_t start;
    std::memcpy(&start, fact.data(), sizeof start);
    return start % (most / ways);
}

bool KnownSignatures::has(const Fact& fact) const {
    const Set& set = sets_[set_of(fact)];
    const auto end = set.facts.begin() + set.used;
    return std::find(set.facts.begin(), end, fact) != end;
}

void KnownSignatures::add(const Fact& fact) {
    if (has(fact)) return;
    Set& set = sets_[set_of(fact)];
    set.facts[set.next] = fact;
    set.next = static_cast<std::uint8_t>((set.next + 1) % ways);
    set.used = static_cast<std::uint8_t>(std::min<std::size_t>(set.used + 1, ways));
}

std::size_t KnownSignatures::size() const {
    std::size_t count = 0;
    for (const Set& set : sets_) count += set.used;
    return count;
}

CertificateSignatures::CertificateSignatures() : outer_(innermost) {
    innermost = this;
}
CertificateSignatures::~CertificateSignatures() {
    innermost = outer_;
}

CertificateSignatures* CertificateSignatures::current() {
    return innermost;
}

bool CertificateSignatures::known(const KnownSignatures::Fact& fact) const {
    return KnownSignatures::of_this_thread().has(fact);
}

void CertificateSignatures::remember() {
    for (const auto& fact : new_) KnownSignatures::of_this_thread().add(fact);
    new_.clear();
}

} // namespace hawser::tls
