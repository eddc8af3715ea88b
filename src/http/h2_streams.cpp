// The streams of a session as their producers and consumers see them. Nothing here enters
// nghttp2's send or receive: it queues, and asks for a flush.
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <utility>

#include "http/h2_callbacks.h"
#include "http/h2_session.h"

namespace hawser::http {
namespace {

// A client gives up a connection before its stream ids run out.
constexpr std::uint32_t last_stream_id = 0x7fff'0000;

// What a message received within its limit may grow by on its way through.
constexpr std::size_t headers_sent = limits::headers_per_message + 28;

// Headers as nghttp2 wants them: views, which it copies.
class NameValues {
  public:
    explicit NameValues(const Headers& headers) {
        for (const auto& [name, value] : headers) {
            if (count_ == values_.size()) break;
            // Secrets stay out of the peer's compression tables (RFC 7541 §7.1).
            const bool secret = name == "authorization" || name == "cookie";
            const auto flags = secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
            values_[count_++] = {bytes(name), bytes(value), name.size(), value.size(),
                                 static_cast<std::uint8_t>(flags)};
        }
    }
    [[nodiscard]] const nghttp2_nv* data() const { return values_.data(); }
    [[nodiscard]] std::size_t size() const { return count_; }

  private:
    // nghttp2's struct is not const-correct; it does not write.
    static std::uint8_t* bytes(const std::string& text) {
        return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
    }
    std::array<nghttp2_nv, headers_sent> values_;
    std::size_t count_ = 0;
};

} // namespace

std::string_view find_header(const Headers& headers, std::string_view name) {
    for (const auto& [key, value] : headers)
        if (key == name) return value;
    return {};
}

int submit_trailers(nghttp2_session* session, StreamId id, const Headers& headers) {
    const NameValues values(headers);
    return nghttp2_submit_trailer(session, id, values.data(), values.size());
}

bool H2Session::can_open() const {
    if (options_.server || closing_ || !settings_received_) return false;
    const std::uint32_t limit = nghttp2_session_get_remote_settings(
        session_.get(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    return streams_.size() < limit;
}

Result<StreamId> H2Session::open(const Headers& headers, StreamHandler* handler, bool end) {
    if (!can_open()) {
        if (closing_ || options_.server || !settings_received_)
            return fail(ErrorCode::unavailable, "the connection takes no new streams");
        return fail(ErrorCode::resource_exhausted, "the peer's limit of streams is reached");
    }
    if (headers.size() > headers_sent) return fail(ErrorCode::invalid, "too many headers to send");
    const NameValues values(headers);
    const nghttp2_data_provider2 provider = data_provider();
    const StreamId id = nghttp2_submit_request2(session_.get(), nullptr, values.data(),
                                                values.size(), end ? nullptr : &provider, nullptr);
    if (id < 0) return fail(ErrorCode::unavailable, nghttp2_strerror(id));
    ++streams_begun_;
    budget_.earn(FrameBudget::per_stream); // the peer answers it with HEADERS
    Stream& stream = streams_.insert(id);
    stream.handler = handler;
    stream.responding = true;
    stream.finishing = end;
    exhausted_ = nghttp2_session_get_next_stream_id(session_.get()) > last_stream_id;
    outlet_.request_flush();
    return id;
}

void H2Session::respond(StreamId id, const Headers& headers, bool end) {
    Stream* stream = streams_.find(id);
    if (stopped_ || stream == nullptr || stream->reset || stream->responding) return;
    if (headers.size() > headers_sent) return reset(id, H2Code::internal_error);
    const NameValues values(headers);
    const nghttp2_data_provider2 provider = data_provider();
    stream->responding = true;
    if (end) {
        stream->finishing = true;
        stream->send.clear();
    }
    nghttp2_submit_response2(session_.get(), id, values.data(), values.size(),
                             end ? nullptr : &provider);
    outlet_.request_flush();
}

H2Session::Stream* H2Session::sendable(StreamId id) const {
    Stream* stream = streams_.find(id);
    if (stream == nullptr || stopped_ || stream->finishing || stream->reset) return nullptr;
    return stream;
}

std::size_t H2Session::writable_bytes(StreamId id) const {
    const Stream* stream = sendable(id);
    return stream == nullptr ? 0 : options_.stream_send_buffer - stream->send.size();
}

std::size_t H2Session::write(StreamId id, ByteView data) {
    Stream* stream = sendable(id);
    if (stream == nullptr) return 0;
    const std::size_t room = options_.stream_send_buffer - stream->send.size();
    const ByteView taken = data.first(std::min(data.size(), room));
    if (taken.empty()) return 0;
    stream->send.append(taken);
    data_added(*stream);
    return taken.size();
}

std::span<std::uint8_t> H2Session::write_buffer(StreamId id, std::size_t wanted) {
    Stream* stream = sendable(id);
    if (stream == nullptr) return {};
    const std::size_t room = options_.stream_send_buffer - stream->send.size();
    if (room == 0 || wanted == 0) return {};
    return stream->send.room(std::min(room, wanted));
}

void H2Session::commit(StreamId id, std::size_t count) {
    Stream* stream = sendable(id);
    if (stream == nullptr || count == 0) return;
    stream->send.commit(count);
    data_added(*stream);
}

void H2Session::data_added(Stream& stream) {
    if (stream.send.size() >= options_.stream_send_buffer) stream.full = true;
    resume(stream);
}

// Tells nghttp2, when it waits for this stream, that there is something to send.
void H2Session::resume(Stream& stream) {
    if (!stream.deferred) return;
    stream.deferred = false;
    nghttp2_session_resume_data(session_.get(), stream.id);
    outlet_.request_flush();
}

void H2Session::finish(StreamId id, const Headers* trailers) {
    Stream* stream = sendable(id);
    if (stream == nullptr) return;
    stream->finishing = true;
    if (trailers != nullptr) stream->trailers = *trailers;
    resume(*stream);
}

void H2Session::reset(StreamId id, H2Code code) {
    Stream* stream = streams_.find(id);
    if (stopped_ || stream == nullptr || stream->reset) return;
    stream->reset = true;
    stream->reset_code = code;
    stream->send.clear();
    submit_reset(id, code);
    queue_event(*stream);
}

void H2Session::detach(StreamId id, H2Code code) {
    const Stream* stream = streams_.find(id);
    if (stream == nullptr) return;
    // Also while close_all() tells the others: this one's handler may be gone by its turn.
    if (stopped_) {
        streams_.remove(id);
        return;
    }
    if (!stream->reset) submit_reset(id, code);
    drop(id);
}

void H2Session::submit_reset(StreamId id, H2Code code) {
    nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id,
                              static_cast<std::uint32_t>(code));
    outlet_.request_flush();
}

void H2Session::consume(StreamId id, std::size_t count) {
    Stream* stream = streams_.find(id);
    if (stopped_ || stream == nullptr) return; // its credit went back when it ended
    count = std::min(count, stream->unconsumed);
    stream->unconsumed -= count;
    if (stream->end_received || stream->reset)
        nghttp2_session_consume_connection(session_.get(), count);
    else
        nghttp2_session_consume(session_.get(), id, count);
    if (nghttp2_session_want_write(session_.get()) != 0) outlet_.request_flush();
}

} // namespace hawser::http
