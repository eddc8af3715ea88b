// The certificate authority, as operators see and change it; see authority_upkeep.h. The leader
// answers.
#include <optional>
#include <utility>

#include "base/bytes.h"
#include "ca/rotation.h"
#include "ca/signer.h"
#include "io/clock.h"
#include "server/api.h"
#include "tls/x509.h"

namespace hawser::server {

namespace {

std::string subject_of(const std::string& der) {
    const Result<tls::CertificateInfo> info = tls::describe_certificate(as_bytes(der));
    return info ? info->subject : std::string();
}

v1::SignerStatus describe(const model::Signer& signer) {
    v1::SignerStatus status;
    status.set_root_subject(subject_of(signer.root));
    status.set_root_sha256(tls::sha256(as_bytes(signer.root)));
    status.set_root_key_here(!signer.root_key.empty());
    if (!signer.chain.empty()) {
        status.set_signing_subject(subject_of(signer.chain.front()));
        status.set_signing_sha256(tls::sha256(as_bytes(signer.chain.front())));
    }
    if (const Result<ca::SignerTimes> times = ca::times_of(signer)) {
        status.set_root_expires_at_ms(times->root_until);
        status.set_expires_at_ms(times->until);
    }
    return status;
}

} // namespace

Api::Answer<v1::AuthorityStatusResponse> Api::authority_status(Actor, v1::AuthorityStatusRequest) {
    v1::AuthorityStatusResponse response;
    response.set_phase(std::string(to_string(model::RotationPhase::none)));
    const model::Authority* authority = tables().authority();
    if (authority == nullptr) { // the keys are in files still
        const model::TrustDomain& domain = *tables().trust();
        *response.mutable_active() = describe({.root = domain.roots.front(),
                                               .chain = domain.intermediates,
                                               .root_key = {},
                                               .key = {}});
        co_return response;
    }
    *response.mutable_active() = describe(authority->active);
    if (authority->other) *response.mutable_other() = describe(*authority->other);
    response.set_phase(std::string(to_string(authority->phase)));
    response.set_phase_since_ms(authority->phase_since);
    response.set_other_needed_until_ms(authority->other_needed_until);
    response.set_sealing_key_id(authority->sealing_key_id);
    const ca::RotationFacts facts = parts_.authority_upkeep.facts();
    for (const std::string& server : facts.missing_servers) response.add_missing(server);
    for (const std::string& node : facts.missing_nodes) response.add_missing(node);
    response.set_waits_for(ca::decide(*authority, facts).waits_for);
    for (std::string& warning : ca::expiry_warnings(*authority, io::wall_now()))
        response.add_warnings(std::move(warning));
    response.set_index(tables().authority_index());
    co_return response;
}

Api::Answer<v1::RotateAuthorityResponse> Api::rotate_authority(Actor actor,
                                                               v1::RotateAuthorityRequest request) {
    AuthorityUpkeep& upkeep = parts_.authority_upkeep;
    Result<void> done;
    if (request.abort()) {
        done = co_await upkeep.abort(std::move(actor.name));
    } else if (!request.without().empty()) {
        done = co_await upkeep.go_on_without({request.without().begin(), request.without().end()},
                                             std::move(actor.name));
    } else {
        std::optional<AuthorityUpkeep::Brought> brought;
        if (!request.certificates().empty() || !request.key().empty())
            brought = {.certificates = request.certificates(), .key = request.key()};
        done = co_await upkeep.rotate(std::move(brought), std::move(actor.name));
    }
    if (!done) co_return fail(std::move(done.error()));
    v1::RotateAuthorityResponse response;
    response.set_phase(std::string(to_string(tables().authority()->phase)));
    response.set_index(tables().authority_index());
    co_return response;
}

} // namespace hawser::server
