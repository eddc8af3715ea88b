// Result<T>: how every room reports failure.
//
// Outcomes a caller is expected to act on (denied, not leader, no route) are return types of
// their own; Result is for failures. A library's error code never leaves its room: it becomes an
// Error here, and each level on the way up adds the step that failed with context().
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace hawser {

// The kind of a failure, as coarse as callers need to tell apart. The values equal gRPC's status
// codes, so that they travel unchanged in `grpc-status`.
enum class ErrorCode : std::uint8_t {
    cancelled = 1,
    unknown = 2,
    invalid = 3,           // the input is wrong, whatever the state
    deadline_exceeded = 4, // a bounded wait ran out
    not_found = 5,
    already_exists = 6,
    permission_denied = 7,   // known caller, not allowed
    resource_exhausted = 8,  // a limit was reached
    failed_precondition = 9, // right input, wrong state
    aborted = 10,            // lost a race (compare-and-set), try again
    out_of_range = 11,
    unimplemented = 12,
    internal = 13,
    unavailable = 14,     // the peer or the leader is not there now; try again
    corrupt = 15,         // stored or received data fails its check
    unauthenticated = 16, // caller unknown
};

struct Error {
    ErrorCode code = ErrorCode::unknown;
    std::string message;

    // Puts the step that failed in front: error.context("opening /x") → "opening /x: no such file".
    [[nodiscard]] Error context(std::string_view step) && {
        std::string text;
        text.reserve(step.size() + 2 + message.size());
        text.append(step).append(": ").append(message);
        return Error{.code = code, .message = std::move(text)};
    }
    [[nodiscard]] Error context(std::string_view step) const& { return Error(*this).context(step); }
};

template <typename T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
    return std::unexpected(Error{.code = code, .message = std::move(message)});
}

// Passes a failure on with the step that failed added.
[[nodiscard]] inline std::unexpected<Error> fail(Error error, std::string_view step) {
    return std::unexpected(std::move(error).context(step));
}
[[nodiscard]] inline std::unexpected<Error> fail(Error error) {
    return std::unexpected(std::move(error));
}

// From errno: "step: No such file or directory".
[[nodiscard]] std::unexpected<Error> fail_errno(int error_number, std::string_view step);

// "permission denied", "not found" …: for logs and the CLI.
[[nodiscard]] std::string_view to_string(ErrorCode code);

} // namespace hawser
