// A small HTTP/1.1 server for read-only local endpoints (metrics, readiness): GET and HEAD only,
// keep-alive, bounded headers, deadlines. Hides llhttp. Not the data plane.
#pragma once

#include <functional>
#include <string>

#include "base/ip.h"
#include "base/result.h"
#include "io/loop.h"
#include "io/socket.h"

namespace hawser::http {

struct H1Response {
    int status = 200;
    std::string content_type = "text/plain; charset=utf-8";
    std::string body;
};
using H1Handler = std::function<io::Task<H1Response>(std::string path)>;

// Serves until cancelled. At most limits::metrics_connections at once.
[[nodiscard]] io::Task<void> serve_h1(io::Acceptor acceptor, H1Handler handler);

} // namespace hawser::http
