#include "tls/libcrypto.h"

#ifdef __x86_64__

namespace hawser::tls {
namespace {

// What OpenSSL's own start-up code would put into its variable: bits of CPUID that its assembler
// looks at. The compiler's answers take into account what the operating system allows.
std::array<std::uint32_t, 10> describe_processor() {
    __builtin_cpu_init();
    const auto bit = [](int supported, unsigned index) {
        return supported != 0 ? 1U << index : 0U;
    };
    std::array<std::uint32_t, 10> words{};
    words[1] = bit(__builtin_cpu_supports("ssse3"), 9);
    words[2] = bit(__builtin_cpu_supports("bmi"), 3) | bit(__builtin_cpu_supports("avx2"), 5) |
               bit(__builtin_cpu_supports("bmi2"), 8) | bit(__builtin_cpu_supports("adx"), 19);
    if (__builtin_cpu_supports("sse4.1")) words[2] |= bit(__builtin_cpu_supports("sha"), 29);
    return words;
}

} // namespace

extern "C" {
std::array<std::uint32_t, 10> OPENSSL_ia32cap_P = describe_processor();
}

} // namespace hawser::tls

#endif
