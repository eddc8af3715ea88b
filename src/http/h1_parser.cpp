#include "http/h1_parser.h"

#include <llhttp.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/limits.h"

namespace hawser::http {

struct H1Parser::Machine {
    llhttp_t parser;
    llhttp_settings_t settings;
    Limits limits;
    H1Message message;
    std::string name, value;
    std::size_t head_bytes = 0;
    bool no_body = false, begun = false, complete = false, too_long = false;

    static Machine& of(llhttp_t* parser) { return *static_cast<Machine*>(parser->data); }

    int count(std::size_t length) {
        head_bytes += length;
        too_long =
            head_bytes > limits.head_bytes || message.headers.size() >= limits::headers_per_message;
        return too_long ? -1 : 0;
    }
    int add(std::string& part, const char* at, std::size_t length) {
        if (count(length) != 0) return -1;
        part.append(at, length);
        return 0;
    }

    // Members of the message, as llhttp finds them.
    static int on_begin(llhttp_t* p) {
        of(p).begun = true;
        return 0;
    }
    static int on_method(llhttp_t* p, const char* at, std::size_t length) {
        return of(p).add(of(p).message.method, at, length);
    }
    static int on_url(llhttp_t* p, const char* at, std::size_t length) {
        return of(p).add(of(p).message.target, at, length);
    }
    static int on_status(llhttp_t* p, const char*, std::size_t length) {
        return of(p).count(length);
    }
    static int on_name(llhttp_t* p, const char* at, std::size_t length) {
        return of(p).add(of(p).name, at, length);
    }
    static int on_value(llhttp_t* p, const char* at, std::size_t length) {
        return of(p).add(of(p).value, at, length);
    }
    static int on_value_complete(llhttp_t* p) {
        Machine& self = of(p);
        std::ranges::transform(self.name, self.name.begin(), [](char c) {
            return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        });
        // Trailers are of no use here; they only count.
        if ((p->flags & F_TRAILING) == 0)
            self.message.headers.emplace_back(std::move(self.name), std::move(self.value));
        self.name.clear();
        self.value.clear();
        return 0;
    }
    static int on_headers_complete(llhttp_t* p) {
        of(p).message.status = p->status_code;
        return of(p).no_body ? 1 : 0;
    }
    static int on_body(llhttp_t* p, const char* at, std::size_t length) {
        Machine& self = of(p);
        std::string& body = self.message.body;
        const std::size_t kept = std::min(length, self.limits.body_bytes - body.size());
        body.append(at, kept);
        if (kept < length) self.message.body_cut = true;
        return 0;
    }
    static int on_complete(llhttp_t* p) {
        of(p).complete = true;
        of(p).message.keep_alive = llhttp_should_keep_alive(p) != 0;
        return HPE_PAUSED; // what follows is the next message's
    }

    Machine(Kind kind, Limits the_limits) : limits(the_limits) {
        llhttp_settings_init(&settings);
        settings.on_message_begin = on_begin;
        settings.on_method = on_method;
        settings.on_url = on_url;
        settings.on_status = on_status;
        settings.on_header_field = on_name;
        settings.on_header_value = on_value;
        settings.on_header_value_complete = on_value_complete;
        settings.on_headers_complete = on_headers_complete;
        settings.on_body = on_body;
        settings.on_message_complete = on_complete;
        llhttp_init(&parser, kind == Kind::request ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
        parser.data = this;
    }

    [[nodiscard]] std::unexpected<Error> failure() const {
        if (too_long) return fail(ErrorCode::resource_exhausted, "the head is over the limit");
        const char* reason = llhttp_get_error_reason(&parser);
        std::string text = "malformed HTTP";
        if (reason != nullptr && *reason != '\0') text.append(": ").append(reason);
        return fail(ErrorCode::invalid, std::move(text));
    }
};

H1Parser::H1Parser(Kind kind, Limits limits) : machine_(std::make_unique<Machine>(kind, limits)) {}
H1Parser::~H1Parser() = default;

void H1Parser::expect_no_body() {
    machine_->no_body = true;
}

Result<std::size_t> H1Parser::feed(ByteView bytes) {
    if (machine_->complete) return 0;
    const std::string_view text = as_text(bytes);
    const llhttp_errno_t error = llhttp_execute(&machine_->parser, text.data(), text.size());
    if (machine_->complete && error == HPE_PAUSED) {
        const char* position = llhttp_get_error_pos(&machine_->parser);
        return static_cast<std::size_t>(position - text.data());
    }
    if (error == HPE_PAUSED_UPGRADE)
        return fail(ErrorCode::invalid, "the peer switches to another protocol");
    if (error != HPE_OK) return machine_->failure();
    return bytes.size();
}

Result<void> H1Parser::finish() {
    if (machine_->complete) return {};
    if (!machine_->begun) return fail(ErrorCode::unavailable, "the peer closed the connection");
    const llhttp_errno_t error = llhttp_finish(&machine_->parser);
    if (machine_->complete && (error == HPE_OK || error == HPE_PAUSED)) return {};
    return fail(ErrorCode::unavailable, "the peer closed the connection within a message");
}

bool H1Parser::complete() const {
    return machine_->complete;
}
bool H1Parser::begun() const {
    return machine_->begun;
}
const H1Message& H1Parser::message() const {
    return machine_->message;
}

H1Message H1Parser::take() {
    machine_->complete = machine_->begun = false;
    machine_->head_bytes = 0;
    llhttp_resume(&machine_->parser);
    return std::exchange(machine_->message, {});
}

} // namespace hawser::http
