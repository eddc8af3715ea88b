// What bytes on the wire say: TLS records, hellos, and whether a marker that the programs sent
// in the clear can be read. A value: fed in order, asked at the end.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace hawser::cmd::demo {

using Bytes = std::span<const std::uint8_t>;

struct WireSample {
    std::string route; // "10.77.0.11 > 10.77.0.12:15008"
    std::string what;  // "ClientHello", "application data"
    std::size_t length = 0;
    std::string first_bytes; // hex
};

struct WireFacts {
    std::uint64_t bytes = 0;        // of tunnel connections, headers of TCP and below not counted
    std::uint64_t handshakes = 0;   // ClientHellos
    std::uint64_t tls13 = 0;        // ServerHellos that chose TLS 1.3
    std::uint64_t data_records = 0; // application data
    std::uint64_t not_tls = 0;      // streams that carried something else
    bool marker_seen = false;
    std::vector<WireSample> samples;
};

// One direction of one tunnel connection.
class TlsReader {
  public:
    void read(Bytes bytes, const std::string& route, WireFacts& facts);
    void give_up() { lost_ = true; } // bytes are missing: records cannot be told any more

  private:
    void end_record(const std::string& route, WireFacts& facts);

    std::string header_;
    std::string body_; // its beginning
    std::size_t left_ = 0;
    bool lost_ = false;
};

class Wire {
  public:
    explicit Wire(std::string marker) : marker_(std::move(marker)) {}
    // The next bytes of a stream; `route` names it. `tunnel`: they must be TLS.
    void add(const std::string& route, Bytes bytes, bool tunnel);
    // As captured from a network: the TCP segment in an Ethernet frame with IPv4.
    void add_frame(Bytes frame, std::uint16_t tunnel_port);
    [[nodiscard]] const WireFacts& facts() const { return facts_; }

  private:
    struct Stream {
        TlsReader reader;
        std::string tail;           // the end of what came, in which a marker may begin
        std::uint32_t expected = 0; // the next sequence number
        bool synchronized = false;
    };
    void look_for_marker(Stream& stream, Bytes bytes);

    std::string marker_;
    std::map<std::string, Stream> streams_;
    WireFacts facts_;
};

} // namespace hawser::cmd::demo
