#include "etcd_messages.h"

#include <cstdint>

namespace hawser::bench::etcd {

namespace {

constexpr unsigned length_delimited = 2;

void put_varint(std::string& out, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7U) out.push_back(static_cast<char>((value & 0x7fU) | 0x80U));
    out.push_back(static_cast<char>(value));
}

void put_bytes(std::string& out, unsigned field, std::string_view bytes) {
    put_varint(out, field << 3U | length_delimited);
    put_varint(out, bytes.size());
    out.append(bytes);
}

} // namespace

std::string put_request(std::string_view key, std::string_view value) {
    std::string out;
    put_bytes(out, 1, key);
    put_bytes(out, 2, value);
    return out;
}

std::string range_request(std::string_view key) {
    std::string out;
    put_bytes(out, 1, key);
    return out;
}

std::string watch_all_request() {
    const std::string_view zero("\0", 1); // as key and end of the range: everything
    std::string create;
    put_bytes(create, 1, zero);
    put_bytes(create, 2, zero);
    std::string out;
    put_bytes(out, 1, create);
    return out;
}

} // namespace hawser::bench::etcd
