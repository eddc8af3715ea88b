#include "demo_wire.h"

#include <algorithm>
#include <format>
#include <string_view>

namespace hawser::cmd::demo {

namespace {

constexpr std::size_t header_size = 5;
constexpr std::size_t body_kept = 512; // hellos are shorter, but for their key shares
constexpr std::size_t largest_record = 16384 + 256;
constexpr std::size_t samples_kept = 1; // of each kind
constexpr std::size_t streams_limit = 4096;
constexpr std::uint8_t handshake_record = 22, data_record = 23;

std::uint32_t number_at(Bytes bytes, std::size_t at, std::size_t size) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value = value << 8 | bytes[at + i];
    return value;
}

std::string_view text_of(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string hex(std::string_view bytes) {
    std::string text;
    for (const char byte : bytes) text += std::format("{:02x} ", static_cast<std::uint8_t>(byte));
    if (!text.empty()) text.pop_back();
    return text;
}

std::string address_at(Bytes packet, std::size_t at) {
    return std::format("{}.{}.{}.{}", packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
}

std::string record_name(std::uint8_t type, std::string_view body) {
    if (type == data_record) return "application data";
    if (type != handshake_record || body.empty()) return "";
    if (body[0] == 1) return "ClientHello";
    return body[0] == 2 ? "ServerHello" : "";
}

} // namespace

void TlsReader::read(Bytes bytes, const std::string& route, WireFacts& facts) {
    while (!bytes.empty() && !lost_) {
        if (header_.size() < header_size) {
            header_ += static_cast<char>(bytes[0]);
            bytes = bytes.subspan(1);
            if (header_.size() < header_size) continue;
            const auto type = static_cast<std::uint8_t>(header_[0]);
            left_ = static_cast<std::size_t>(static_cast<std::uint8_t>(header_[3])) << 8 |
                    static_cast<std::uint8_t>(header_[4]);
            if (type < 20 || type > 23 || header_[1] != 3 || left_ > largest_record) {
                ++facts.not_tls;
                lost_ = true;
            }
        } else {
            const auto size = std::min(left_, bytes.size());
            const auto room = body_kept - std::min(body_kept, body_.size());
            body_ += text_of(bytes.first(std::min(size, room)));
            left_ -= size;
            bytes = bytes.subspan(size);
        }
        if (header_.size() == header_size && left_ == 0 && !lost_) end_record(route, facts);
    }
}

void TlsReader::end_record(const std::string& route, WireFacts& facts) {
    const auto type = static_cast<std::uint8_t>(header_[0]);
    const auto name = record_name(type, body_);
    if (type == data_record) ++facts.data_records;
    if (name.ends_with("ClientHello")) ++facts.handshakes;
    // The extension supported_versions with TLS 1.3 (RFC 8446 §4.2.1).
    constexpr std::string_view chose_tls13("\x00\x2b\x00\x02\x03\x04", 6);
    if (name.ends_with("ServerHello") && body_.contains(chose_tls13)) ++facts.tls13;
    const auto known = std::ranges::count(facts.samples, name, &WireSample::what);
    if (!name.empty() && static_cast<std::size_t>(known) < samples_kept) {
        const auto length = static_cast<std::size_t>(static_cast<std::uint8_t>(header_[3])) << 8 |
                            static_cast<std::uint8_t>(header_[4]);
        facts.samples.push_back({.route = route,
                                 .what = name,
                                 .length = length,
                                 .first_bytes = hex(header_ + body_.substr(0, 7))});
    }
    header_.clear();
    body_.clear();
}

void Wire::add(const std::string& route, Bytes bytes, bool tunnel) {
    if (streams_.size() >= streams_limit && !streams_.contains(route)) streams_.clear();
    auto& stream = streams_[route];
    look_for_marker(stream, bytes);
    if (!tunnel) return;
    facts_.bytes += bytes.size();
    stream.reader.read(bytes, route, facts_);
}

void Wire::look_for_marker(Stream& stream, Bytes bytes) {
    stream.tail += text_of(bytes);
    if (stream.tail.contains(marker_)) facts_.marker_seen = true;
    const auto kept = std::min(stream.tail.size(), marker_.size() - 1);
    stream.tail.erase(0, stream.tail.size() - kept);
}

void Wire::add_frame(Bytes frame, std::uint16_t tunnel_port) {
    constexpr std::size_t ethernet = 14, smallest = ethernet + 20 + 20;
    if (frame.size() < smallest || number_at(frame, 12, 2) != 0x0800) return;
    const auto packet = frame.subspan(ethernet);
    const std::size_t ip_header = (packet[0] & 15U) * 4;
    const std::size_t total = std::min<std::size_t>(number_at(packet, 2, 2), packet.size());
    if (packet[9] != 6 || total < ip_header + 20) return;
    const auto segment = packet.subspan(ip_header, total - ip_header);
    const std::size_t tcp_header = (segment[12] >> 4U) * 4;
    const bool begins = (segment[13] & 2U) != 0; // SYN
    const auto from_port = number_at(segment, 0, 2), to_port = number_at(segment, 2, 2);
    const bool tunnel = from_port == tunnel_port || to_port == tunnel_port;
    const auto route = std::format("{}:{} > {}:{}", address_at(packet, 12), from_port,
                                   address_at(packet, 16), to_port);
    if (tcp_header < 20 || tcp_header > segment.size()) return;

    auto payload = segment.subspan(tcp_header);
    const auto sequence = number_at(segment, 4, 4);
    auto& stream = streams_[route];
    if (begins) {
        stream = Stream{.reader = {}, .tail = {}, .expected = sequence + 1, .synchronized = true};
        return;
    }
    if (payload.empty()) return;
    if (!stream.synchronized) stream.reader.give_up();
    const auto behind = static_cast<std::int32_t>(stream.expected - sequence);
    if (stream.synchronized && behind < 0) { // a gap: only the marker can still be looked for
        stream.reader.give_up();
    } else if (stream.synchronized && behind > 0) { // sent again
        if (static_cast<std::size_t>(behind) >= payload.size()) return;
        payload = payload.subspan(static_cast<std::size_t>(behind));
    }
    stream.expected = sequence + static_cast<std::uint32_t>(segment.size() - tcp_header);
    add(route, payload, tunnel);
}

} // namespace hawser::cmd::demo
