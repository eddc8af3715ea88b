// One HTTP/2 connection over a socket, with or without TLS: the road of the agents' tunnels and
// of the control protocol. Hides nghttp2.
//
// Event-driven, on one loop: methods below never wait, events arrive through handlers. Received
// DATA is handed over where it lies (no copy); sending copies once, into the stream's bounded
// buffer, and frames of many streams leave in full TLS records and few writes (output is flushed
// once per turn of the loop, not per call).
//
// Flow control is end to end: the peer may send `stream_window` bytes that the handler has not
// consume()d. Back-pressure the other way: writable_bytes() tells how much a stream's buffer
// takes; on_writable() says when there is room again.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/result.h"
#include "io/loop.h"
#include "tls/session.h"

namespace hawser::http {

using StreamId = std::int32_t;
// Names lower-case, pseudo-headers first; bounded by limits::header_list_bytes.
using Headers = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] std::string_view find_header(const Headers& headers,
                                           std::string_view name); // "" if absent

// RFC 9113 §7 error codes that hawser sends; others are passed through as numbers.
enum class H2Code : std::uint32_t {
    no_error = 0,
    protocol_error = 1,
    internal_error = 2,
    flow_control_error = 3,
    refused_stream = 7,
    cancel = 8,
    connect_error = 10,
    enhance_your_calm = 11,
};

// What happens on one stream. Called on the connection's loop. From inside a call, methods of the
// connection may be used, but the connection must not be destroyed. After on_closed nothing more
// is called; until then the handler must live, or be replaced by detach().
class StreamHandler {
  public:
    // Client: the response; both: trailers (a second call). 1xx are not passed.
    virtual void on_headers(Headers headers) = 0;
    // Valid during the call only. Counts against the window until consume().
    virtual void on_data(ByteView data) = 0;
    virtual void on_end() = 0;    // END_STREAM: the peer sends no more; our side may go on
    virtual void on_writable() {} // room again after writable_bytes() was 0
    // The stream is over: no_error when both sides ended it (a server may also leave early with it
    // when its answer is complete); any other code is an abort: the peer's, our own reset()'s, or
    // H2Code::internal_error when the connection broke.
    virtual void on_closed(H2Code code) = 0;

  protected:
    ~StreamHandler() = default;
};

class ConnectionHandler {
  public:
    // Server: a request began. Returns its handler, or null to refuse it (REFUSED_STREAM).
    virtual StreamHandler* on_request(StreamId stream, Headers headers) = 0;
    // Client and server: the peer will accept or open no new streams; running ones go on.
    virtual void on_goaway() {}

  protected:
    ~ConnectionHandler() = default;
};

struct H2Options {
    bool server = false;
    std::uint32_t max_concurrent_streams = limits::tunnel_streams_per_session; // the peer's
    std::int32_t stream_window = limits::tunnel_stream_window;
    std::int32_t session_window = limits::tunnel_session_window;
    std::size_t stream_send_buffer = limits::stream_send_buffer;
    bool extended_connect = false;
    // Keep-alive: a PING after this long without anything received; none: never.
    std::optional<std::chrono::milliseconds> ping_interval;
    // Goes away politely when it had no stream for so long (up to twice that).
    std::optional<std::chrono::milliseconds> idle_timeout;
    std::chrono::milliseconds ping_timeout = limits::tunnel_ping_timeout;
    std::chrono::milliseconds handshake_timeout = limits::handshake_timeout;
};

class H2Transport;

class H2Connection {
  public:
    // `session` is null for plaintext (Unix sockets, local applications). `handler` must outlive
    // the connection; a client may pass null.
    H2Connection(io::Socket socket, std::unique_ptr<tls::Session> session, H2Options options,
                 ConnectionHandler* handler);
    // Closes the socket; streams still open get on_closed(internal_error) before.
    ~H2Connection();
    H2Connection(const H2Connection&) = delete;
    H2Connection& operator=(const H2Connection&) = delete;

    // TLS handshake and SETTINGS. Streams may be opened after it succeeded. A failure names the
    // cause, for example "peer certificate: expired". No handler is called before run() or start(),
    // so that a peer may be refused first.
    [[nodiscard]] io::Task<Result<void>> handshake();
    // Runs the connection until it ends: ok after a clean close by either side, else why not.
    // Cancelling it (task group) or abort() ends it at once. All streams are closed when it
    // returns.
    [[nodiscard]] io::Task<Result<void>> run();
    // Does what run() does, for an owner that needs no task to wait for the end.
    void start();

    // Opens a stream; fails with resource_exhausted at the peer's limit, unavailable when the
    // connection is closing. `end`: no body follows.
    [[nodiscard]] Result<StreamId> open(const Headers& headers, StreamHandler* handler,
                                        bool end = false);
    [[nodiscard]] bool can_open() const; // open() would succeed now
    [[nodiscard]] std::size_t open_streams() const;

    void respond(StreamId stream, const Headers& headers, bool end = false);
    // How many bytes write() takes now.
    [[nodiscard]] std::size_t writable_bytes(StreamId stream) const;
    // Takes a prefix of the data, returns its length (≤ writable_bytes).
    std::size_t write(StreamId stream, ByteView data);
    // Where the next bytes to send may be placed without a copy: at most `wanted` bytes of the
    // stream's buffer (may be fewer, empty when full). commit(n) makes the first n of them sent.
    // Valid until the next call for this stream or the return to the loop.
    [[nodiscard]] std::span<std::uint8_t> write_buffer(StreamId stream, std::size_t wanted);
    void commit(StreamId stream, std::size_t count);
    void finish(StreamId stream); // END_STREAM after what is buffered
    void finish(StreamId stream, const Headers& trailers);
    // At once; buffered data is dropped. on_closed(code) follows, though not from inside this call.
    void reset(StreamId stream, H2Code code);
    // Gives back flow-control credit for received bytes that were dealt with.
    void consume(StreamId stream, std::size_t count);
    // The stream's handler goes away before the stream: reset it and tell no one.
    void detach(StreamId stream, H2Code code);

    // Instead of the options' one, from now on.
    void set_idle_timeout(std::chrono::milliseconds timeout);
    void goaway(); // no new streams from now on; run() returns when the last one ended
    void abort();  // closes the socket now

    [[nodiscard]] bool closing() const; // goaway sent or received, or broken
    [[nodiscard]] const std::optional<tls::PeerCertificate>& peer()
        const; // none without TLS or client certificate
    [[nodiscard]] std::string alpn() const;
    [[nodiscard]] io::Executor executor() const;
    [[nodiscard]] int native_handle() const;

  private:
    std::shared_ptr<H2Transport> impl_; // lives on while operations are pending
};

} // namespace hawser::http
