// What h2_session, h2_streams and h2_callbacks share of nghttp2.
#pragma once

#include <nghttp2/nghttp2.h>

#include "http/h2_connection.h"

namespace hawser::http {

int submit_trailers(nghttp2_session* session, StreamId id, const Headers& headers);
// Our round trip after a first GOAWAY: its answer says that the peer has seen it (RFC 9113 §6.8).
inline constexpr std::uint8_t goaway_ping[8] = {'h', 'a', 'w', 's', 'e', 'r', 'g', 'o'};

} // namespace hawser::http
