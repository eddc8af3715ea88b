// Keeps the certificate authority at work on this server: its key on disk, and this server's own
// certificate, made in memory and renewed at half its life.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "base/units.h"
#include "ca/authority.h"
#include "io/loop.h"
#include "model/resources.h"
#include "tls/credentials.h"

namespace hawser::server {

// The key files in DATA_DIR/ca. The certificates are there for people; the registry's row decides.
[[nodiscard]] Result<void> store_authority(const std::string& data_dir,
                                           const ca::NewAuthority& authority);

class AuthorityKeeper {
  public:
    struct Options {
        std::string data_dir;
        std::string server; // this server's name
        Duration certificate_lifetime{};
    };
    // Fails when the key on disk is not that of the domain's newest intermediate.
    static Result<std::unique_ptr<AuthorityKeeper>> load(Options options,
                                                         const model::TrustDomain& domain,
                                                         WallTime now);

    // The domain's certificates changed: signs with the newest intermediate from now on. A failure
    // leaves everything as it was.
    [[nodiscard]] Result<void> reload(const model::TrustDomain& domain, WallTime now);

    [[nodiscard]] const ca::Authority& authority() const { return authority_; }
    // For new connections. The chain includes the root, so that a joining host can compare it with
    // the pin in its token.
    [[nodiscard]] tls::CredentialsPtr credentials() const { return credentials_; }

    // A chain (PEM) for a leaf with the configured lifetime.
    [[nodiscard]] Result<std::string> sign(ByteView csr, const model::Identity& identity,
                                           WallTime now, std::uint64_t generation = 0) const;

    struct Expiries {
        WallTime issued = 0; // this server's own
        WallTime certificate = 0;
        WallTime renews = 0;
        WallTime intermediate = 0;
        WallTime root = 0;
    };
    [[nodiscard]] Expiries expiries() const;

    // This server's own certificate, now.
    [[nodiscard]] Result<void> renew(WallTime now);
    // Renews until cancelled.
    [[nodiscard]] io::Task<void> keep_renewed();

  private:
    AuthorityKeeper(Options options, ca::Authority authority)
        : options_(std::move(options)), authority_(std::move(authority)) {}

    Options options_;
    ca::Authority authority_;
    tls::TrustBundle trust_;
    tls::CredentialsPtr credentials_;
    WallTime issued_at_ = 0, renew_at_ = 0;
};

} // namespace hawser::server
