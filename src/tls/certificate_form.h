// The form of certificates and requests, where mbedTLS is more generous than RFC 5280: it reads BER
// lengths, takes any serial number and a repeated extension it does not know, and passes over name
// constraints. Pure; any bytes may be given.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"

namespace hawser::tls {

// What is wrong with it, as the end of "peer certificate: "; nothing: it is well formed. Says
// nothing about what mbedTLS does read, such as key, names and validity.
[[nodiscard]] std::optional<std::string> check_certificate_form(ByteView der);

// Of a PKCS#10 request: its form, and that it asks for nothing but names and usages.
[[nodiscard]] std::optional<std::string> check_request_form(ByteView der);

} // namespace hawser::tls
