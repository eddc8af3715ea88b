#include "proxy/handshakes.h"

#include <algorithm>
#include <utility>

namespace hawser::proxy {
namespace {

IpAddress source_of(const IpAddress& peer) {
    if (peer.is_v4()) return peer;
    auto bytes = peer.bytes();
    std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
    return IpAddress::v6(bytes);
}

} // namespace

Handshakes::Place::Place(Handshakes& handshakes, const IpAddress& peer, std::function<void()> cut)
    : handshakes_(handshakes), number_(handshakes.arrivals_++) {
    if (handshakes_.places_.size() >= most) handshakes_.make_room();
    handshakes_.places_.emplace(number_, Taken{.source = source_of(peer), .cut = std::move(cut)});
}

void Handshakes::make_room() {
    std::map<IpAddress, std::size_t> held;
    for (const auto& [number, place] : places_) ++held[place.source];
    // The first of equals, which is the oldest.
    const auto leaving = std::ranges::max_element(
        places_, {}, [&](const auto& entry) { return held[entry.second.source]; });
    const auto cut = std::move(leaving->second.cut);
    places_.erase(leaving);
    cut();
}

} // namespace hawser::proxy
