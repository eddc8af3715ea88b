// P-256 and SHA-256 by OpenSSL's assembler, each of its variants that this processor can run:
// against published vectors, cases at the edges, and mbedTLS's own curve arithmetic.
#include "tls/p256.h"

#include <doctest/doctest.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/md.h>
#include <mbedtls/sha256.h>
#include <psa/crypto.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/sha256.h"
#include "tls/ecdsa_cases.h"
#include "tls/libcrypto.h"
#include "tls/library.h"

using namespace hawser;
using namespace hawser::tls;
using namespace hawser::tls::test;

namespace {

using Group = Handle<mbedtls_ecp_group, mbedtls_ecp_group_init, mbedtls_ecp_group_free>;
using Point = Handle<mbedtls_ecp_point, mbedtls_ecp_point_init, mbedtls_ecp_point_free>;

class Number : public Handle<mbedtls_mpi, mbedtls_mpi_init, mbedtls_mpi_free> {
  public:
    Number() = default;
    explicit Number(ByteView bytes) {
        REQUIRE(mbedtls_mpi_read_binary(get(), bytes.data(), bytes.size()) == 0);
    }
    [[nodiscard]] P256Number bytes() const {
        P256Number bytes;
        REQUIRE(mbedtls_mpi_write_binary(get(), bytes.data(), bytes.size()) == 0);
        return bytes;
    }
};

P256Number number(std::string_view hex) {
    const std::string bytes = from_hex(hex).value();
    P256Number number;
    REQUIRE(bytes.size() == number.size());
    std::ranges::copy(as_bytes(bytes), number.begin());
    return number;
}

std::string hex(const P256Number& number) {
    return to_hex(number);
}

P256Number random_number(Random& random) {
    P256Number number;
    for (auto& byte : number) byte = static_cast<std::uint8_t>(random.next() >> 32);
    return number;
}

// The same by mbedTLS's arithmetic, which the hooks do not reach.
struct Stock {
    explicit Stock(mbedtls_ecp_group_id id = MBEDTLS_ECP_DP_SECP256R1) {
        REQUIRE(mbedtls_ecp_group_load(group.get(), id) == 0);
    }

    static P256Point p256(const Point& point) {
        P256Point result;
        for (auto [from, to] : {std::pair{&point->MBEDTLS_PRIVATE(X), &result.x},
                                std::pair{&point->MBEDTLS_PRIVATE(Y), &result.y}})
            REQUIRE(mbedtls_mpi_write_binary(from, to->data(), to->size()) == 0);
        return result;
    }
    void multiply(Point& result, const Number& scalar, const mbedtls_ecp_point& point) {
        REQUIRE(mbedtls_ecp_mul(group.get(), result.get(), scalar.get(), &point, random_bytes,
                                nullptr) == 0);
    }
    P256Point public_key(const P256Number& secret) {
        Point result;
        multiply(result, Number(secret), group->G);
        return p256(result);
    }
    // FIPS 186-5 §6.4.1.
    void sign(const Number& key, const Number& hash, const Number& nonce, Number& r, Number& s) {
        Point point;
        multiply(point, nonce, group->G);
        Number product, inverse;
        REQUIRE(mbedtls_mpi_mod_mpi(r.get(), &point->MBEDTLS_PRIVATE(X), &group->N) == 0);
        REQUIRE(mbedtls_mpi_mul_mpi(product.get(), r.get(), key.get()) == 0);
        REQUIRE(mbedtls_mpi_add_mpi(product.get(), product.get(), hash.get()) == 0);
        REQUIRE(mbedtls_mpi_inv_mod(inverse.get(), nonce.get(), &group->N) == 0);
        REQUIRE(mbedtls_mpi_mul_mpi(s.get(), product.get(), inverse.get()) == 0);
        REQUIRE(mbedtls_mpi_mod_mpi(s.get(), s.get(), &group->N) == 0);
    }

