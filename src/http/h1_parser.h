// One HTTP/1 message from the bytes of a connection: what hawser's own small endpoints and checks
// need. Hides llhttp, with no lenient flag set: what is ambiguous is an error, and a connection
// that had an error is not used again. Bounded in every part. One thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "http/h2_connection.h"

namespace hawser::http {

struct H1Message {
    std::string method; // requests
    std::string target;
    int status = 0;   // responses
    Headers headers;  // names in lower case
    std::string body; // at most the limit
    bool body_cut = false;
    bool keep_alive = false;
};

class H1Parser {
  public:
    enum class Kind { request, response };
    struct Limits {
        std::size_t head_bytes = 16 << 10; // request line or status line, and headers
        std::size_t body_bytes = 4096;     // kept; what follows is counted, not kept
    };

    H1Parser(Kind kind, Limits limits);
    ~H1Parser();
    H1Parser(const H1Parser&) = delete;
    H1Parser& operator=(const H1Parser&) = delete;

    // The next message may be another's body that a request gave no sign of: call expect_no_body()
    // before the answer to HEAD.
    void expect_no_body();
    // Takes bytes up to the end of the message; returns how many. A failure says what is wrong:
    // resource_exhausted for a head over the limit, else invalid.
    [[nodiscard]] Result<std::size_t> feed(ByteView bytes);
    // The peer sends no more: some responses end so. Fails if the message is not whole.
    [[nodiscard]] Result<void> finish();
    [[nodiscard]] bool complete() const;
    [[nodiscard]] bool begun() const; // a byte of the message was taken
    // The complete message; the parser then expects the next.
    [[nodiscard]] H1Message take();
    [[nodiscard]] const H1Message& message() const;

  private:
    struct Machine;
    std::unique_ptr<Machine> machine_;
};

} // namespace hawser::http
