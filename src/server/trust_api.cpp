// What a server tells of its certificates, and renewing its own when an operator asks.
#include <format>

#include "base/bytes.h"
#include "io/clock.h"
#include "log/log.h"
#include "rpc/certificate_info.h"
#include "server/api.h"

namespace hawser::server {

namespace {

v1::CertificateInfo own_certificate(const AuthorityKeeper& authority, const std::string& server,
                                    WallTime now) {
    const AuthorityKeeper::Expiries expiries = authority.expiries();
    v1::CertificateInfo info;
    info.set_identity(model::Identity{.trust_domain = authority.authority().trust_domain(),
                                      .kind = model::IdentityKind::server,
                                      .name = server}
                          .to_uri());
    info.set_kind("server");
    info.set_issued_at_ms(expiries.issued);
    info.set_not_after_ms(expiries.certificate);
    info.set_renews_at_ms(expiries.renews);
    rpc::judge_leaf(info, now);
    return info;
}

} // namespace

Api::Answer<v1::CertificatesResponse> Api::certificates(Actor, v1::CertificatesRequest) {
    const WallTime now = io::wall_now();
    v1::CertificatesResponse response;
    response.set_daemon("server");
    response.set_node(parts_.config.node);
    response.set_now_ms(now);
    *response.add_certificates() = own_certificate(parts_.authority, parts_.config.node, now);
    if (const model::TrustDomain* domain = tables().trust())
        rpc::add_authorities(response, domain->roots, domain->intermediates, now);
    response.set_succeeded(issued_);
    for (const auto& [refused, times] : parts_.refusals.counts())
        if (refused.first == Refused::certificate || refused.first == Refused::join)
            response.set_failed(response.failed() + times);
    co_return response;
}

Api::Answer<v1::RenewCertificatesResponse> Api::renew_certificates(
    Actor actor, v1::RenewCertificatesRequest request) {
    const WallTime now = io::wall_now();
    const std::string own = own_certificate(parts_.authority, parts_.config.node, now).identity();
    const std::string& asked = request.identity();
    if (!asked.empty() && asked != own && !own.ends_with("/" + asked)) {
        co_return fail(ErrorCode::not_found,
                       std::format("this server renews only its own certificate, {}; others are "
                                   "renewed where they are used: hawser cert renew there",
                                   own));
    }
    if (Result<void> renewed = parts_.authority.renew(now); !renewed)
        co_return fail(std::move(renewed.error()));
    log::info("renewed the server's certificate", {{"by", actor.name}});
    v1::RenewCertificatesResponse response;
    *response.add_certificates() = own_certificate(parts_.authority, parts_.config.node, now);
    co_return response;
}

} // namespace hawser::server
