// May this connection be, as a view has it? One answer for calls that begin and, when the mesh has
// changed, for those that are open. Both agents ask, each for its side.
#pragma once

#include "proxy/record.h"
#include "proxy/view.h"
#include "traffic/standing.h"

namespace hawser::proxy {

// Whether both sides may take part at all: nobody in quarantine, everybody still registered. As far
// as they are known: of a call that has not found its instance yet, the caller and the service.
[[nodiscard]] traffic::Refusal check_parties(const View& view, const ConnectionRecord& record);

// … and whether policies let the caller in. The destination's agent decides about that; the
// caller's only when it hears of a change, because what it has heard may be older than what the
// other decided by. The record learns which rule it was.
[[nodiscard]] traffic::Refusal judge(const View& view, ConnectionRecord& record);

} // namespace hawser::proxy
