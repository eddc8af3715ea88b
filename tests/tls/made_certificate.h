// A certificate factory that makes anything: every part of a certificate or request as given, right
// or wrong, signed by a key of ours.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tls/der_writer.h"
#include "tls/test_pki.h"

namespace hawser::tls::test {

struct MadeExtension {
    std::string id, value; // content of the OBJECT IDENTIFIER and of the OCTET STRING
    bool critical = false;
};

struct CertificateForm {
    std::string version = der(0xa0, std::string_view("\x02\x01\x02", 3)); // v3
    std::string serial = "\x11\x22";                                      // of the INTEGER
    std::string issuer = "intermediate", subject = "leaf"; // common names; empty: no name at all
    WallTime not_before = now() - hour, not_after = now() + day;
    std::string key_pem;        // the subject's
    std::string public_key_der; // empty: of key_pem
    std::string algorithm = der_sequence({der_oid("\x2a\x86\x48\xce\x3d\x04\x03\x02")});
    std::vector<MadeExtension> extensions;

    [[nodiscard]] MadeExtension& extension(std::string_view id);
    void drop(std::string_view id);
    void set_names(std::initializer_list<std::string_view> names); // DER of each GeneralName
    void set_uses(std::initializer_list<std::string_view> oids);
};

[[nodiscard]] CertificateForm good_leaf(const std::string& uri);
[[nodiscard]] CertificateForm good_authority(const std::string& name, const std::string& issuer,
                                             int path_length);

[[nodiscard]] std::string write_certificate(const CertificateForm& form,
                                            const std::string& issuer_key_pem);

struct RequestForm {
    std::string key_pem;        // signs
    std::string public_key_der; // empty: of key_pem
    std::string algorithm = der_sequence({der_oid("\x2a\x86\x48\xce\x3d\x04\x03\x02")});
    std::vector<MadeExtension> extensions;
    std::string more_attributes; // DER, behind the one with the extensions
};
[[nodiscard]] RequestForm good_request(const std::string& uri);
[[nodiscard]] std::string write_request(const RequestForm& form);

// ECDSA over SHA-256, as X.509 and TLS encode it.
[[nodiscard]] std::string sign_with(const std::string& key_pem, std::string_view text);

} // namespace hawser::tls::test
