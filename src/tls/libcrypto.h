// The functions of OpenSSL's libcrypto.a that are used: its assembler for P-256 and SHA-256, of
// which each is a file of its own there and needs nothing but a description of the processor. The
// library's interface to them would make the program 6 MB larger, and read a configuration file.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace hawser::tls {

using Words = std::array<std::uint64_t, 4>; // the least first
struct Jacobian {
    Words x, y, z; // (x/z², y/z³); z = 0: infinity
};
struct Affine {
    Words x, y; // both 0: infinity
};

extern "C" {
// What it may use of the processor; libcrypto.cpp has it.
extern std::array<std::uint32_t, 10> OPENSSL_ia32cap_P;

void sha256_block_data_order(std::uint32_t state[8], const std::uint8_t* blocks, std::size_t count);

// P-256: ecp_nistz256-x86_64.pl. Numbers are in Montgomery form and reduced; results may be in the
// place of operands; all take the same time whatever they are given, unless a point is added that
// is infinity, equal or opposite. Modulo p, the field's prime.
void ecp_nistz256_to_mont(Words& result, const Words& a);
void ecp_nistz256_from_mont(Words& result, const Words& a);
void ecp_nistz256_mul_mont(Words& result, const Words& a, const Words& b);
void ecp_nistz256_sqr_mont(Words& result, const Words& a);
void ecp_nistz256_add(Words& result, const Words& a, const Words& b);
void ecp_nistz256_sub(Words& result, const Words& a, const Words& b);
void ecp_nistz256_neg(Words& result, const Words& a);
// Modulo n, the order of the group.
void ecp_nistz256_ord_mul_mont(Words& result, const Words& a, const Words& b);
void ecp_nistz256_ord_sqr_mont(Words& result, const Words& a, std::uint64_t times);
// Complete, but that adding an affine point to itself is not allowed.
void ecp_nistz256_point_double(Jacobian& result, const Jacobian& a);
void ecp_nistz256_point_add(Jacobian& result, const Jacobian& a, const Jacobian& b);
void ecp_nistz256_point_add_affine(Jacobian& result, const Jacobian& a, const Affine& b);
// Tables of a point's multiples, 1 to 16 and 1 to 64; the 0th is infinity. They are read whole,
// whichever multiple is asked for.
void ecp_nistz256_scatter_w5(Jacobian* table, const Jacobian& a, int index);
void ecp_nistz256_gather_w5(Jacobian& result, const Jacobian* table, int index);
void ecp_nistz256_gather_w7(Affine& result, const Affine* table, int index);
// Of the generator times 2^7i.
extern const Affine ecp_nistz256_precomputed[37][64];
}

} // namespace hawser::tls
