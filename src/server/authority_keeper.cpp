#include "server/authority_keeper.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "io/clock.h"
#include "io/socket.h"
#include "log/log.h"
#include "server/secret_files.h"
#include "tls/x509.h"

namespace hawser::server {

namespace {

// The wall clock may jump: look at it this often.
constexpr Duration longest_sleep{60'000};
constexpr Duration shortest_sleep{100};
constexpr WallTime retry_ms = 60'000;

std::string file(const std::string& data_dir, std::string_view name) {
    return data_dir + "/ca/" + std::string(name);
}

WallTime expiry_of(const std::string& der) {
    const Result<tls::CertificateInfo> info = tls::describe_certificate(as_bytes(der));
    return info ? info->not_after : 0;
}

Result<ca::Authority> read_authority(const std::string& data_dir,
                                     const model::TrustDomain& domain) {
    if (domain.roots.empty() || domain.intermediates.empty()) {
        return fail(ErrorCode::corrupt, "the trust domain has no certificates");
    }
    Result<std::string> key = read_secret_file(file(data_dir, "intermediate.key"));
    if (!key) return fail(std::move(key.error()), "loading the certificate authority");
    Result<ca::Authority> authority =
        ca::Authority::load(domain.name, domain.roots.front(), domain.intermediates.front(), *key);
    if (!authority) return fail(std::move(authority.error()), "loading the certificate authority");
    return authority;
}

} // namespace

Result<void> store_authority(const std::string& data_dir, const ca::NewAuthority& authority) {
    if (Result<void> made = make_secret_directory(data_dir + "/ca"); !made) return made;
    const std::pair<std::string_view, std::string> files[] = {
        {"root.key", authority.root_key_pem},
        {"root.pem", tls::to_pem(as_bytes(authority.root_der))},
        {"intermediate.key", authority.intermediate_key_pem},
        {"intermediate.pem", tls::to_pem(as_bytes(authority.intermediate_der))},
    };
    for (const auto& [name, contents] : files) {
        if (contents.empty()) continue; // not every server has the root's key
        Result<void> written = write_secret_file(file(data_dir, name), contents);
        if (!written) return written;
    }
    return {};
}

Result<std::unique_ptr<AuthorityKeeper>> AuthorityKeeper::load(Options options,
                                                               const model::TrustDomain& domain,
                                                               WallTime now) {
    Result<ca::Authority> authority = read_authority(options.data_dir, domain);
    if (!authority) return fail(std::move(authority.error()));
    std::unique_ptr<AuthorityKeeper> keeper(
        new AuthorityKeeper(std::move(options), std::move(*authority)));
    keeper->trust_ = {.roots = domain.roots, .intermediates = domain.intermediates};
    if (Result<void> made = keeper->renew(now); !made) return fail(std::move(made.error()));
    return keeper;
}

Result<void> AuthorityKeeper::reload(const model::TrustDomain& domain, WallTime now) {
    Result<std::unique_ptr<AuthorityKeeper>> fresh = load(options_, domain, now);
    if (!fresh) return fail(std::move(fresh.error()));
    *this = std::move(**fresh);
    return {};
}

Result<std::string> AuthorityKeeper::sign(ByteView csr, const model::Identity& identity,
                                          WallTime now, std::uint64_t generation) const {
    return authority_.sign(csr, identity, now, options_.certificate_lifetime, generation);
}

// A new key each time: it never leaves this process.
Result<void> AuthorityKeeper::renew(WallTime now) {
    const model::Identity identity{.trust_domain = authority_.trust_domain(),
                                   .kind = model::IdentityKind::server,
                                   .name = options_.server};
    Result<std::string> key = tls::generate_key_pem();
    if (!key) return fail(std::move(key.error()), "making the server's key");
    Result<std::string> csr = tls::make_csr(*key, identity);
    if (!csr) return fail(std::move(csr.error()), "requesting the server's certificate");
    Result<std::string> chain = sign(as_bytes(*csr), identity, now);
    if (!chain) return fail(std::move(chain.error()), "issuing the server's certificate");
    const std::string with_root = *chain + tls::to_pem(as_bytes(authority_.root_der()));
    Result<tls::CredentialsPtr> credentials = tls::make_credentials(
        {.trust_domain = authority_.trust_domain(),
         .own = tls::KeyPair{.chain_pem = with_root, .key_pem = std::move(*key)},
         .trust = trust_,
         .alpn = {"h2"},
         .client_auth = tls::ClientAuth::optional,
         .root_pin = std::nullopt});
    if (!credentials)
        return fail(std::move(credentials.error()), "loading the server's certificate");
    credentials_ = std::move(*credentials);
    issued_at_ = now;
    renew_at_ = now + (tls::expires_at(*credentials_) - now) / 2;
    return {};
}

AuthorityKeeper::Expiries AuthorityKeeper::expiries() const {
    return {.issued = issued_at_,
            .certificate = tls::expires_at(*credentials_),
            .renews = renew_at_,
            .intermediate = expiry_of(authority_.intermediate_der()),
            .root = expiry_of(authority_.root_der())};
}

io::Task<void> AuthorityKeeper::keep_renewed() {
    while (true) {
        const Duration until(renew_at_ - io::wall_now());
        if (!co_await io::sleep(std::clamp(until, shortest_sleep, longest_sleep))) co_return;
        const WallTime now = io::wall_now();
        if (now < renew_at_) continue;
        if (Result<void> renewed = renew(now); !renewed) {
            log::error("could not renew the server's certificate", {{"error", renewed.error()}});
            renew_at_ = now + retry_ms;
        } else {
            log::info("renewed the server's certificate",
                      {{"expires", format_time(tls::expires_at(*credentials_))}});
        }
    }
}

} // namespace hawser::server
