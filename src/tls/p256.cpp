#include "tls/p256.h"

#include "base/check.h"

#ifdef __x86_64__

#include "tls/p256_numbers.h"

namespace hawser::tls {
namespace {

// A scalar as digits from −2^(width−1) to 2^(width−1), the least first (Booth).
class Digits {
  public:
    explicit Digits(const Words& scalar) { // twice the scalar
        std::uint64_t low = 0;
        for (std::size_t i = 0; i < scalar.size(); ++i) {
            const std::uint64_t word = (scalar[i] << 1) | low;
            std::memcpy(&bytes_.value[i * 8], &word, 8);
            low = scalar[i] >> 63;
        }
        bytes_.value[32] = static_cast<std::uint8_t>(low);
    }

    struct Digit {
        int magnitude;
        std::uint64_t negative; // all ones, or 0
    };
    [[nodiscard]] Digit at(unsigned index, unsigned width) const {
        const unsigned bit = index * width;
        const unsigned both = bytes_.value[bit / 8] | (bytes_.value[bit / 8 + 1] << 8U);
        const unsigned window = (both >> (bit % 8)) & ((2U << width) - 1);
        const unsigned negative = 0U - (window >> width);
        const unsigned rounded = (window + 1) >> 1U;
        const unsigned magnitude = (rounded ^ negative) + (negative & ((1U << width) + 1));
        return {static_cast<int>(magnitude), 0 - static_cast<std::uint64_t>(negative & 1)};
    }

