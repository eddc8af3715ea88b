// One stream of messages on an HTTP/2 connection: what a call is made of, on either side.
//
// Back-pressure: while messages wait to be read, their bytes' credit is kept back; of a message
// that is still coming it is given back at once, or a message longer than the window would never
// arrive. What is held is bounded by one window and one message, and together with others' by the
// memory they share.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "http/h2_connection.h"
#include "io/signal.h"
#include "rpc/framing.h"
#include "rpc/message_memory.h"
#include "rpc/server.h"

namespace hawser::rpc {

class Channel : public http::StreamHandler, public MessageStream {
  public:
    ~Channel() override;
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    // false, and not attached: there is no memory for another call.
    [[nodiscard]] bool attach(http::H2Connection& connection, http::StreamId stream);

    io::Task<Result<std::optional<std::string>>> read(std::chrono::milliseconds timeout) override;
    io::Task<Result<void>> write(std::string message, std::chrono::milliseconds timeout) override;
    void abort() override { cut(http::H2Code::cancel); }

    // The stream is over: on_closed came, or it was cut.
    [[nodiscard]] bool closed() const { return connection_ == nullptr; }

  protected:
    // Takes messages of at most `longest` bytes. `memory`, if any, outlives the channel.
    explicit Channel(io::Executor executor, std::size_t longest = limits::rpc_message_bytes,
                     MessageMemory* memory = nullptr);

    // Headers must be out before the first message (server).
    virtual void before_write() {}
    // What the end of the peer's messages means; client: the call's status.
    [[nodiscard]] virtual Result<std::optional<std::string>> at_end() = 0;
    virtual void closed_early() {}
    // The peer has its answer already and reads no more (client).
    [[nodiscard]] virtual bool refused() const { return false; }

    void fail_with(Error error);
    void cut(http::H2Code code);
    // Nothing that the peer still sends is kept.
    void stop_listening();

    http::H2Connection* connection_ = nullptr; // null: the stream is over
    http::StreamId stream_ = 0;
    MessageParser parser_;
    std::optional<Error> failure_;
    bool peer_ended_ = false;
    bool deaf_ = false;
    io::Signal readable_;

  private:
    class WholeOrNothing;

    void on_data(ByteView data) override;
    void on_end() override;
    void on_writable() override { writable_.notify(); }
    void on_closed(http::H2Code code) override;
    [[nodiscard]] std::string take_message();
    [[nodiscard]] bool account();

    io::Signal writable_;
    std::size_t unconsumed_ = 0;
    MessageMemory* memory_;
    std::size_t accounted_ = 0; // in memory_
};

} // namespace hawser::rpc
