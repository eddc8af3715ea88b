// nghttp2's callbacks, and what each means for the session. Never enters nghttp2's send or receive.
#include "http/h2_callbacks.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "http/h2_session.h"

namespace hawser::http {
namespace {

// RST_STREAM a peer may send (server side): a mesh's short connections end with it too, but at a
// rate that still bounds "rapid reset".
constexpr std::uint64_t reset_burst = 2000;
constexpr std::uint64_t resets_per_second = 1000;
// A frame the peer got wrong costs it as much as this many frames that carry nothing.
constexpr std::int64_t invalid_frame_tokens = 16;
constexpr std::size_t reason_length = 200;
constexpr std::size_t head_length = 9; // of a frame, RFC 9113 §4.1

std::string_view text(const std::uint8_t* bytes, std::size_t length) {
    return {reinterpret_cast<const char*>(bytes), length};
}

bool carries_nothing(const nghttp2_frame_hd& head) {
    return head.type != NGHTTP2_DATA ||
           (head.length == 0 && (head.flags & NGHTTP2_FLAG_END_STREAM) == 0);
}

} // namespace

struct H2Session::Callbacks {
    static H2Session& self(void* user_data) { return *static_cast<H2Session*>(user_data); }
    // After close_all() nghttp2 is left as soon as it can be.
    static int go_on(const H2Session& session) {
        return session.stopped_ ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
    }

    static int begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* user_data) {
        H2Session& session = self(user_data);
        if (carries_nothing(*head)) session.spend(1);
        return go_on(session);
    }

    static int begin_headers(nghttp2_session*, const nghttp2_frame*, void* user_data) {
        H2Session& session = self(user_data);
        session.incoming_.clear();
        session.incoming_bytes_ = 0;
        return go_on(session);
    }

    static int header(nghttp2_session* nghttp2, const nghttp2_frame* frame,
                      const std::uint8_t* name, std::size_t name_length, const std::uint8_t* value,
                      std::size_t value_length, std::uint8_t, void* user_data) {
        H2Session& session = self(user_data);
        if (session.add_header(text(name, name_length), text(value, value_length))) return 0;
        nghttp2_submit_rst_stream(nghttp2, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                  NGHTTP2_ENHANCE_YOUR_CALM);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }

