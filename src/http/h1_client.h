// One HTTP/1.1 request to a local application: what a health check sends. Hides llhttp.
#pragma once

#include <chrono>
#include <string>

#include "base/ip.h"
#include "base/result.h"
#include "io/loop.h"

namespace hawser::http {

struct H1Request {
    Endpoint endpoint;
    std::string method = "GET";
    std::string host; // Host header
    std::string path = "/";
    std::chrono::milliseconds timeout{2000}; // for all of it
    std::size_t max_body = 4096;             // the rest is not read
};
struct H1Answer {
    int status = 0;
    std::string body; // at most max_body
};
[[nodiscard]] io::Task<Result<H1Answer>> request_h1(H1Request request);

} // namespace hawser::http
