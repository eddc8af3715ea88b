// Carries bytes both ways between a plain socket (an application) and a tunnel's stream, with
// half-close, back-pressure and resets as they are:
//
//   socket → stream: read when readable, straight into the stream's send buffer; stop while it is
//                    full. EOF becomes END_STREAM, a broken socket RST_STREAM.
//   stream → socket: written from within on_data where it lies; what the socket does not take is
//                    kept (at most the stream's window, because credit is given back only for what
//                    was written). END_STREAM becomes shutdown, RST_STREAM a TCP reset.
//
// One loop. The relay outlives its stream: whoever owns it awaits run() or calls abandon().
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "http/h2_connection.h"
#include "io/loop.h"
#include "io/signal.h"

namespace hawser::proxy {

// What went through so far; counted while the connection lives. "sent" is towards the stream.
struct RelayBytes {
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
};

enum class RelayEnd : std::uint8_t {
    clean,        // both directions were closed in order
    socket_reset, // the application's socket broke
    stream_reset, // the other agent, or the tunnel, ended the stream
    cut,          // by this agent: cut()
};

class Relay final : public http::StreamHandler {
  public:
    explicit Relay(io::Executor executor);
    ~Relay();
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

    // The stream this relay is the handler of; right after open() or in on_request().
    void attach(http::H2Connection& connection, http::StreamId stream);
    // The application's socket; before it, what the stream sends is kept (bounded by its window).
    void attach(io::Socket socket);

    // Outbound: waits for the other agent's answer to CONNECT. Empty: the stream ended before.
    [[nodiscard]] io::Task<std::optional<http::Headers>> answer(
        std::chrono::steady_clock::time_point deadline);
    // Relays until both directions are done. Then the socket is closed (or reset).
    [[nodiscard]] io::Task<RelayEnd> run();
    // Of a stream that was refused: this side has nothing to send.
    void finish() { end_local(); }
    // Until the stream is closed, for at most `timeout`.
    [[nodiscard]] io::Task<void> wait_closed(std::chrono::milliseconds timeout);
    // Ends the stream with `code`; the socket, if any, stays with the relay and is reset when the
    // relay goes.
    void abandon(http::H2Code code);
    // The socket back, untouched, for another attempt elsewhere. Only before run().
    [[nodiscard]] io::Socket take_socket();
    // Ends run() with RelayEnd::cut: the application's connection is reset, and so is the stream,
    // with this code.
    void cut(http::H2Code code);

    [[nodiscard]] const RelayBytes& bytes() const { return bytes_; }
    [[nodiscard]] bool stream_closed() const { return stream_closed_; }
    // How the stream ended; empty while it is open, or when this side abandoned it.
    [[nodiscard]] std::optional<http::H2Code> close_code() const { return close_code_; }

  private:
    // http::StreamHandler
    void on_headers(http::Headers headers) override;
    void on_data(ByteView data) override;
    void on_end() override;
    void on_writable() override { stream_writable_.notify(); }
    void on_closed(http::H2Code code) override;

    enum class ReadState : std::uint8_t { blocked, starved, ended, broken };
    [[nodiscard]] ReadState read_available();
    [[nodiscard]] ReadState room_to_wait() const;
    void end_local();
    void compact_kept();
    [[nodiscard]] io::Task<void> pump_socket();
    [[nodiscard]] std::size_t write_some(ByteView data);
    void flush_kept();
    void wait_socket_writable();
    void maybe_shutdown();
    void break_socket();
    void stop_stream(http::H2Code code);
    [[nodiscard]] bool finished() const;

    // Where a read waits while the connection is idle: small, so that idle connections are cheap.
    static constexpr std::size_t idle_read_bytes = 1024;

    http::H2Connection* connection_ = nullptr; // null: no stream, or it is closed
    http::StreamId stream_ = 0;
    std::optional<io::Socket> socket_;
    std::optional<http::Headers> answer_;
    io::Signal progress_;            // answer(), run(): something ended
    io::Signal stream_writable_;     // pump_socket(): room in the send buffer
    std::vector<std::uint8_t> kept_; // received, not yet taken by the socket; from kept_from_
    std::size_t kept_from_ = 0;
    RelayBytes bytes_;
    std::shared_ptr<bool> alive_; // false once gone: for the handler of the write wait
    std::array<std::uint8_t, idle_read_bytes> idle_buffer_;
    std::optional<http::H2Code> close_code_;
    std::optional<http::H2Code> cut_;
    bool stream_closed_ = false; // on_closed came, or abandon()
    bool stream_reset_ = false;  // … with an error
    bool peer_ended_ = false;    // END_STREAM received
    bool shut_down_ = false;     // … and passed on to the socket
    bool local_ended_ = false;   // EOF read from the socket, END_STREAM sent
    bool socket_broken_ = false;
    bool waiting_writable_ = false;
};

} // namespace hawser::proxy