    static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
        H2Session& session = self(user_data);
        const StreamId id = frame->hd.stream_id;
        const bool ack = (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
        switch (frame->hd.type) {
            case NGHTTP2_HEADERS:
                if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
                    session.request_received(id);
                else
                    session.headers_received(id);
                [[fallthrough]];
            case NGHTTP2_DATA:
                if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) session.end_received(id);
                break;
            case NGHTTP2_SETTINGS:
                if (!ack) session.settings_received_ = true;
                break;
            case NGHTTP2_GOAWAY: session.goaway_received(frame->goaway); break;
            case NGHTTP2_PING:
                if (ack && std::memcmp(frame->ping.opaque_data, goaway_ping, 8) == 0 &&
                    session.goaway_unconfirmed())
                    session.finish_goaway();
                break;
            default: break;
        }
        return go_on(session);
    }

    static int data_chunk(nghttp2_session*, std::uint8_t, std::int32_t id,
                          const std::uint8_t* bytes, std::size_t length, void* user_data) {
        H2Session& session = self(user_data);
        session.data_received(id, {bytes, length});
        return go_on(session);
    }

    static int stream_close(nghttp2_session*, std::int32_t id, std::uint32_t code,
                            void* user_data) {
        H2Session& session = self(user_data);
        session.stream_closed(id, code);
        return go_on(session);
    }

    static int invalid_frame(nghttp2_session*, const nghttp2_frame*, int error, void* user_data) {
        H2Session& session = self(user_data);
        if (session.reason_.empty()) session.reason_ = nghttp2_strerror(error);
        session.spend(invalid_frame_tokens);
        return go_on(session);
    }

    static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
        if (frame->hd.type == NGHTTP2_GOAWAY) self(user_data).goaway_sent(frame->goaway);
        return 0;
    }

    static int complaint(nghttp2_session*, int, const char* message, std::size_t length,
                         void* user_data) {
        self(user_data).reason_.assign(message, std::min(length, reason_length));
        return 0;
    }

    static nghttp2_ssize take_data(nghttp2_session* nghttp2, std::int32_t id, std::uint8_t*,
                                   std::size_t length, std::uint32_t* flags, nghttp2_data_source*,
                                   void* user_data) {
        Stream* stream = self(user_data).streams_.find(id);
        if (stream == nullptr || stream->reset) return NGHTTP2_ERR_DEFERRED; // RST_STREAM follows
        const std::size_t count = std::min(length, stream->send.size());
        if (count == 0 && !stream->finishing) {
            stream->deferred = true;
            return NGHTTP2_ERR_DEFERRED;
        }
        *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
        if (stream->finishing && count == stream->send.size()) {
            *flags |= NGHTTP2_DATA_FLAG_EOF;
            if (stream->trailers) {
                *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
                submit_trailers(nghttp2, id, *stream->trailers);
            }
        }
        return static_cast<nghttp2_ssize>(count);
    }

    // Frames that with their head fill one TLS record, or what is left of the staging memory.
    static nghttp2_ssize read_length(nghttp2_session*, std::uint8_t, std::int32_t,
                                     std::int32_t session_window, std::int32_t stream_window,
                                     std::uint32_t max_frame_size, void* user_data) {
        constexpr std::size_t worth_a_frame = 1024;
        const Staging* staging = self(user_data).staging_;
        std::size_t length = h2_frame_room - head_length;
        if (staging != nullptr && staging->room() >= head_length + worth_a_frame)
            length = std::min(length, staging->room() - head_length);
        const std::int32_t window = std::min(session_window, stream_window);
        return static_cast<nghttp2_ssize>(
            std::min<std::size_t>({length, static_cast<std::size_t>(window), max_frame_size}));
    }

    // A DATA frame, straight from the stream's buffer to where it is encrypted.
    static int send_data(nghttp2_session*, nghttp2_frame* frame, const std::uint8_t* head,
                         std::size_t length, nghttp2_data_source*, void* user_data) {
        H2Session& session = self(user_data);
        Staging& staging = *session.staging_;
        if (staging.room() < head_length + length) {
            session.staging_full_ = true;
            return NGHTTP2_ERR_WOULDBLOCK;
        }
        Stream* stream = session.streams_.find(frame->hd.stream_id);
        // Reset since the frame was planned: nghttp2 drops it.
        if (stream == nullptr || stream->reset) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        staging.append({head, head_length});
        stream->send.take(length, staging.memory.data() + staging.size);
        staging.size += length;
        session.budget_.earn(2); // the peer answers DATA with WINDOW_UPDATE
        if (stream->full && stream->send.size() <= session.options_.stream_send_buffer / 2)
            session.queue_event(*stream);
        return 0;
    }

    static nghttp2_session_callbacks* make() {
        nghttp2_session_callbacks* callbacks = nullptr;
        if (nghttp2_session_callbacks_new(&callbacks) != 0) throw std::bad_alloc();
        nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, begin_frame);
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, header);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frame_received);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data_chunk);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_close);
        nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, invalid_frame);
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, frame_sent);
        nghttp2_session_callbacks_set_error_callback2(callbacks, complaint);
        nghttp2_session_callbacks_set_data_source_read_length_callback2(callbacks, read_length);
        nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
        return callbacks;
    }
};

nghttp2_data_provider2 H2Session::data_provider() {
    return {.source = {.ptr = nullptr}, .read_callback = Callbacks::take_data};
}

namespace {

nghttp2_option* make_option() {
    nghttp2_option* option = nullptr;
    if (nghttp2_option_new(&option) != 0) throw std::bad_alloc();
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1); // priority trees of the dead
    nghttp2_option_set_stream_reset_rate_limit(option, reset_burst, resets_per_second);
    return option;
}

} // namespace

