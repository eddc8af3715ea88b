// HTTP/2 without a socket: bytes of the peer in, events to the handlers, frames for the peer out.
// The one place that knows nghttp2; what happens on the wire and when is h2_transport's business.
//
// Handlers are called from inside receive() and fill(), where nghttp2 may not be entered again,
// and may call any method below: those only queue work and ask the outlet for a flush. What
// follows from a method (on_writable, on_closed after reset) is delivered by deliver_events().
// One thread.
#pragma once

#include <nghttp2/nghttp2.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "http/frame_budget.h"
#include "http/h2_connection.h"
#include "http/send_buffer.h"
#include "http/stream_table.h"

namespace hawser::http {

// Where frames are put together before they are encrypted or sent.
struct Staging {
    std::span<std::uint8_t> memory; // at least h2_frame_room
    std::size_t size = 0;

    [[nodiscard]] std::size_t room() const { return memory.size() - size; }
    void append(ByteView bytes);
};
// The largest frame we make: with its head it fills one TLS record.
inline constexpr std::size_t h2_frame_room = 16 << 10;

class H2Session {
  public:
    class Outlet {
      public:
        virtual void request_flush() = 0; // there are frames to send or events to deliver

      protected:
        ~Outlet() = default;
    };

    H2Session(const H2Options& options, ConnectionHandler* handler, Outlet& outlet);
    ~H2Session();
    H2Session(const H2Session&) = delete;
    H2Session& operator=(const H2Session&) = delete;

    [[nodiscard]] Result<void> start(); // queues our SETTINGS
    // Fails when the peer broke the protocol so badly that not even a GOAWAY makes sense.
    [[nodiscard]] Result<void> receive(ByteView data, FrameBudget::Time now);
    // Appends frames. true: there are more, but no room for the next one.
    [[nodiscard]] Result<bool> fill(Staging& staging);
    [[nodiscard]] bool has_output() const;
    void deliver_events();
    [[nodiscard]] bool events_due() const { return !events_.empty() && !stopped_; }
    // The connection is gone: every stream ends, no handler is called after it.
    void close_all(H2Code code);

    [[nodiscard]] Result<StreamId> open(const Headers& headers, StreamHandler* handler, bool end);
    [[nodiscard]] bool can_open() const;
    [[nodiscard]] std::size_t open_streams() const { return streams_.size(); }
    [[nodiscard]] std::uint64_t streams_begun() const { return streams_begun_; }
    void respond(StreamId id, const Headers& headers, bool end);
    [[nodiscard]] std::size_t writable_bytes(StreamId id) const;
    std::size_t write(StreamId id, ByteView data);
    [[nodiscard]] std::span<std::uint8_t> write_buffer(StreamId id, std::size_t wanted);
    void commit(StreamId id, std::size_t count);
    void finish(StreamId id, const Headers* trailers);
    void reset(StreamId id, H2Code code);
    void consume(StreamId id, std::size_t count);
    void detach(StreamId id, H2Code code);

    void ping();
    void goaway();
    // The peer had its time to learn of the goaway: refuse what it still opens.
    void finish_goaway();
    [[nodiscard]] bool goaway_unconfirmed() const { return goaway_ == Goaway::announced; }

    [[nodiscard]] bool settings_received() const { return settings_received_; }
    [[nodiscard]] bool closing() const { return closing_; }
    // No streams, nothing left to say, and no more streams to come.
    [[nodiscard]] bool drained() const;
    // A protocol error was answered with GOAWAY: when that is sent, nothing more will come.
    [[nodiscard]] bool terminated() const;
    // The peer makes us answer and does not read the answers.
    [[nodiscard]] bool flooded() const;
    [[nodiscard]] Error failure() const; // why terminated
    // The peer's GOAWAY accused us of something.
    [[nodiscard]] const std::optional<Error>& peer_error() const { return peer_error_; }

  private:
    struct Stream {
        StreamId id = 0;
        StreamHandler* handler = nullptr;
        SendBuffer send;
        std::size_t unconsumed = 0;      // received, not yet given back
        std::optional<Headers> trailers; // to send after the data
        H2Code reset_code = H2Code::no_error;
        bool responding = false; // the data provider is with nghttp2
        bool deferred = false;   // it was asked and had nothing
        bool finishing = false;  // END_STREAM follows the buffered data
        bool end_received = false;
        bool full = false;  // the producer waits for on_writable
        bool reset = false; // by us: on_closed is due, and nothing else
        bool event_queued = false;
    };
    enum class Goaway : std::uint8_t { none, announced, sent };

    struct Callbacks; // nghttp2's, in h2_callbacks.cpp
    friend struct Callbacks;
    struct SessionDeleter {
        void operator()(nghttp2_session* session) const;
    };
    static std::unique_ptr<nghttp2_session, SessionDeleter> make_session(const H2Options& options,
                                                                         H2Session* self);

    static nghttp2_data_provider2 data_provider(); // takes a stream's bytes; same for all
    [[nodiscard]] Stream* sendable(StreamId id) const;
    void data_added(Stream& stream);
    void resume(Stream& stream);
    void submit_reset(StreamId id, H2Code code);
    void queue_event(Stream& stream);
    void deliver_event(StreamId id);
    void give_back(std::size_t count);
    void drop(StreamId id);
    void begin_closing(bool tell);
    void spend(std::int64_t tokens);

    // Events from the callbacks (h2_callbacks.cpp).
    [[nodiscard]] bool add_header(std::string_view name, std::string_view value);
    void request_received(StreamId id);
    void headers_received(StreamId id);
    void data_received(StreamId id, ByteView data);
    void end_received(StreamId id);
    void stream_closed(StreamId id, std::uint32_t code);
    void goaway_received(const nghttp2_goaway& frame);
    void goaway_sent(const nghttp2_goaway& frame);

    H2Options options_;
    ConnectionHandler* handler_;
    Outlet& outlet_;
    std::unique_ptr<nghttp2_session, SessionDeleter> session_;
    StreamTable<Stream> streams_;
    std::uint64_t streams_begun_ = 0;

    Headers incoming_; // of the header block being received; blocks never interleave
    std::size_t incoming_bytes_ = 0;
    Staging* staging_ = nullptr; // during fill()
    bool staging_full_ = false;
    ByteView held_; // a frame that did not fit; nghttp2's memory
    std::vector<StreamId> events_;
    std::vector<StreamId> delivering_;
    FrameBudget budget_;
    FrameBudget::Time now_{};
    std::string reason_; // the last complaint of nghttp2, for failure()
    std::optional<Error> peer_error_;
    bool terminating_ = false; // our GOAWAY with an error was sent
    bool flooding_ = false;    // the budget ran out
    bool exhausted_ = false;   // stream ids run out: the next deliver_events() says goaway
    Goaway goaway_ = Goaway::none;
    bool settings_received_ = false;
    bool closing_ = false;
    bool stopped_ = false; // close_all() was called
};

} // namespace hawser::http
