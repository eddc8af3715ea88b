// What a daemon tells of its certificates, and from when on it is time to worry about one: for
// `hawser cert list` and `hawser check`, which both daemons answer alike.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "model/proto/trust.pb.h"

namespace hawser::rpc {

// An authority lasts long, and replacing one takes its time.
inline constexpr WallTime intermediate_margin =
    std::chrono::milliseconds(std::chrono::days(30)).count();
inline constexpr WallTime root_margin = std::chrono::milliseconds(std::chrono::days(365)).count();

// A leaf is renewed at half of its life, or earlier: with less than a quarter left, that has failed
// for a while.
[[nodiscard]] constexpr WallTime leaf_margin(WallTime issued, WallTime not_after) {
    return not_after > issued ? (not_after - issued) / 4 : 0;
}

// "valid", "expires_soon" with no more than `soon` left, "expired", "missing" if there is none.
[[nodiscard]] std::string_view expiry_state(WallTime not_after, WallTime soon, WallTime now);

// A leaf, of which the caller sets identity, kind, issue, end, renewal and error.
void judge_leaf(v1::CertificateInfo& leaf, WallTime now);
// The authorities (DER): `roots`, then `intermediates`. What can't be read is left out.
void add_authorities(v1::CertificatesResponse& response, const std::vector<std::string>& roots,
                     const std::vector<std::string>& intermediates, WallTime now);

} // namespace hawser::rpc
