// The wire of one HTTP/2 connection: socket, TLS and timers around an H2Session.
//
// Reads come in large pieces, straight to where TLS decrypts them. Output is made once per turn of
// the loop: frames of all streams are put together in the thread's staging memory, encrypted in
// full records and sent with one call. What the kernel does not take waits, and while it waits no
// more is made: streams then fill up, and their producers pause.
//
// Every entry from the loop is a Turn. Handlers run inside it and may do anything but destroy the
// connection; what a turn ended is told when it is over. Lives as long as an operation is pending.
// One thread.
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/h2_connection.h"
#include "http/h2_session.h"
#include "io/loop.h"

namespace hawser::http {

class H2Transport final : public std::enable_shared_from_this<H2Transport>, H2Session::Outlet {
  public:
    H2Transport(io::Socket socket, std::unique_ptr<tls::Session> tls, const H2Options& options,
                ConnectionHandler* handler);

    // These keep the transport alive while they run.
    static io::Task<Result<void>> handshake(std::shared_ptr<H2Transport> self);
    static io::Task<Result<void>> run(std::shared_ptr<H2Transport> self);
    void start(); // what run() does, without a task to wait for its end
    void set_idle_timeout(std::chrono::milliseconds timeout);
    void goaway();
    void abort();   // streams learn of it after the current turn
    void destroy(); // streams learn of it now

    [[nodiscard]] H2Session& session() { return session_; }
    [[nodiscard]] const H2Session& session() const { return session_; }
    [[nodiscard]] bool ended() const { return ended_; }
    [[nodiscard]] const tls::Session* tls() const { return tls_.get(); }
    [[nodiscard]] io::Executor executor() { return socket_.get_executor(); }
    [[nodiscard]] int native_handle() { return socket_.native_handle(); }

  private:
    using Clock = std::chrono::steady_clock;
    enum class Phase : std::uint8_t { handshake, running, lingering };

    // An entry from the loop. When the outermost one is over, its consequences are told.
    class Turn {
      public:
        explicit Turn(H2Transport& transport) : transport_(transport) { ++transport_.turns_; }
        ~Turn() {
            if (--transport_.turns_ == 0 && transport_.ended_) transport_.tell_end();
        }
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;

      private:
        H2Transport& transport_;
    };

    // h2_handshake.cpp
    io::Task<Result<void>> shake_hands();
    io::Task<Result<void>> tls_handshake();
    io::Task<Result<void>> settings_exchange();
    io::Task<Result<void>> write_out();
    io::Task<Result<ByteView>> read_some();
    io::Task<void> let_peer_read();
    [[nodiscard]] Result<void> check_first_byte(std::uint8_t byte);
    [[nodiscard]] Result<void> read_early(ByteView bytes);
    [[nodiscard]] Result<void> feed_first_frame();

    // Reading
    void begin();
    void start_read();
    void on_read(const std::error_code& error, std::size_t count);
    [[nodiscard]] bool read_more(); // true: there may be more still
    void put_ciphertext(ByteView bytes);
    void decrypt();
    void feed(ByteView plaintext);
    void on_peer_closed(bool truncated);

    // Writing
    void request_flush() override;
    void post_flush();
    void flush();
    void produce();
    [[nodiscard]] std::size_t try_send(ByteView bytes);
    [[nodiscard]] ByteView output() const;
    void consume_output(std::size_t count);
    void send_output();
    void on_written(const std::error_code& error, std::size_t count);

    // The end
    void check_progress();
    void begin_linger();
    void shut_down_when_written();
    void end(Result<void> result);
    void tell_end();
    void plan_tick();
    void on_tick(Clock::time_point planned);
    void keep_alive(Clock::time_point now);
    void close_idle(Clock::time_point now);
    [[nodiscard]] bool pinging() const { return ping_sent_ != Clock::time_point{}; }
    // A few milliseconds late, for a tenth of the price: read once per arrival.
    [[nodiscard]] static Clock::time_point coarse_now();

    io::Socket socket_;
    std::unique_ptr<tls::Session> tls_;
    H2Options options_;
    H2Session session_;
    io::Timer timer_;      // the only one that ticks: handshake, keep-alive, goaway, linger
    io::Timer ended_wait_; // cancelled to wake run()

    Phase phase_ = Phase::handshake;
    int turns_ = 0;              // nested entries from the loop
    bool output_wanted_ = false; // frames may be waiting in the session
    bool flush_posted_ = false;
    bool write_pending_ = false; // the kernel's buffer is full
    bool shut_down_ = false;     // our side of the socket
    bool peer_closed_ = false;   // it said so in TLS, or its FIN came
    bool ended_ = false;
    bool told_ = false; // streams and run() know
    Result<void> result_;

    // What an idle connection waits with; the rest of what came is read straight to where it goes.
    std::array<std::uint8_t, 8192> first_bytes_;
    std::vector<std::uint8_t> backlog_; // without TLS: made, but not yet taken by the kernel
    std::size_t backlog_sent_ = 0;
    std::string early_; // received behind the peer's SETTINGS, before start()
    std::size_t first_frame_fed_ = 0;
    std::size_t first_frame_length_ = 0; // known once its head is there
    bool first_byte_seen_ = false;
    bool timed_out_ = false; // the handshake

    Clock::time_point last_received_{};
    Clock::time_point ping_sent_{};     // unset: none outstanding
    Clock::time_point blocked_since_{}; // valid while write_pending_
    Clock::time_point idle_since_{};    // the last look that found a stream
    std::uint64_t idle_streams_ = 0;
    Clock::time_point tick_at_ = Clock::time_point::max();
    Clock::time_point deadline_ = Clock::time_point::max(); // for goaway's answer, or the linger
};

} // namespace hawser::http
