// HTTP/1 from any bytes, as a request and as a response: how the bytes are cut must not matter, and
// every bound must hold.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "http/h1_parser.h"

using hawser::http::H1Message;
using hawser::http::H1Parser;

namespace {

constexpr H1Parser::Limits limits{.head_bytes = 2048, .body_bytes = 512};

struct Outcome {
    std::vector<H1Message> messages;
    bool failed = false;
};

Outcome parse(H1Parser::Kind kind, hawser::ByteView bytes, std::size_t step) {
    H1Parser parser(kind, limits);
    Outcome outcome;
    while (!bytes.empty() && !outcome.failed) {
        hawser::ByteView part = bytes.first(std::min(step, bytes.size()));
        bytes = bytes.subspan(part.size());
        while (!part.empty() && !outcome.failed) {
            const auto taken = parser.feed(part);
            if (!taken || *taken > part.size()) {
                if (taken) std::abort();
                outcome.failed = true;
                break;
            }
            part = part.subspan(*taken);
            if (parser.complete())
                outcome.messages.push_back(parser.take());
            else if (!part.empty())
                std::abort(); // stopped early for nothing
        }
    }
    return outcome;
}

void check(const H1Message& message) {
    std::size_t head = 0;
    for (const auto& [name, value] : message.headers) head += name.size() + value.size();
    if (head > limits.head_bytes || message.body.size() > limits.body_bytes) std::abort();
}

void check(H1Parser::Kind kind, hawser::ByteView bytes) {
    const Outcome whole = parse(kind, bytes, bytes.size() + 1);
    const Outcome cut = parse(kind, bytes, 1);
    if (whole.messages.size() != cut.messages.size() || whole.failed != cut.failed) std::abort();
    for (std::size_t i = 0; i < whole.messages.size(); ++i) {
        const H1Message &a = whole.messages[i], &b = cut.messages[i];
        if (a.method != b.method || a.target != b.target || a.status != b.status ||
            a.headers != b.headers || a.body != b.body || a.keep_alive != b.keep_alive)
            std::abort();
        check(a);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    check(H1Parser::Kind::request, {data, size});
    check(H1Parser::Kind::response, {data, size});
    return 0;
}
