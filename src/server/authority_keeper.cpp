#include "server/authority_keeper.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/bytes.h"
#include "host/files.h"
#include "io/clock.h"
#include "io/socket.h"
#include "log/log.h"
#include "server/audit_entries.h"
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

bool exists(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
}

Result<std::vector<std::string>> read_certificates(const std::string& path) {
    Result<std::string> pem = read_secret_file(path);
    if (!pem) return fail(std::move(pem.error()));
    return tls::chain_from_pem(*pem);
}

Result<ca::Authority> make_authority(const std::string& trust_domain, ca::OpenSigner signer) {
    Result<ca::Authority> authority = ca::Authority::load(
        trust_domain, std::move(signer.root), std::move(signer.chain), signer.key.text());
    if (!authority) return fail(std::move(authority.error()), "loading the certificate authority");
    return authority;
}

// For people, and for `--ca`; the registry's row decides. Private like all in that folder.
Result<void> write_certificates(const std::string& data_dir, const AuthorityRows& rows) {
    std::string roots, chain;
    for (const std::string& der : rows.domain.roots) roots += tls::to_pem(as_bytes(der));
    for (const std::string& der : rows.authority->active.chain) chain += tls::to_pem(as_bytes(der));
    if (Result<void> made = make_secret_directory(data_dir + "/ca"); !made) return made;
    Result<void> written = write_secret_file(file(data_dir, "root.pem"), roots);
    if (written) written = write_secret_file(file(data_dir, "intermediate.pem"), chain);
    return written;
}

// Nothing needs the files' keys any more: the registry has them, and they can be opened.
void tidy_files(const std::string& data_dir, const AuthorityRows& rows) {
    for (const std::string_view name : {"intermediate.key", "root.key"}) {
        const std::string path = file(data_dir, name);
        if (!exists(path)) continue;
        if (Result<void> removed = host::remove_file(path); !removed) {
            log::warn("a key that the registry has now is still in a file",
                      {{"file", path}, {"error", removed.error()}});
        } else {
            log::info("removed a key file: the registry has it, sealed", {{"file", path}});
        }
    }
    if (Result<void> written = write_certificates(data_dir, rows); !written)
        log::warn("the authority's certificates were not written", {{"error", written.error()}});
}

// The authority reached this server before the key that opens it: what it had until then is as good
// as long as its root is trusted. Nothing: it had nothing.
std::optional<ca::Authority> former_authority(const std::string& data_dir,
                                              const model::TrustDomain& domain) {
    if (!exists(file(data_dir, "intermediate.key"))) return std::nullopt;
    Result<std::string> key = read_secret_file(file(data_dir, "intermediate.key"));
    auto chain = read_certificates(file(data_dir, "intermediate.pem"));
    auto roots = read_certificates(file(data_dir, "root.pem"));
    if (!key || !chain || !roots || !std::ranges::contains(domain.roots, roots->front()))
        return std::nullopt;
    Result<ca::Authority> authority = make_authority(
        domain.name,
        {.root = roots->front(), .chain = std::move(*chain), .root_key = {}, .key = {*key}});
    if (!authority) return std::nullopt;
    return std::move(*authority);
}

struct Loaded {
    ca::Authority authority;
    std::uint64_t index = 0;
};

Result<Loaded> load_sealed(const AuthorityKeeper::Options& options, const AuthorityRows& rows) {
    const Result<ca::SealingKey> key = read_sealing_key(options.sealing_key);
    if (!key) return fail(key.error());
    Result<ca::OpenSigner> signer = ca::open(rows.authority->active, *key);
    if (!signer)
        return fail(std::move(signer.error()),
                    "opening the authority's keys with " + options.sealing_key.path);
    Result<ca::Authority> authority = make_authority(rows.domain.name, std::move(*signer));
    if (!authority) return fail(std::move(authority.error()));
    return Loaded{.authority = std::move(*authority), .index = rows.index};
}

Result<Loaded> load_authority(const AuthorityKeeper::Options& options, const AuthorityRows& rows,
                              bool starting) {
    if (rows.authority) {
        Result<Loaded> loaded = load_sealed(options, rows);
        if (loaded || !starting) return loaded;
        std::optional<ca::Authority> former = former_authority(options.data_dir, rows.domain);
        if (!former) return loaded;
        log::warn("the authority's key files are used", {{"error", loaded.error()}});
        return Loaded{.authority = std::move(*former), .index = 0};
    }
    Result<ca::OpenSigner> signer = read_authority_files(options.data_dir, rows.domain);
    if (!signer) return fail(std::move(signer.error()), "loading the certificate authority");
    Result<ca::Authority> authority = make_authority(rows.domain.name, std::move(*signer));
    if (!authority) return fail(std::move(authority.error()));
    return Loaded{.authority = std::move(*authority), .index = 0};
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

Result<ca::OpenSigner> read_authority_files(const std::string& data_dir,
                                            const model::TrustDomain& domain) {
    if (domain.roots.empty() || domain.intermediates.empty())
        return fail(ErrorCode::corrupt, "the trust domain has no certificates");
    Result<std::string> key = read_secret_file(file(data_dir, "intermediate.key"));
    if (!key) return fail(std::move(key.error()));
    ca::OpenSigner signer{.root = domain.roots.front(),
                          .chain = {domain.intermediates.front()},
                          .root_key = {},
                          .key = {std::move(*key)}};
    if (!exists(file(data_dir, "root.key"))) return signer;
    Result<std::string> root = read_secret_file(file(data_dir, "root.key"));
    if (!root) return fail(std::move(root.error()));
    signer.root_key = {std::move(*root)};
    return signer;
}

Result<std::unique_ptr<AuthorityKeeper>> AuthorityKeeper::load(Options options, AuthorityRows rows,
                                                               WallTime now) {
    Result<Loaded> loaded = load_authority(options, rows, true);
    if (!loaded) return fail(std::move(loaded.error()));
    std::unique_ptr<AuthorityKeeper> keeper(new AuthorityKeeper(
        std::move(options), std::move(rows), std::move(loaded->authority), loaded->index));
    if (Result<void> made = keeper->renew(now); !made) return fail(std::move(made.error()));
    if (keeper->index_ != 0) tidy_files(keeper->options_.data_dir, keeper->rows_);
    return keeper;
}

Result<void> AuthorityKeeper::reload(AuthorityRows rows, WallTime now) {
    Result<Loaded> loaded = load_authority(options_, rows, false);
    if (!loaded) return fail(std::move(loaded.error()));
    AuthorityKeeper fresh(options_, std::move(rows), std::move(loaded->authority), loaded->index);
    if (Result<void> made = fresh.renew(now); !made) return made;
    *this = std::move(fresh);
    if (index_ != 0) tidy_files(options_.data_dir, rows_);
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
    if (options_.record) {
        Result<audit::Entry> entry = certificate_entry(*chain);
        if (!entry) return fail(std::move(entry.error()), "issuing the server's certificate");
        entry->who = "server:" + options_.server;
        if (Result<void> kept = options_.record(std::move(*entry)); !kept)
            return fail(std::move(kept.error()), "issuing the server's certificate");
    }
    const std::string with_root = *chain + tls::to_pem(as_bytes(authority_.root_der()));
    Result<tls::CredentialsPtr> credentials = tls::make_credentials(
        {.trust_domain = authority_.trust_domain(),
         .own = tls::KeyPair{.chain_pem = with_root, .key_pem = std::move(*key)},
         .trust = {.roots = rows_.domain.roots, .intermediates = rows_.domain.intermediates},
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
            .intermediate = authority_.not_after(),
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
