// The trust domain: made once, by `hawser init`; afterwards only its certificates change.
#include <format>

#include "model/validation.h"
#include "registry/commands.h"

namespace hawser::registry {

Result<void> carry_out(const model::InitTrust& command, Draft& draft) {
    if (const model::TrustDomain* existing = draft.before().trust()) {
        return fail(ErrorCode::already_exists,
                    std::format("this mesh already has the trust domain '{}'", existing->name));
    }
    if (Result<void> checked = model::check(command.domain); !checked) return checked;
    if (Result<void> checked = model::check(command.first_operator); !checked) return checked;
    draft.put(command.domain);
    draft.put(command.first_operator);
    return {};
}

Result<void> carry_out(const model::SetTrustDomain& command, Draft& draft) {
    const model::TrustDomain* existing = draft.before().trust();
    if (existing == nullptr) {
        return fail(ErrorCode::failed_precondition, "there is no trust domain yet: hawser init");
    }
    if (Result<void> checked = model::check(command.domain); !checked) return checked;
    model::TrustDomain renewed = *existing;
    renewed.roots = command.domain.roots;
    renewed.intermediates = command.domain.intermediates;
    if (renewed != command.domain) {
        return fail(ErrorCode::failed_precondition,
                    "the names and address ranges of a trust domain are for life");
    }
    draft.put(std::move(renewed));
    return {};
}

} // namespace hawser::registry
