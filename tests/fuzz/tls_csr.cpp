// Certificate requests: refused, or of a P-256 key that an issued certificate may carry.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/bytes.h"
#include "tls/certificate_form.h"
#include "tls/x509.h"

using namespace hawser;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView der(data, size);
    const bool well_formed = !tls::check_request_form(der);
    const auto csr = tls::parse_csr(der);
    if (!csr) return 0;
    if (!well_formed || csr->public_key_der.size() != 91) std::abort();
    if (csr->identity) {
        const auto again = model::Identity::parse(csr->identity->to_uri());
        if (!again || *again != *csr->identity) std::abort();
    }
    return 0;
}
