// Keeps the certificate authority at work on this server: its keys, which the registry has sealed
// and this server's sealing key opens, and this server's own certificate, made in memory and
// renewed at half its life.
//
// A mesh made before feature level 3 has the keys in files (DATA_DIR/ca) until its leader moves
// them into the registry; each server removes its own once it opened what the registry has.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "audit/record.h"
#include "base/result.h"
#include "base/units.h"
#include "ca/authority.h"
#include "ca/signer.h"
#include "io/loop.h"
#include "model/resources.h"
#include "server/sealing_keys.h"
#include "tls/credentials.h"

namespace hawser::server {

// The key files in DATA_DIR/ca, of a mesh that has no other.
[[nodiscard]] Result<void> store_authority(const std::string& data_dir,
                                           const ca::NewAuthority& authority);
// What stands there of `domain`, with the root's key if it is there.
[[nodiscard]] Result<ca::OpenSigner> read_authority_files(const std::string& data_dir,
                                                          const model::TrustDomain& domain);

// What the registry, or a member, says of it.
struct AuthorityRows {
    model::TrustDomain domain;
    std::optional<model::Authority> authority;
    std::uint64_t index = 0; // of the authority

    bool operator==(const AuthorityRows&) const = default;
};

class AuthorityKeeper {
  public:
    struct Options {
        std::string data_dir;
        std::string server; // this server's name
        Duration certificate_lifetime{};
        SealingKeyPlace sealing_key;
        // Before a certificate of this server's own is used; none: nowhere.
        std::function<Result<void>(audit::Entry)> record{};
    };
    // Fails when the sealing key does not open the authority's keys, or they are of others.
    static Result<std::unique_ptr<AuthorityKeeper>> load(Options options, AuthorityRows rows,
                                                         WallTime now);

    // The authority changed: signs with what is active from now on. A failure leaves everything as
    // it was.
    [[nodiscard]] Result<void> reload(AuthorityRows rows, WallTime now);

    // What is used now.
    [[nodiscard]] const AuthorityRows& rows() const { return rows_; }
    // Of the authority that is used; 0: that in the files.
    [[nodiscard]] std::uint64_t index() const { return index_; }
    [[nodiscard]] const Options& options() const { return options_; }

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
    // Renews it until cancelled.
    [[nodiscard]] io::Task<void> keep_renewed();

  private:
    AuthorityKeeper(Options options, AuthorityRows rows, ca::Authority authority,
                    std::uint64_t index)
        : options_(std::move(options)),
          rows_(std::move(rows)),
          authority_(std::move(authority)),
          index_(index) {}

    Options options_;
    AuthorityRows rows_;
    ca::Authority authority_;
    std::uint64_t index_ = 0;
    tls::CredentialsPtr credentials_;
    WallTime issued_at_ = 0, renew_at_ = 0;
};

} // namespace hawser::server
