// What two agents say to each other on a tunnel: HTTP/2 CONNECT with the destination as
// ":authority: <service>:<port of the instance>". Built and read in one place; pure.
//
// Accepted: 200. Refused: 403 (policy), 404 (no such instance here), 503/504 with
// "x-hawser-reason: <flag> <phrase>". A stream that is cut later says why in its RST_STREAM's code.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/h2_connection.h"
#include "traffic/flags.h"

namespace hawser::proxy {

// How much longer than the connect timeout the caller waits: the other agent applies the timeout
// itself, and its answer needs a way back.
inline constexpr std::chrono::milliseconds answer_margin{1000};

// A refused stream is ended in order by both sides; after so long, it is cut.
inline constexpr std::chrono::milliseconds refusal_wait{5000};

struct ConnectTarget {
    std::string service;
    std::uint16_t port = 0;
};

[[nodiscard]] http::Headers connect_request(std::string_view service, std::uint16_t port);
// Refuses anything that is not such a request, with the reason.
[[nodiscard]] Result<ConnectTarget> parse_connect_request(const http::Headers& headers);

struct ConnectAnswer {
    bool accepted = false;
    traffic::Flag flag = traffic::Flag::none;
    std::string detail;
};
[[nodiscard]] http::Headers connect_accepted();
[[nodiscard]] http::Headers connect_refused(traffic::Flag flag, std::string_view phrase);
// No answer: the stream ended with `ended` before it, or, without that, the time ran out.
[[nodiscard]] ConnectAnswer parse_connect_answer(const std::optional<http::Headers>& answer,
                                                 std::optional<http::H2Code> ended = {});

// Why an agent cuts an accepted stream, as RST_STREAM tells it: CANCEL, or for what the other side
// wants to know, a code of ours (others take those for an internal error, RFC 9113 §7).
[[nodiscard]] http::H2Code cut_code(traffic::Flag flag);
// none: the code says nothing.
[[nodiscard]] traffic::Flag flag_of_cut(http::H2Code code);

} // namespace hawser::proxy
