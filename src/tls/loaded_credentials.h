// What `Credentials` is inside this room: certificates and key in mbedTLS's form, and one
// configuration for each role. Never changed once made, so any number of threads may use it.
#pragma once

#include <mbedtls/ssl.h>

#include <optional>
#include <string>
#include <vector>

#include "tls/credentials.h"
#include "tls/library.h"
#include "tls/session.h"

namespace hawser::tls {

using ConfigHandle = Handle<mbedtls_ssl_config, mbedtls_ssl_config_init, mbedtls_ssl_config_free>;

class Credentials {
  public:
    static Result<CredentialsPtr> load(CredentialsOptions options);

    [[nodiscard]] const mbedtls_ssl_config* configuration(Role role) const {
        return role == Role::client ? client_.get() : server_.get();
    }
    [[nodiscard]] const CredentialsOptions& options() const { return options_; } // without the key
    [[nodiscard]] bool has_certificate() const { return identity_.has_value(); }
    [[nodiscard]] const std::optional<model::Identity>& identity() const { return identity_; }
    [[nodiscard]] WallTime expires_at() const { return expires_at_; }

  private:
    explicit Credentials(CredentialsOptions options) : options_(std::move(options)) {}
    Result<void> load_trust();
    Result<void> load_intermediate(const std::string& der);
    Result<void> load_own(KeyPair own);
    Result<void> configure(mbedtls_ssl_config& config, Role role);

    CredentialsOptions options_;
    std::optional<model::Identity> identity_;
    WallTime expires_at_ = 0;
    std::vector<const char*> alpn_; // as mbedTLS wants it: ends with a null pointer
    CrtHandle trusted_;             // roots, then intermediates that one of them signed
    CrtHandle chain_;
    PkHandle key_;
    ConfigHandle client_, server_;
};

} // namespace hawser::tls