    Group group;
};

// Runs the body with each variant of the assembler that the processor has; the last is the
// plainest.
template <typename Body>
void with_each_variant(Body body) {
#ifdef __x86_64__
    const auto processor = OPENSSL_ia32cap_P;
    constexpr std::uint32_t sha = 1U << 29, adx = 1U << 19, avx2 = 1U << 5;
    for (const std::uint32_t without : {0U, sha, sha | adx, sha | adx | avx2, ~0U}) {
        CAPTURE(without);
        OPENSSL_ia32cap_P[2] &= ~without;
        if (without == ~0U) OPENSSL_ia32cap_P[1] = 0;
        body();
    }
    OPENSSL_ia32cap_P = processor;
#else
    (void)body;
#endif
}

// Secrets at the edges of the arithmetic, and some others.
std::vector<P256Number> scalars() {
    std::vector<P256Number> all;
    const Number order(number("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"));
    Number scalar;
    for (int small = 1; small <= 70; ++small) {
        REQUIRE(mbedtls_mpi_lset(scalar.get(), small) == 0);
        all.push_back(scalar.bytes());
        REQUIRE(mbedtls_mpi_sub_int(scalar.get(), order.get(), small) == 0);
        all.push_back(scalar.bytes());
    }
    for (std::size_t bit = 7; bit < 256; ++bit)
        for (const int off : {-1, 0, 1}) {
            REQUIRE(mbedtls_mpi_lset(scalar.get(), 0) == 0);
            REQUIRE(mbedtls_mpi_set_bit(scalar.get(), bit, 1) == 0);
            REQUIRE(mbedtls_mpi_add_int(scalar.get(), scalar.get(), off) == 0);
            all.push_back(scalar.bytes());
        }
    for (int byte = 1; byte < 255; ++byte) { // every value of each window
        P256Number same;
        same.fill(static_cast<std::uint8_t>(byte));
        all.push_back(same);
    }
    Random random(1);
    for (int i = 0; i < 100; ++i) all.push_back(random_number(random));
    return all;
}

} // namespace

