// Who is cut off from the mesh: what operators say, and what follows for certificates. Agents do
// the rest (traffic/standing.h).
#include <format>

#include "base/bytes.h"
#include "io/clock.h"
#include "server/api.h"

namespace hawser::server {

Api::Answer<v1::QuarantineResponse> Api::quarantine(Actor actor, v1::QuarantineRequest request) {
    const bool node = request.subject_kind() == v1::SUBJECT_KIND_NODE;
    model::PutQuarantine command{.quarantine = {.subject_kind = node ? model::IdentityKind::node
                                                                     : model::IdentityKind::service,
                                                .subject = request.subject(),
                                                .reason = request.reason(),
                                                .since = io::wall_now(),
                                                .by = actor.name}};
    Result<registry::Outcome> outcome = co_await propose(std::move(command), std::move(actor));
    if (!outcome) co_return fail(std::move(outcome.error()));
    v1::QuarantineResponse response;
    response.set_index(outcome->index);
    co_return response;
}

// It is no refusal for good: what is asked again when the quarantine is lifted is granted.
Result<void> Api::check_quarantine(const model::Identity& identity) const {
    const model::Quarantine subject{.subject_kind = identity.kind, .subject = identity.name};
    const auto* row = tables().get<model::Quarantine>(subject.key());
    if (row == nullptr) return {};
    return fail(ErrorCode::failed_precondition,
                std::format("{} is in quarantine{}{}", identity.to_uri(),
                            row->reason.empty() ? "" : ": ", row->reason));
}

} // namespace hawser::server
