#include "http/h2_session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "http/h2_callbacks.h"

namespace hawser::http {
namespace {

// Frames waiting to be sent that are not DATA: answers of ours plus a few per stream. A peer that
// reads never lets it come near.
constexpr std::size_t queued_frames = 4096;

} // namespace

void Staging::append(ByteView bytes) {
    std::memcpy(memory.data() + size, bytes.data(), bytes.size());
    size += bytes.size();
}

H2Session::H2Session(const H2Options& options, ConnectionHandler* handler, Outlet& outlet)
    : options_(options),
      handler_(handler),
      outlet_(outlet),
      session_(make_session(options, this)) {}

H2Session::~H2Session() = default;

void H2Session::SessionDeleter::operator()(nghttp2_session* session) const {
    nghttp2_session_del(session);
}

Result<void> H2Session::start() {
    std::array<nghttp2_settings_entry, 5> settings;
    std::size_t count = 0;
    const auto set = [&](std::int32_t id, std::uint32_t value) { settings[count++] = {id, value}; };
    set(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<std::uint32_t>(options_.stream_window));
    set(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits::header_list_bytes);
    if (options_.server) {
        set(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options_.max_concurrent_streams);
        if (options_.extended_connect) set(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1);
    } else {
        set(NGHTTP2_SETTINGS_ENABLE_PUSH, 0);
    }
    int error = nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, settings.data(), count);
    if (error == 0)
        error = nghttp2_session_set_local_window_size(session_.get(), NGHTTP2_FLAG_NONE, 0,
                                                      options_.session_window);
    if (error != 0)
        return fail(ErrorCode::internal,
                    std::string("HTTP/2 settings: ") + nghttp2_strerror(error));
    return {};
}

Result<void> H2Session::receive(ByteView data, FrameBudget::Time now) {
    if (stopped_) return {};
    now_ = now;
    const auto taken = nghttp2_session_mem_recv2(session_.get(), data.data(), data.size());
    if (stopped_ || taken >= 0) return {};
    if (taken == NGHTTP2_ERR_BAD_CLIENT_MAGIC)
        return fail(ErrorCode::invalid, "the peer does not speak HTTP/2");
    if (taken == NGHTTP2_ERR_FLOODED)
        return fail(ErrorCode::resource_exhausted,
                    "the peer floods the connection and does not read the answers");
    return fail(ErrorCode::invalid,
                std::string("HTTP/2: ") + nghttp2_strerror(static_cast<int>(taken)));
}

Result<bool> H2Session::fill(Staging& staging) {
    if (stopped_) return false;
    if (!held_.empty()) {
        if (held_.size() > staging.room()) return true;
        staging.append(std::exchange(held_, {}));
    }
    staging_ = &staging;
    while (true) {
        staging_full_ = false;
        const std::uint8_t* bytes = nullptr;
        const auto count = nghttp2_session_mem_send2(session_.get(), &bytes);
        if (stopped_) return false;
        if (count < 0)
            return fail(ErrorCode::internal,
                        std::string("HTTP/2: ") + nghttp2_strerror(static_cast<int>(count)));
        if (count == 0) break;
        const ByteView frame(bytes, static_cast<std::size_t>(count));
        if (frame.size() > staging.room()) {
            held_ = frame; // stays valid until the next mem_send2
            staging_full_ = true;
            break;
        }
        staging.append(frame);
    }
    staging_ = nullptr;
    return staging_full_;
}

bool H2Session::has_output() const {
    return !held_.empty() || nghttp2_session_want_write(session_.get()) != 0;
}

void H2Session::queue_event(Stream& stream) {
    if (stream.event_queued) return;
    stream.event_queued = true;
    events_.push_back(stream.id);
}

void H2Session::deliver_events() {
    // Swapped, not iterated: handlers queue new events, which the next flush delivers.
    delivering_.swap(events_);
    for (const StreamId id : delivering_) {
        if (stopped_) break;
        deliver_event(id);
    }
    delivering_.clear();
    if (std::exchange(exhausted_, false)) begin_closing(true);
    if (!events_.empty() && !stopped_) outlet_.request_flush();
}

void H2Session::deliver_event(StreamId id) {
    Stream* stream = streams_.find(id);
    if (stream == nullptr) return;
    stream->event_queued = false;
    StreamHandler* handler = stream->handler;
    if (stream->reset) {
        const H2Code code = stream->reset_code;
        drop(id);
        if (handler != nullptr) handler->on_closed(code);
    } else if (stream->full && stream->send.size() <= options_.stream_send_buffer / 2) {
        stream->full = false;
        if (handler != nullptr && !stream->finishing) handler->on_writable();
    }
}

// Forgets a stream and gives the connection's window back what its handler never consumed.
void H2Session::drop(StreamId id) {
    const auto stream = streams_.remove(id);
    if (stream != nullptr && stream->unconsumed > 0) give_back(stream->unconsumed);
}

void H2Session::close_all(H2Code code) {
    if (stopped_) return;
    stopped_ = true;
    closing_ = true;
    handler_ = nullptr;
    for (const StreamId id : streams_.ids()) {
        const auto stream = streams_.remove(id);
        if (stream == nullptr || stream->handler == nullptr) continue;
        stream->handler->on_closed(stream->reset ? stream->reset_code : code);
    }
}

void H2Session::ping() {
    if (stopped_) return;
    nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, nullptr);
    outlet_.request_flush();
}

void H2Session::goaway() {
    if (stopped_ || goaway_ != Goaway::none) return;
    begin_closing(false);
    if (!options_.server) return finish_goaway();
    // A request may be on its way already: announce first, and name the last stream we serve only
    // when the peer has answered, so that nothing is refused that was sent in good faith.
    goaway_ = Goaway::announced;
    nghttp2_submit_shutdown_notice(session_.get());
    nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, goaway_ping);
    outlet_.request_flush();
}

void H2Session::finish_goaway() {
    if (stopped_ || goaway_ == Goaway::sent) return;
    goaway_ = Goaway::sent;
    nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(session_.get()), NGHTTP2_NO_ERROR,
                          nullptr, 0);
    outlet_.request_flush();
}

void H2Session::begin_closing(bool tell) {
    if (std::exchange(closing_, true)) return;
    if (tell && handler_ != nullptr) handler_->on_goaway();
}

bool H2Session::drained() const {
    return closing_ && streams_.size() == 0 && goaway_ != Goaway::announced && !has_output();
}

bool H2Session::terminated() const {
    return terminating_ && !has_output();
}

bool H2Session::flooded() const {
    return nghttp2_session_get_outbound_queue_size(session_.get()) >
           queued_frames + 4 * streams_.size();
}

Error H2Session::failure() const {
    if (flooding_)
        return {.code = ErrorCode::resource_exhausted,
                .message = "HTTP/2: the peer floods the connection with frames that carry nothing"};
    return {.code = ErrorCode::invalid,
            .message = reason_.empty() ? "HTTP/2: protocol error" : "HTTP/2: " + reason_};
}

void H2Session::spend(std::int64_t tokens) {
    if (flooding_ || budget_.spend(now_, tokens)) return;
    flooding_ = true;
    nghttp2_session_terminate_session(session_.get(), NGHTTP2_ENHANCE_YOUR_CALM);
}

} // namespace hawser::http
