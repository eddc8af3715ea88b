// gRPC's framing from any bytes: how they are cut must not matter; statuses and timeouts from any
// text read back as written.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/limits.h"
#include "rpc/framing.h"

using namespace hawser;

namespace {

std::vector<std::string> parse(ByteView bytes, std::size_t step, bool& failed) {
    rpc::MessageParser parser;
    std::vector<std::string> messages;
    failed = false;
    while (!bytes.empty() && !failed) {
        const ByteView part = bytes.first(std::min(step, bytes.size()));
        failed = !parser.feed(part);
        while (!parser.empty()) messages.push_back(parser.take());
        bytes = bytes.subspan(part.size());
    }
    return messages;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView bytes(data, size);
    bool whole_failed = false, cut_failed = false;
    const auto whole = parse(bytes, size + 1, whole_failed);
    const auto cut = parse(bytes, 1, cut_failed);
    if (whole != cut || whole_failed != cut_failed) std::abort();

    const std::string text(as_text(bytes.first(std::min<std::size_t>(size, 300))));
    const auto status = rpc::parse_status(rpc::status_trailers(fail(ErrorCode::aborted, text)));
    if (!status || status->has_value() || status->error().message != text) std::abort();
    const http::Headers odd{{"grpc-status", text}, {"grpc-message", text}};
    static_cast<void>(rpc::parse_status(odd));
    if (const auto timeout = rpc::parse_timeout(text)) {
        if (timeout->count() < 0 || *timeout > std::chrono::hours(1)) std::abort();
        if (timeout->count() > 0 && rpc::parse_timeout(rpc::format_timeout(*timeout)) != *timeout)
            std::abort();
    }
    return 0;
}
