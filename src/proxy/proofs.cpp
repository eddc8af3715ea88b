#include "proxy/proofs.h"

namespace hawser::proxy {

void Proof::extend(WallTime until) {
    WallTime known = until_;
    while (known < until && !until_.compare_exchange_weak(known, until)) {
    }
}

ProofPtr CallerProofs::of(const std::string& identity, std::uint64_t generation) {
    const std::lock_guard lock(mutex_);
    const std::pair key(identity, generation);
    if (auto known = proofs_[key].lock()) return known;
    std::erase_if(proofs_, [](const auto& entry) { return entry.second.expired(); });
    auto made = std::make_shared<Proof>();
    proofs_[key] = made;
    return made;
}

} // namespace hawser::proxy
