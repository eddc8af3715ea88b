// Names and identities: the grammar every room validates against.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hawser::model {

// A service, node or policy name: a lower-case DNS label, 1–63 of [a-z0-9-], not beginning or
// ending with '-'. `what` goes into the message: "service name 'Api' …".
[[nodiscard]] Result<void> check_name(std::string_view name, std::string_view what);

// A trust domain: lower-case DNS labels joined by dots, at most 255 characters (SPIFFE-ID §2.1;
// '_' of its grammar is not accepted).
[[nodiscard]] Result<void> check_trust_domain(std::string_view name);

enum class IdentityKind : std::uint8_t { service, node, server };

// spiffe://<trust-domain>/svc/<name>, …/node/<name>, …/server/<name>: the only forms hawser
// issues or accepts.
struct Identity {
    std::string trust_domain;
    IdentityKind kind = IdentityKind::service;
    std::string name;

    static Result<Identity> parse(std::string_view uri);
    [[nodiscard]] std::string to_uri() const;
    bool operator==(const Identity&) const = default;
};

} // namespace hawser::model
