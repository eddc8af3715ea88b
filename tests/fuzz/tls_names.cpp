// The input is the value of a certificate's subjectAltName. An identity is found only in a list of
// exactly one URI that is, byte for byte, how that identity is written.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "model/identity.h"
#include "tls/certificate_form.h"
#include "tls/der_writer.h"
#include "tls/library.h"
#include "tls/peer_verification.h"

namespace {

using namespace hawser;
using namespace hawser::tls::test;
using namespace std::string_view_literals;

// A P-256 key: the curve's base point.
constexpr auto point =
    "\x00\x04\x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40\xf2\x77\x03\x7d\x81\x2d"
    "\xeb"
    "\x33\xa0\xf4\xa1\x39\x45\xd8\x98\xc2\x96\x4f\xe3\x42\xe2\xfe\x1a\x7f\x9b\x8e\xe7\xeb\x4a\x7c"
    "\x0f"
    "\x9e\x16\x2b\xce\x33\x57\x6b\x31\x5e\xce\xcb\xb6\x40\x68\x37\xbf\x51\xf5"sv;

std::string certificate_with(std::string_view names) {
    const std::string algorithm = der_sequence({der_oid("\x2a\x86\x48\xce\x3d\x04\x03\x02")});
    const std::string name =
        der_sequence({der(0x31, der_sequence({der_oid("\x55\x04\x03"), der(0x0c, "n")}))});
    const std::string key =
        der_sequence({der_sequence({der_oid("\x2a\x86\x48\xce\x3d\x02\x01"),
                                    der_oid("\x2a\x86\x48\xce\x3d\x03\x01\x07")}),
                      der(0x03, point)});
    const std::string validity =
        der_sequence({der(0x17, "200101000000Z"), der(0x17, "400101000000Z")});
    const std::string extensions =
        der(0xa3, der_sequence({der_extension(id_alternative_names, names)}));
    const std::string body = der_sequence({"\xa0\x03\x02\x01\x02"sv, "\x02\x01\x01"sv, algorithm,
                                           name, validity, name, key, extensions});
    return der_sequence({body, algorithm, "\x03\x09\x00\x30\x06\x02\x01\x01\x02\x01\x01"sv});
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view names(reinterpret_cast<const char*>(data), size);
    if (const auto identity = model::Identity::parse(names);
        identity && identity->to_uri() != names)
        std::abort();

    tls::initialise_library();
    tls::CrtHandle certificate;
    const std::string der = certificate_with(names);
    if (mbedtls_x509_crt_parse_der(certificate.get(), as_bytes(der).data(), der.size()) != 0)
        return 0;
    const auto identity = tls::leaf_identity(*certificate.get());
    if (!identity || tls::check_certificate_form(as_bytes(der))) return 0;
    if (der_sequence({der_uri(identity->to_uri())}) != names) std::abort();
    return 0;
}
