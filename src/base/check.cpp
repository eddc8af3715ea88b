#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace hawser {

void check_failed(const char* expression, const char* file, int line) {
    std::fprintf(stderr, "hawser: bug: %s is false at %s:%d\n", expression, file, line);
    std::abort();
}

} // namespace hawser