TEST_CASE("P-256: published vectors") {
    // RFC 6979 §A.2.5; the nonces are its too.
    const auto key = number("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
    const P256Point expected = {
        number("60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"),
        number("7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299")};
    // NIST CAVP, KAS ECC CDH Primitive, P-256, count 0.
    const auto secret = number("7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534");
    const P256Point peer = {
        number("700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287"),
        number("db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac")};
    struct Signed {
        const char *message, *nonce, *r, *s;
    };
    constexpr Signed all[] = {
        {"sample", "a6e3c57dd01abe90086538398355dd4c3b17aa873382b0f24d6129493d8aad60",
         "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
         "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"},
        {"test", "d16b6ae827f17175e040871a1c7ec3500192c4c92677336ec2537acaee0008e0",
         "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
         "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083"},
    };
    with_each_variant([&] {
        CHECK(p256_public_key(key).value() == expected);
        CHECK(hex(p256_shared_secret(secret, peer).value()) ==
              "46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b");
        for (const Signed& each : all) {
            P256Number hash;
            REQUIRE(mbedtls_sha256(reinterpret_cast<const unsigned char*>(each.message),
                                   std::string_view(each.message).size(), hash.data(), 0) == 0);
            const auto signature = p256_sign(key, hash, number(each.nonce)).value();
            CHECK(hex(signature.r) == each.r);
            CHECK(hex(signature.s) == each.s);
            CHECK(p256_verify(expected, hash, signature));
        }
    });
}

TEST_CASE("ECDSA over P-256: cases at the edges, directly and through mbedTLS") {
    Stock stock;
    for (const EcdsaCase& each : ecdsa_cases) {
        CAPTURE(each.name);
        const P256Point key = {number(each.x), number(each.y)};
        const P256Signature signature = {number(each.r), number(each.s)};
        const P256Number hash = number(each.hash);
        with_each_variant([&] { CHECK(p256_verify(key, hash, signature) == each.good); });
        Point point;
        std::vector<unsigned char> uncompressed = {4};
        uncompressed.insert(uncompressed.end(), key.x.begin(), key.x.end());
        uncompressed.insert(uncompressed.end(), key.y.begin(), key.y.end());
        const bool read = mbedtls_ecp_point_read_binary(stock.group.get(), point.get(),
                                                        uncompressed.data(), 65) == 0;
        const Number r(signature.r), s(signature.s);
        CHECK((read && mbedtls_ecdsa_verify(stock.group.get(), hash.data(), hash.size(),
                                            point.get(), r.get(), s.get()) == 0) == each.good);
    }
}

TEST_CASE("P-256: public keys as mbedTLS computes them") {
    if (!p256_runs_here()) return;
    Stock stock;
    const auto all = scalars();
    for (const P256Number& secret : all) {
        const P256Point expected = stock.public_key(secret);
        with_each_variant([&] {
            if (p256_public_key(secret).value() != expected) FAIL_CHECK(hex(secret));
        });
    }
}

TEST_CASE("P-256: shared secrets as mbedTLS computes them") {
    if (!p256_runs_here()) return;
    Stock stock;
    Random random(2);
    const auto all = scalars();
    for (std::size_t i = 0; i < all.size(); i += 2) {
        Point peer, product;
        stock.multiply(peer, Number(random_number(random)), stock.group->G);
        stock.multiply(product, Number(all[i]), *peer.get());
        const P256Number expected = Stock::p256(product).x;
        with_each_variant([&] {
            if (p256_shared_secret(all[i], Stock::p256(peer)).value() != expected)
                FAIL_CHECK(hex(all[i]));
        });
    }
}

TEST_CASE("P-256: signatures as mbedTLS's arithmetic makes them, and one changed bit") {
    if (!p256_runs_here()) return;
    Stock stock;
    Random random(3);
    for (int i = 0; i < 100; ++i) {
        const P256Number key = random_number(random), hash = random_number(random),
                         nonce = random_number(random);
        Number r, s;
        stock.sign(Number(key), Number(hash), Number(nonce), r, s);
        const P256Point point = stock.public_key(key);
        with_each_variant([&] {
            const auto signature = p256_sign(key, hash, nonce).value();
            CHECK(signature.r == r.bytes());
            CHECK(signature.s == s.bytes());
            CHECK(p256_verify(point, hash, signature));
            P256Point other_key = point;
            P256Number other_hash = hash;
            P256Signature other = signature;
            std::uint8_t* const all[] = {other_key.x.data(), other_key.y.data(), other_hash.data(),
                                         other.r.data(), other.s.data()};
            const std::uint64_t bit = random.below(5 * 256);
            all[bit / 256][bit / 8 % 32] ^= static_cast<std::uint8_t>(1U << (bit % 8));
            CHECK_FALSE(p256_verify(other_key, other_hash, other));
        });
    }
}

TEST_CASE("P-256: secrets out of range and points off the curve are refused") {
    if (!p256_runs_here()) return;
    const P256Point generator =
        p256_public_key(number("0000000000000000000000000000000000000000000000000000000000000001"))
            .value();
    const P256Number good =
        number("0000000000000000000000000000000000000000000000000000000000000002");
    for (const char* bad : {"0000000000000000000000000000000000000000000000000000000000000000",
                            "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
                            "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632552",
                            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"}) {
        CAPTURE(bad);
        CHECK_FALSE(p256_public_key(number(bad)));
        CHECK_FALSE(p256_shared_secret(number(bad), generator));
        CHECK_FALSE(p256_sign(number(bad), good, good));
        CHECK_FALSE(p256_sign(good, good, number(bad)));
    }
    for (const EcdsaCase& each : ecdsa_cases) {
        const bool off = each.name == "not on the curve" || each.name == "infinity" ||
                         each.name == "x above p" || each.name == "x = p for 0" ||
                         each.name == "coordinates exchanged";
        CAPTURE(each.name);
        CHECK(p256_shared_secret(good, {number(each.x), number(each.y)}).has_value() != off);
    }
}

TEST_CASE(
    "mbedTLS signs deterministically through the hook, and its key exchange agrees with ours") {
    initialise_library();
    Stock stock;
    const Number key(number("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"));
    const std::string_view message = "sample";
    P256Number hash;
    REQUIRE(mbedtls_sha256(as_bytes(message).data(), message.size(), hash.data(), 0) == 0);
    Number r, s;
    REQUIRE(mbedtls_ecdsa_sign_det_ext(stock.group.get(), r.get(), s.get(), key.get(), hash.data(),
                                       hash.size(), MBEDTLS_MD_SHA256, random_bytes, nullptr) == 0);
    CHECK(hex(r.bytes()) == "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716");
    CHECK(hex(s.bytes()) == "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8");

    psa_key_attributes_t attributes = PSA_KEY_ATTRIBUTES_INIT;
    psa_set_key_usage_flags(&attributes, PSA_KEY_USAGE_DERIVE | PSA_KEY_USAGE_EXPORT);
    psa_set_key_algorithm(&attributes, PSA_ALG_ECDH);
    psa_set_key_type(&attributes, PSA_KEY_TYPE_ECC_KEY_PAIR(PSA_ECC_FAMILY_SECP_R1));
    psa_set_key_bits(&attributes, 256);
    psa_key_id_t id = 0;
    REQUIRE(psa_generate_key(&attributes, &id) == PSA_SUCCESS);
    P256Number secret;
    std::array<std::uint8_t, 65> own, peer = {4};
    std::size_t size = 0;
    REQUIRE(psa_export_key(id, secret.data(), secret.size(), &size) == PSA_SUCCESS);
    REQUIRE(psa_export_public_key(id, own.data(), own.size(), &size) == PSA_SUCCESS);
    const P256Point expected = stock.public_key(secret);
    CHECK(std::equal(expected.x.begin(), expected.x.end(), own.begin() + 1));
    CHECK(std::equal(expected.y.begin(), expected.y.end(), own.begin() + 33));

    const P256Point point = stock.public_key(
        number("7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534"));
    std::ranges::copy(point.y, std::ranges::copy(point.x, peer.begin() + 1).out);
    P256Number shared;
    REQUIRE(psa_raw_key_agreement(PSA_ALG_ECDH, id, peer.data(), peer.size(), shared.data(),
                                  shared.size(), &size) == PSA_SUCCESS);
    Point base, product;
    stock.multiply(base,
                   Number(number("7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc"
                                 "1a534")),
                   stock.group->G);
    stock.multiply(product, Number(secret), *base.get());
    CHECK(shared == Stock::p256(product).x);
    peer[64] ^= 1;
    CHECK(psa_raw_key_agreement(PSA_ALG_ECDH, id, peer.data(), peer.size(), shared.data(),
                                shared.size(), &size) == PSA_ERROR_INVALID_ARGUMENT);
    CHECK(psa_destroy_key(id) == PSA_SUCCESS);
}

TEST_CASE("ECDSA over another curve is verified without the assembler") {
    Stock stock(MBEDTLS_ECP_DP_SECP384R1);
    const Number key(as_bytes("some key")), nonce(as_bytes("some nonce"));
    const std::string_view hash = "a hash of 48 bytes that nothing was hashed to...";
    Number r, s;
    stock.sign(key, Number(as_bytes(hash)), nonce, r, s);
    Point point;
    stock.multiply(point, key, stock.group->G);
    const auto verify = [&](std::string_view text) {
        return mbedtls_ecdsa_verify(stock.group.get(), as_bytes(text).data(), text.size(),
                                    point.get(), r.get(), s.get());
    };
    CHECK(verify(hash) == 0);
    CHECK(verify("a hash of 48 bytes that nothing was hashed to..!") ==
          MBEDTLS_ERR_ECP_VERIFY_FAILED);
    CHECK(mbedtls_mpi_lset(r.get(), 0) == 0);
    CHECK(verify(hash) == MBEDTLS_ERR_ECP_VERIFY_FAILED);
}

TEST_CASE("SHA-256: mbedTLS's blocks by the assembler, against our own") {
    Random random(4);
    std::string text;
    for (std::size_t size = 0; size < 400; ++size) {
        text.push_back(static_cast<char>(random.next() >> 32));
        Sha256 own;
        own.add(as_bytes(text));
        const std::string expected = own.digest();
        with_each_variant([&] {
            P256Number hash;
            REQUIRE(mbedtls_sha256(as_bytes(text).data(), text.size(), hash.data(), 0) == 0);
            CHECK(as_text(hash) == expected);
        });
    }
}
