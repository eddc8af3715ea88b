#include "base/result.h"

#include <doctest/doctest.h>

#include <cerrno>

using namespace hawser;

TEST_CASE("an error tells the steps that led to it") {
    const Result<int> opened = fail_errno(ENOENT, "opening /x");
    CHECK(opened.error().message == "opening /x: No such file or directory");
    CHECK(opened.error().code == ErrorCode::not_found);
    const Result<int> loaded = fail(opened.error(), "loading the configuration");
    CHECK(loaded.error().message ==
          "loading the configuration: opening /x: No such file or directory");
    CHECK(loaded.error().code == ErrorCode::not_found);
}

TEST_CASE("errno becomes the code that callers act on") {
    const std::pair<int, ErrorCode> cases[] = {
        {ECONNREFUSED, ErrorCode::unavailable}, {ETIMEDOUT, ErrorCode::deadline_exceeded},
        {EACCES, ErrorCode::permission_denied}, {EMFILE, ErrorCode::resource_exhausted},
        {EEXIST, ErrorCode::already_exists},    {EIO, ErrorCode::internal},
    };
    for (const auto& [number, code] : cases) {
        const Result<void> result = fail_errno(number, "step");
        CHECK(result.error().code == code);
    }
}
