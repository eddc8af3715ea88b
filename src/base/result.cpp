#include "base/result.h"

#include <cerrno>
#include <cstring>

namespace hawser {

std::unexpected<Error> fail_errno(int error_number, std::string_view step) {
    ErrorCode code = ErrorCode::internal;
    switch (error_number) {
        case ENOENT: code = ErrorCode::not_found; break;
        case EACCES:
        case EPERM: code = ErrorCode::permission_denied; break;
        case EEXIST: code = ErrorCode::already_exists; break;
        case ECONNREFUSED:
        case ECONNRESET:
        case EHOSTUNREACH:
        case ENETUNREACH:
        case EPIPE: code = ErrorCode::unavailable; break;
        case ETIMEDOUT: code = ErrorCode::deadline_exceeded; break;
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case ENOSPC:
        case EDQUOT:
        case EFBIG: code = ErrorCode::resource_exhausted; break;
        case EINVAL: code = ErrorCode::invalid; break;
        case ECANCELED: code = ErrorCode::cancelled; break;
        default: break;
    }
    char buffer[128];
    // GNU strerror_r: returns the text, which may or may not be in the buffer; thread-safe.
    const char* text = ::strerror_r(error_number, buffer, sizeof buffer);
    std::string message(step);
    message.append(": ").append(text);
    return fail(code, std::move(message));
}

std::string_view to_string(ErrorCode code) {
    switch (code) {
        case ErrorCode::cancelled: return "cancelled";
        case ErrorCode::unknown: return "unknown error";
        case ErrorCode::invalid: return "invalid";
        case ErrorCode::deadline_exceeded: return "timed out";
        case ErrorCode::not_found: return "not found";
        case ErrorCode::already_exists: return "already exists";
        case ErrorCode::permission_denied: return "permission denied";
        case ErrorCode::resource_exhausted: return "limit reached";
        case ErrorCode::failed_precondition: return "not possible in this state";
        case ErrorCode::aborted: return "aborted";
        case ErrorCode::out_of_range: return "out of range";
        case ErrorCode::unimplemented: return "not implemented by the other side";
        case ErrorCode::internal: return "internal error";
        case ErrorCode::unavailable: return "unavailable";
        case ErrorCode::corrupt: return "corrupt data";
        case ErrorCode::unauthenticated: return "not authenticated";
    }
    return "unknown error";
}

} // namespace hawser
