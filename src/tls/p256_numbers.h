// Numbers of P-256 modulo its prime p and its order n, for p256.cpp.
#pragma once

#include <bit>
#include <cstring>

#include "tls/libcrypto.h"
#include "tls/p256.h"

namespace hawser::tls {

inline constexpr Words order = {0xf3b9cac2fc632551, 0xbce6faada7179e84, 0xffffffffffffffff,
                                0xffffffff00000000};
inline constexpr Words order_minus_two = {0xf3b9cac2fc63254f, 0xbce6faada7179e84,
                                          0xffffffffffffffff, 0xffffffff00000000};
inline constexpr Words prime = {0xffffffffffffffff, 0x00000000ffffffff, 0, 0xffffffff00000001};
inline constexpr Words prime_minus_two = {0xfffffffffffffffd, 0x00000000ffffffff, 0,
                                          0xffffffff00000001};
inline constexpr Words prime_minus_order = {0x0c46353d039cdaae, 0x4319055358e8617b, 0, 0};
// In Montgomery form: 1, 3 and the curve's b modulo p; 2^512 modulo n.
inline constexpr Words one = {1, 0xffffffff00000000, 0xffffffffffffffff, 0x00000000fffffffe};
inline constexpr Words three = {3, 0xfffffffd00000000, 0xffffffffffffffff, 0x00000002fffffffc};
inline constexpr Words curve_b = {0xd89cdf6229c4bddf, 0xacf005cd78843090, 0xe5a220abf7212ed6,
                                  0xdc30061d04874834};
inline constexpr Words order_rr = {0x83244c95be79eea2, 0x4699799c49bd6fa6, 0x2845b2392b6bec59,
                                   0x66e12d94f3d95620};

// A secret that is overwritten when it goes.
template <typename T>
struct Wiped {
    Wiped() = default;
    Wiped(const T& from) : value(from) {}
    ~Wiped() { ::explicit_bzero(&value, sizeof value); }
    Wiped(const Wiped&) = delete;
    Wiped& operator=(const Wiped&) = delete;
    operator T&() { return value; }
    operator const T&() const { return value; }
    T value{};
};

inline Words words_of(const P256Number& number) {
    Words words;
    std::memcpy(words.data(), number.data(), sizeof words);
    return {std::byteswap(words[3]), std::byteswap(words[2]), std::byteswap(words[1]),
            std::byteswap(words[0])};
}

inline P256Number number_of(const Words& words) {
    const Words turned = {std::byteswap(words[3]), std::byteswap(words[2]), std::byteswap(words[1]),
                          std::byteswap(words[0])};
    return std::bit_cast<P256Number>(turned);
}

inline bool is_zero(const Words& a) {
    return (a[0] | a[1] | a[2] | a[3]) == 0;
}

// `mask` is all ones for a, or 0 for b. The compiler may not know which, or it makes a jump of it.
inline void choose(Words& result, std::uint64_t mask, const Words& a, const Words& b) {
    asm volatile("" : "+r"(mask));
    for (std::size_t i = 0; i < result.size(); ++i) result[i] = (a[i] & mask) | (b[i] & ~mask);
}

// All ones if a < b, else 0; and a − b.
inline std::uint64_t subtract(Words& difference, const Words& a, const Words& b) {
    unsigned long long borrow = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        difference[i] = __builtin_subcll(a[i], b[i], borrow, &borrow);
    return 0 - borrow;
}

// Of less than 2n.
inline void reduce_by_order(Words& a) {
    Wiped<Words> less;
    const std::uint64_t below = subtract(less, a, order);
    choose(a, below, a, less);
}

inline void add_modulo_order(Words& a, const Words& b) {
    Wiped<Words> sum, less;
    unsigned long long carry = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        sum.value[i] = __builtin_addcll(a[i], b[i], carry, &carry);
    const std::uint64_t below = subtract(less, sum, order);
    choose(a, below & (carry - 1), sum, less); // a sum with a carry is not below
}

inline bool in_group(const Words& scalar) { // [1, n)
    Wiped<Words> difference;
    return subtract(difference, scalar, order) != 0 && !is_zero(scalar);
}

struct Field {
    static void multiply(Words& result, const Words& a, const Words& b) {
        ecp_nistz256_mul_mont(result, a, b);
    }
    static void square_four_times(Words& a) {
        for (int i = 0; i < 4; ++i) ecp_nistz256_sqr_mont(a, a);
    }
};
struct Scalars {
    static void multiply(Words& result, const Words& a, const Words& b) {
        ecp_nistz256_ord_mul_mont(result, a, b);
    }
    static void square_four_times(Words& a) { ecp_nistz256_ord_sqr_mont(a, a, 4); }
};

// By Fermat: to the power of the prime less two, which is no secret.
template <typename Numbers>
void invert(Words& a, const Words& prime_less_two) {
    Wiped<std::array<Words, 16>> powers;
    powers.value[1] = a;
    for (std::size_t i = 2; i < 16; ++i) Numbers::multiply(powers.value[i], powers.value[i - 1], a);
    a = powers.value[15]; // of both exponents
    for (int digit = 62; digit >= 0; --digit) {
        Numbers::square_four_times(a);
        const auto shift = static_cast<unsigned>(digit % 16 * 4);
        const std::uint64_t power = prime_less_two[static_cast<std::size_t>(digit / 16)] >> shift;
        if ((power & 15) != 0) Numbers::multiply(a, a, powers.value[power & 15]);
    }
}

} // namespace hawser::tls
