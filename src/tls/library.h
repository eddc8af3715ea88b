// What every file of this room needs of mbedTLS: its one-time set-up, its randomness, its error
// texts, and its C structures as values that free themselves.
#pragma once

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>
#include <mbedtls/x509_csr.h>

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/units.h"

namespace hawser::tls {

// Sets the library up once for the process; cheap afterwards. Any thread.
void initialise_library();

// mbedTLS's callback for random bytes: from the kernel, so any thread and no state. Never fails.
int random_bytes(void* context, unsigned char* output, std::size_t length);

// "X509 - The date tag or value is invalid : ASN1 - Out of data …", without the code.
[[nodiscard]] std::string library_error(int code);

// A C structure of mbedTLS with its init and free functions.
template <typename T, void (*init)(T*), void (*release)(T*)>
class Handle {
  public:
    Handle() { init(&value_); }
    ~Handle() { release(&value_); }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

    T* get() { return &value_; }
    const T* get() const { return &value_; }
    T* operator->() { return &value_; }
    const T* operator->() const { return &value_; }

  private:
    T value_;
};
// A certificate, or a list of them linked by `next`.
using CrtHandle = Handle<mbedtls_x509_crt, mbedtls_x509_crt_init, mbedtls_x509_crt_free>;
using CsrHandle = Handle<mbedtls_x509_csr, mbedtls_x509_csr_init, mbedtls_x509_csr_free>;
using PkHandle = Handle<mbedtls_pk_context, mbedtls_pk_init, mbedtls_pk_free>;

[[nodiscard]] inline std::string_view text_of(const mbedtls_x509_buf& buffer) {
    return {reinterpret_cast<const char*>(buffer.p), buffer.len};
}
[[nodiscard]] inline ByteView bytes_of(const mbedtls_x509_buf& buffer) {
    return {buffer.p, buffer.len};
}
[[nodiscard]] WallTime to_wall_time(const mbedtls_x509_time& time);
[[nodiscard]] WallTime now();

[[nodiscard]] bool is_p256(const mbedtls_pk_context& key);
[[nodiscard]] Result<void> parse_private_key(std::string_view pem, mbedtls_pk_context* into);

} // namespace hawser::tls