auto H2Session::make_session(const H2Options& options, H2Session* self)
    -> std::unique_ptr<nghttp2_session, SessionDeleter> {
    // Made once: nghttp2 copies both into each session.
    static nghttp2_session_callbacks* const callbacks = Callbacks::make();
    static nghttp2_option* const option = make_option();
    nghttp2_session* session = nullptr;
    const int error = options.server
                          ? nghttp2_session_server_new2(&session, callbacks, self, option)
                          : nghttp2_session_client_new2(&session, callbacks, self, option);
    if (error != 0) throw std::bad_alloc(); // the only way it fails
    return std::unique_ptr<nghttp2_session, SessionDeleter>(session);
}

bool H2Session::add_header(std::string_view name, std::string_view value) {
    constexpr std::size_t entry_overhead = 32; // RFC 9113 §6.5.2
    incoming_bytes_ += name.size() + value.size() + entry_overhead;
    if (incoming_.size() == limits::headers_per_message) return false;
    if (incoming_bytes_ > limits::header_list_bytes) return false;
    incoming_.emplace_back(name, value);
    return true;
}

void H2Session::request_received(StreamId id) {
    ++streams_begun_;
    streams_.insert(id); // before the call: the handler may respond from inside it
    budget_.earn(FrameBudget::per_stream);
    StreamHandler* handler =
        handler_ == nullptr ? nullptr : handler_->on_request(id, std::exchange(incoming_, {}));
    Stream* stream = streams_.find(id);
    if (stream == nullptr) return;
    if (handler == nullptr) return detach(id, H2Code::refused_stream);
    stream->handler = handler;
}

void H2Session::headers_received(StreamId id) {
    const Stream* stream = streams_.find(id);
    if (stream == nullptr || stream->reset || stream->handler == nullptr) return;
    const bool informational = find_header(incoming_, ":status").starts_with('1');
    if (!informational) stream->handler->on_headers(std::exchange(incoming_, {}));
}

void H2Session::data_received(StreamId id, ByteView data) {
    Stream* stream = streams_.find(id);
    if (stream == nullptr || stream->reset || stream->handler == nullptr)
        return give_back(data.size());
    stream->unconsumed += data.size();
    stream->handler->on_data(data);
}

void H2Session::give_back(std::size_t count) {
    nghttp2_session_consume_connection(session_.get(), count);
    if (nghttp2_session_want_write(session_.get()) != 0) outlet_.request_flush();
}

void H2Session::end_received(StreamId id) {
    Stream* stream = streams_.find(id);
    if (stream == nullptr || stream->reset || stream->handler == nullptr) return;
    stream->end_received = true;
    stream->handler->on_end();
}

void H2Session::stream_closed(StreamId id, std::uint32_t code) {
    const Stream* stream = streams_.find(id);
    if (stream == nullptr) return;
    StreamHandler* handler = stream->handler;
    H2Code reported = static_cast<H2Code>(code);
    if (stream->reset)
        reported = stream->reset_code;
    else if (reported == H2Code::no_error && !stream->end_received)
        reported = H2Code::cancel; // RST_STREAM(NO_ERROR) before the end is no end
    drop(id);
    if (handler != nullptr) handler->on_closed(reported);
}

void H2Session::goaway_received(const nghttp2_goaway& frame) {
    if (frame.error_code != NGHTTP2_NO_ERROR)
        peer_error_ =
            Error{.code = ErrorCode::unavailable,
                  .message = std::string("HTTP/2: the peer gave up: ") +
                             nghttp2_http2_strerror(frame.error_code) + " " +
                             std::string(text(frame.opaque_data,
                                              std::min(frame.opaque_data_len, reason_length)))};
    begin_closing(true);
}

// What it says about the peer's mistake is the best reason we have.
void H2Session::goaway_sent(const nghttp2_goaway& frame) {
    if (frame.error_code == NGHTTP2_NO_ERROR) return;
    terminating_ = true;
    if (frame.opaque_data_len > 0)
        reason_ = text(frame.opaque_data, std::min(frame.opaque_data_len, reason_length));
}

} // namespace hawser::http