  private:
    Wiped<std::array<std::uint8_t, 34>> bytes_;
};

template <typename Point>
void negate_if(Point& point, std::uint64_t mask) {
    Wiped<Words> negative;
    ecp_nistz256_neg(negative, point.y);
    choose(point.y, mask, negative, point.y);
}

// The scalar is less than n, so that no sum of digits meets the point it is added to.
void multiply_generator(Jacobian& result, const Words& scalar) {
    const Digits digits(scalar);
    result = {};
    alignas(64) Wiped<Affine> multiple;
    for (unsigned i = 0; i < std::size(ecp_nistz256_precomputed); ++i) {
        const auto [magnitude, negative] = digits.at(i, 7);
        ecp_nistz256_gather_w7(multiple, ecp_nistz256_precomputed[i], magnitude);
        negate_if(multiple.value, negative);
        ecp_nistz256_point_add_affine(result, result, multiple);
    }
}

void multiply(Jacobian& result, const Words& scalar, const Affine& point) {
    alignas(64) std::array<Jacobian, 16> table; // as scatter_w5 lays it out
    std::array<Jacobian, 17> multiples;
    multiples[1] = {point.x, point.y, one};
    for (std::size_t i = 2; i < multiples.size(); ++i) {
        if (i % 2 == 0)
            ecp_nistz256_point_double(multiples[i], multiples[i / 2]);
        else
            ecp_nistz256_point_add(multiples[i], multiples[i - 1], multiples[1]);
    }
    for (std::size_t i = 1; i < multiples.size(); ++i)
        ecp_nistz256_scatter_w5(table.data(), multiples[i], static_cast<int>(i));

    const Digits digits(scalar);
    result = {};
    alignas(64) Wiped<Jacobian> multiple;
    for (unsigned i = 52; i-- > 0;) {
        for (int doubled = 0; doubled < 5; ++doubled) ecp_nistz256_point_double(result, result);
        const auto [magnitude, negative] = digits.at(i, 5);
        ecp_nistz256_gather_w5(multiple, table.data(), magnitude);
        negate_if(multiple.value, negative);
        ecp_nistz256_point_add(result, result, multiple);
    }
}

// Out of Montgomery form. Not of infinity.
Affine to_affine(const Jacobian& point) {
    Wiped<Words> inverse(point.z), square;
    Affine result;
    invert<Field>(inverse, prime_minus_two);
    ecp_nistz256_sqr_mont(square, inverse);
    ecp_nistz256_mul_mont(result.x, point.x, square);
    ecp_nistz256_mul_mont(square, square, inverse);
    ecp_nistz256_mul_mont(result.y, point.y, square);
    ecp_nistz256_from_mont(result.x, result.x);
    ecp_nistz256_from_mont(result.y, result.y);
    return result;
}

// Into Montgomery form. None: not on the curve.
std::optional<Affine> parse(const P256Point& point) {
    Affine result = {words_of(point.x), words_of(point.y)};
    Words difference;
    if (subtract(difference, result.x, prime) == 0 || subtract(difference, result.y, prime) == 0)
        return std::nullopt;
    ecp_nistz256_to_mont(result.x, result.x);
    ecp_nistz256_to_mont(result.y, result.y);
    Words left, right; // y² = x³ − 3x + b
    ecp_nistz256_sqr_mont(left, result.y);
    ecp_nistz256_sqr_mont(right, result.x);
    ecp_nistz256_sub(right, right, three);
    ecp_nistz256_mul_mont(right, right, result.x);
    ecp_nistz256_add(right, right, curve_b);
    if (left != right) return std::nullopt;
    return result;
}

} // namespace

bool p256_runs_here() {
    return true;
}

std::optional<P256Point> p256_public_key(const P256Number& secret) {
    const Wiped<Words> scalar(words_of(secret));
    if (!in_group(scalar)) return std::nullopt;
    Wiped<Jacobian> product;
    multiply_generator(product, scalar);
    const Affine point = to_affine(product);
    return P256Point{number_of(point.x), number_of(point.y)};
}

std::optional<P256Number> p256_shared_secret(const P256Number& secret, const P256Point& point) {
    const Wiped<Words> scalar(words_of(secret));
    const auto parsed = parse(point);
    if (!in_group(scalar) || !parsed) return std::nullopt;
    Wiped<Jacobian> product;
    multiply(product, scalar, *parsed);
    const Wiped<Affine> shared(to_affine(product));
    return number_of(shared.value.x);
}

// r = x of nonce × generator, s = (hash + r × key) ÷ nonce, modulo n.
std::optional<P256Signature> p256_sign(const P256Number& key, const P256Number& hash,
                                       const P256Number& nonce) {
    const Wiped<Words> secret(words_of(key));
    Wiped<Words> inverse(words_of(nonce)), product;
    if (!in_group(secret) || !in_group(inverse)) return std::nullopt;
    Wiped<Jacobian> point;
    multiply_generator(point, inverse);
    Words r = to_affine(point).x;
    reduce_by_order(r);
    ecp_nistz256_ord_mul_mont(inverse, inverse, order_rr);
    invert<Scalars>(inverse, order_minus_two);
    ecp_nistz256_ord_mul_mont(product, r, order_rr);
    ecp_nistz256_ord_mul_mont(product, product, secret);
    Words s = words_of(hash);
    reduce_by_order(s);
    add_modulo_order(s, product);
    ecp_nistz256_ord_mul_mont(s, s, inverse);
    if (is_zero(r) || is_zero(s)) return std::nullopt;
    return P256Signature{number_of(r), number_of(s)};
}

// x of (hash ÷ s) × generator + (r ÷ s) × key, modulo n, is r.
bool p256_verify(const P256Point& key, const P256Number& hash, const P256Signature& signature) {
    const auto point = parse(key);
    Words r = words_of(signature.r), inverse = words_of(signature.s);
    if (!point || !in_group(r) || !in_group(inverse)) return false;
    ecp_nistz256_ord_mul_mont(inverse, inverse, order_rr);
    invert<Scalars>(inverse, order_minus_two);
    Words of_generator = words_of(hash), of_key;
    reduce_by_order(of_generator);
    ecp_nistz256_ord_mul_mont(of_generator, of_generator, inverse);
    ecp_nistz256_ord_mul_mont(of_key, r, inverse);
    Jacobian sum, part;
    multiply_generator(sum, of_generator);
    multiply(part, of_key, *point);
    ecp_nistz256_point_add(sum, sum, part);
    if (is_zero(sum.z)) return false;
    // x = r, or r + n if the field has that number; without a division by z².
    Words square, expected, difference;
    ecp_nistz256_sqr_mont(square, sum.z);
    ecp_nistz256_to_mont(expected, r);
    ecp_nistz256_mul_mont(expected, expected, square);
    if (expected == sum.x) return true;
    if (subtract(difference, r, prime_minus_order) == 0) return false;
    ecp_nistz256_to_mont(expected, order);
    ecp_nistz256_to_mont(r, r);
    ecp_nistz256_add(r, r, expected);
    ecp_nistz256_mul_mont(expected, r, square);
    return expected == sum.x;
}

} // namespace hawser::tls

#else

namespace hawser::tls {

bool p256_runs_here() {
    return false;
}
std::optional<P256Point> p256_public_key(const P256Number&) {
    HAWSER_CHECK(false);
}
std::optional<P256Number> p256_shared_secret(const P256Number&, const P256Point&) {
    HAWSER_CHECK(false);
}
std::optional<P256Signature> p256_sign(const P256Number&, const P256Number&, const P256Number&) {
    HAWSER_CHECK(false);
}
bool p256_verify(const P256Point&, const P256Number&, const P256Signature&) {
    HAWSER_CHECK(false);
}

} // namespace hawser::tls

#endif
