// Who may take part in a call at all, whatever policies say: nobody in quarantine, and nobody who
// has left the mesh. Asked when a call begins, and of every open one when the mesh changed. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/identity.h"
#include "model/mesh_snapshot.h"
#include "traffic/flags.h"

namespace hawser::traffic {

struct Refusal {
    Flag flag = Flag::none;
    std::string why;
    [[nodiscard]] explicit operator bool() const { return flag != Flag::none; }
};

[[nodiscard]] Refusal check_quarantine(const model::MeshSnapshot& mesh, model::IdentityKind kind,
                                       std::string_view name);

// Who showed a certificate: its identity, and the node it was issued to, which its generation
// tells. `node` is null if that is not known: a certificate of no generation, or of a node that
// joined after the last we heard.
struct Holder {
    const model::Node* node = nullptr;
    Refusal refusal;
};
[[nodiscard]] Holder find_holder(const model::MeshSnapshot& mesh, const model::Identity& identity,
                                 std::uint64_t generation);

// That the instance is registered. Its health is no matter: who is ill may finish what it began.
[[nodiscard]] Refusal check_instance(const model::ServiceView& service, std::string_view node,
                                     std::uint16_t port);

} // namespace hawser::traffic
