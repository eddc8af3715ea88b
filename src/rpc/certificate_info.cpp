#include "rpc/certificate_info.h"

#include "base/bytes.h"
#include "tls/x509.h"

namespace hawser::rpc {
namespace {

void add_all(v1::CertificatesResponse& response, const std::vector<std::string>& ders,
             std::string_view kind, WallTime margin, WallTime now) {
    for (const std::string& der : ders) {
        const auto authority = tls::describe_certificate(as_bytes(der));
        if (!authority) continue;
        v1::CertificateInfo& info = *response.add_certificates();
        info.set_identity(authority->subject);
        info.set_kind(std::string(kind));
        info.set_issued_at_ms(authority->not_before);
        info.set_not_after_ms(authority->not_after);
        info.set_soon_ms(margin);
        info.set_state(std::string(expiry_state(authority->not_after, margin, now)));
    }
}

} // namespace

std::string_view expiry_state(WallTime not_after, WallTime soon, WallTime now) {
    if (not_after == 0) return "missing";
    if (not_after <= now) return "expired";
    return not_after - now <= soon ? "expires_soon" : "valid";
}

void judge_leaf(v1::CertificateInfo& leaf, WallTime now) {
    leaf.set_soon_ms(leaf_margin(leaf.issued_at_ms(), leaf.not_after_ms()));
    leaf.set_state(std::string(expiry_state(leaf.not_after_ms(), leaf.soon_ms(), now)));
}

void add_authorities(v1::CertificatesResponse& response, const std::vector<std::string>& roots,
                     const std::vector<std::string>& intermediates, WallTime now) {
    add_all(response, roots, "root", root_margin, now);
    add_all(response, intermediates, "intermediate", intermediate_margin, now);
}

} // namespace hawser::rpc
