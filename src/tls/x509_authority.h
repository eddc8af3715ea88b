// What makes a certificate one that an authority may sign with, in this mesh.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "base/units.h"

namespace hawser::tls {

struct AuthorityFacts {
    std::string subject;
    std::string public_key_der;
    WallTime not_before = 0;
    WallTime not_after = 0;
    std::optional<int> path_length; // how many authorities may follow it; none: any number
    bool self_issued = false;
};
// Refuses, with the reason, one that says of itself that it may not sign certificates, and one of
// another kind than peers accept: ECDSA P-256 and SHA-256.
[[nodiscard]] Result<AuthorityFacts> describe_authority(ByteView der);

} // namespace hawser::tls
