// An HTTP/2 session against any peer, while its handlers do anything at any time. The first bytes
// choose the role and seed the handlers; the rest is what the peer sends, behind an honest start.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "http/h2_session.h"

using namespace hawser;
using namespace hawser::http;

namespace {

constexpr std::string_view client_magic = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::string_view empty_settings("\0\0\0\4\0\0\0\0\0", 9);
constexpr std::int32_t window = 70'000;

class Peer;

class Stream final : public StreamHandler {
  public:
    explicit Stream(Peer& peer) : peer_(peer) {}

    void on_headers(Headers headers) override;
    void on_data(ByteView data) override;
    void on_end() override;
    void on_writable() override;
    void on_closed(H2Code code) override;

    StreamId id = 0;
    bool over = false;
    std::size_t held = 0;

  private:
    Peer& peer_;
};

// A session, its handlers and their dice.
class Peer final : public ConnectionHandler, public H2Session::Outlet {
  public:
    Peer(bool server, std::uint64_t seed)
        : random_(seed), session_(options(server), this, *this), server_(server) {
        (void)session_.start();
    }

    void take(ByteView bytes) {
        if (failed_) return;
        if (!session_.receive(bytes, FrameBudget::Time{})) failed_ = true;
        flush();
        act();
        flush();
        if (session_.terminated() || session_.flooded()) failed_ = true;
        (void)session_.drained();
    }
    void end() { session_.close_all(H2Code::internal_error); }

    // Whatever a handler might do.
    void act() {
        for (int i = static_cast<int>(random_.below(3)); i > 0; --i) act_once();
    }
    void check_alive(const Stream& stream) const {
        if (stream.over) std::abort(); // an event after the last
        if (stream.held > static_cast<std::size_t>(window)) std::abort();
    }
    void forget(Stream& stream) { stream.over = true; }

    StreamHandler* on_request(StreamId id, Headers headers) override {
        if (!server_) std::abort();
        if (headers.size() > limits::headers_per_message) std::abort();
        if (random_.below(8) == 0) return nullptr;
        Stream* stream = add(id);
        if (random_.below(4) != 0)
            session_.respond(id, {{":status", "200"}}, random_.below(8) == 0);
        act();
        return stream->over ? nullptr : stream;
    }
    void request_flush() override {}

    Random random_;
    H2Session session_;

  private:
    static H2Options options(bool server) {
        return {.server = server,
                .max_concurrent_streams = 8,
                .stream_window = window,
                .session_window = 100'000,
                .stream_send_buffer = 30'000};
    }

    Stream* add(StreamId id) {
        auto stream = std::make_unique<Stream>(*this);
        stream->id = id;
        ids_.push_back(id);
        return (streams_[id] = std::move(stream)).get();
    }

    void flush() {
        std::array<std::uint8_t, h2_frame_room> memory;
        for (int i = 0; i < 100 && !failed_; ++i) {
            Staging staging{.memory = memory};
            const auto more = session_.fill(staging);
            if (!more) failed_ = true;
            if (staging.size > memory.size()) std::abort();
            session_.deliver_events();
            if (more && !*more) return;
        }
    }

    void act_once() {
        if (ids_.empty() || random_.below(10) == 0) return open();
        Stream& stream = *streams_[ids_[random_.below(ids_.size())]];
        const StreamId id = stream.id;
        const std::size_t length = random_.below(40'000);
        const std::string bytes(length, 'x');
        switch (random_.below(12)) {
            case 0: session_.finish(id, nullptr); break;
            case 1: {
                const Headers trailers{{"a", "b"}};
                session_.finish(id, &trailers);
                break;
            }
            case 2: session_.reset(id, H2Code::cancel); break;
            case 3:
                session_.detach(id, H2Code::cancel);
                forget(stream);
                break;
            case 4: session_.respond(id, {{":status", "200"}}, false); break;
            case 5: {
                const auto room = session_.write_buffer(id, length);
                if (room.size() > length) std::abort();
                session_.commit(id, room.size());
                break;
            }
            case 6:
                if (random_.below(20) == 0) session_.goaway();
                break;
            case 7:
                if (random_.below(20) == 0) session_.finish_goaway();
                break;
            case 8: session_.ping(); break;
            case 9: session_.consume(id, std::exchange(stream.held, 0)); break;
            default:
                if (session_.write(id, as_bytes(bytes)) > length) std::abort();
                break;
        }
    }

    void open() {
        if (server_) return;
        auto stream = std::make_unique<Stream>(*this);
        const auto id = session_.open({{":method", "CONNECT"}, {":authority", "a"}}, stream.get(),
                                      random_.below(4) == 0);
        if (!id) return;
        stream->id = *id;
        ids_.push_back(*id);
        streams_[*id] = std::move(stream);
    }

    std::map<StreamId, std::unique_ptr<Stream>> streams_;
    std::vector<StreamId> ids_;
    bool server_;
    bool failed_ = false;
};

void Stream::on_headers(Headers headers) {
    peer_.check_alive(*this);
    if (headers.size() > limits::headers_per_message) std::abort();
    peer_.act();
}
void Stream::on_data(ByteView data) {
    peer_.check_alive(*this);
    held += data.size();
    peer_.check_alive(*this);
    if (peer_.random_.below(2) == 0) peer_.session_.consume(id, std::exchange(held, 0));
    peer_.act();
}
void Stream::on_end() {
    peer_.check_alive(*this);
    peer_.act();
}
void Stream::on_writable() {
    peer_.check_alive(*this);
    peer_.act();
}
void Stream::on_closed(H2Code) {
    peer_.check_alive(*this);
    over = true;
    peer_.act();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 4) return 0;
    const bool server = (data[0] & 1) != 0;
    const std::size_t step = 1 + data[1] * std::size_t{16};
    Peer peer(server, data[2] | data[3] << 8);
    if (server) peer.take(as_bytes(client_magic));
    peer.take(as_bytes(empty_settings));
    ByteView bytes(data + 4, size - 4);
    while (!bytes.empty()) {
        const ByteView part = bytes.first(std::min(step, bytes.size()));
        peer.take(part);
        bytes = bytes.subspan(part.size());
    }
    peer.end();
    return 0;
}
