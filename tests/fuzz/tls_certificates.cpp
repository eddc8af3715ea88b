// A peer's chain as it comes: each certificate after its length (2 bytes), the last one being the
// root that is trusted. Whoever is accepted must be what the rules of tls/peer_verification.h say.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"
#include "tls/certificate_form.h"
#include "tls/library.h"
#include "tls/peer_verification.h"
#include "tls/x509.h"

namespace {

using namespace hawser;
using namespace hawser::tls;

std::vector<ByteView> split(ByteView bytes) {
    std::vector<ByteView> parts;
    while (bytes.size() > 2 && parts.size() < 8) {
        const std::size_t length = static_cast<std::size_t>(bytes[0]) << 8 | bytes[1];
        bytes = bytes.subspan(2);
        parts.push_back(bytes.first(std::min(length, bytes.size())));
        bytes = bytes.subspan(parts.back().size());
    }
    return parts;
}

void check_accepted(const PeerCertificate& peer, const mbedtls_x509_crt& leaf, Role role) {
    const auto uri = model::Identity::parse(peer.identity.to_uri());
    if (!uri || *uri != peer.identity || uri->trust_domain != "hawser.local") std::abort();
    if (leaf.MBEDTLS_PRIVATE(ca_istrue) != 0 || !is_p256(leaf.pk)) std::abort();
    if (check_leaf_usage(leaf, role)) std::abort();
    if (peer.chain_der.size() > limits::certificate_chain) std::abort();
    for (const std::string& der : peer.chain_der)
        if (check_certificate_form(as_bytes(der))) std::abort();
}

void verify(mbedtls_x509_crt& chain, mbedtls_x509_crt& root, Role role) {
    PeerVerification verification({.trust_domain = "hawser.local", .peer_role = role});
    const auto follow = [](void* self, mbedtls_x509_crt* each, int depth, std::uint32_t* flags) {
        static_cast<PeerVerification*>(self)->see(*each, depth, *flags);
        return 0;
    };
    std::uint32_t flags = 0;
    const int error = mbedtls_x509_crt_verify_with_profile(
        &chain, &root, nullptr, &certificate_profile, nullptr, &flags, follow, &verification);
    const bool accepted = verification.peer().has_value();
    if (accepted == verification.refusal().has_value() && error == 0) std::abort();
    if (accepted) check_accepted(*verification.peer(), chain, role);
    if (verification.refusal() && verification.refusal()->reason.empty()) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    initialise_library();
    const std::vector<ByteView> parts = split({data, size});
    for (const ByteView part : parts) (void)describe_certificate(part);
    if (parts.size() < 2) return 0;
    CrtHandle chain, root;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i)
        if (mbedtls_x509_crt_parse_der(chain.get(), parts[i].data(), parts[i].size()) != 0)
            return 0;
    if (mbedtls_x509_crt_parse_der(root.get(), parts.back().data(), parts.back().size()) != 0)
        return 0;
    for (const Role role : {Role::client, Role::server}) verify(*chain.get(), *root.get(), role);
    return 0;
}
