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
    model::TrustDomain domain = command.domain;
    if (command.authority) {
        if (Result<void> checked = model::check(*command.authority); !checked) return checked;
        publish(*command.authority, domain);
        draft.put(*command.authority);
    }
    draft.put(std::move(domain));
    draft.put(command.first_operator);
    return {};
}

Result<void> carry_out(const model::SetTrustDomain& command, Draft& draft) {
    const model::TrustDomain* existing = draft.before().trust();
    if (existing == nullptr) {
        return fail(ErrorCode::failed_precondition, "there is no trust domain yet: hawser init");
    }
    if (draft.before().authority() != nullptr) {
        return fail(ErrorCode::failed_precondition,
                    "the certificates of this mesh change with its authority only");
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

Result<void> carry_out(const model::SetAuthority& command, Draft& draft) {
    const model::TrustDomain* existing = draft.before().trust();
    if (existing == nullptr) {
        return fail(ErrorCode::failed_precondition, "there is no trust domain yet: hawser init");
    }
    if (Result<void> checked = model::check(command.authority); !checked) return checked;
    const std::uint64_t index = draft.before().authority_index();
    if (index != command.if_index) {
        return fail(ErrorCode::aborted,
                    std::format("the authority is at index {}, not {}: it was changed meanwhile",
                                index, command.if_index));
    }
    model::TrustDomain domain = *existing;
    publish(command.authority, domain);
    draft.put(command.authority);
    draft.put(std::move(domain));
    return {};
}

} // namespace hawser::registry
