// HAWSER_CHECK: for what only a bug in hawser can make false. It aborts with a message.
// Never for anything a peer, a file or a user can cause: that is a Result.
#pragma once

namespace hawser {

[[noreturn]] void check_failed(const char* expression, const char* file, int line);

} // namespace hawser

#define HAWSER_CHECK(expression)                                     \
    do {                                                             \
        if (!(expression)) [[unlikely]]                              \
            ::hawser::check_failed(#expression, __FILE__, __LINE__); \
    } while (false)
