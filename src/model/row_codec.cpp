// Rows and changes ↔ bytes.
#include <format>

#include "base/bytes.h"
#include "model/codec.h"
#include "model/serialization.h"
#include "model/validation.h"

namespace hawser::model {

namespace {

template <typename Message>
Result<Resource> decode_as(std::string_view bytes) {
    Message message;
    if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
        return fail(ErrorCode::corrupt, "not a valid message");
    }
    auto resource = from_proto(message);
    if (!resource) return fail(std::move(resource.error()));
    if (const Result<void> checked = check(*resource); !checked) return fail(checked.error());
    return Resource(*std::move(resource));
}

Result<Resource> decode_kind(Kind kind, std::string_view bytes) {
    switch (kind) {
        case Kind::trust_domain: return decode_as<v1::TrustDomain>(bytes);
        case Kind::service: return decode_as<v1::Service>(bytes);
        case Kind::instance: return decode_as<v1::Instance>(bytes);
        case Kind::node: return decode_as<v1::Node>(bytes);
        case Kind::policy: return decode_as<v1::Policy>(bytes);
        case Kind::join_token: return decode_as<v1::JoinToken>(bytes);
        case Kind::operator_token: return decode_as<v1::OperatorToken>(bytes);
        case Kind::server: return decode_as<v1::Server>(bytes);
        case Kind::history: return decode_as<v1::HistoryEntry>(bytes);
        case Kind::authority: return decode_as<v1::Authority>(bytes);
        case Kind::quarantine: return decode_as<v1::Quarantine>(bytes);
        case Kind::audit_head: return decode_as<v1::AuditHead>(bytes);
    }
    return fail(ErrorCode::invalid, "a kind this version does not know");
}

} // namespace

std::string encode(const Resource& resource) {
    return std::visit([](const auto& value) { return serialize(to_proto(value)); }, resource);
}

Result<Resource> decode(Kind kind, std::string_view bytes) {
    if (bytes.size() > limits::rpc_message_bytes) {
        return fail(ErrorCode::resource_exhausted,
                    std::format("a {} of {} bytes", to_string(kind), bytes.size()));
    }
    Result<Resource> resource = decode_kind(kind, bytes);
    if (!resource)
        return fail(std::move(resource.error()), std::format("reading a {}", to_string(kind)));
    return resource;
}

v1::Change to_proto(const Change& change) {
    v1::Change message;
    message.set_kind(static_cast<std::uint32_t>(change.kind));
    message.set_key(change.key);
    message.set_index(change.index);
    message.set_deleted(change.deleted());
    if (!change.deleted()) message.set_value(encode(*change.value));
    return message;
}

Result<Change> from_proto(const v1::Change& message) {
    if (message.kind() < static_cast<std::uint32_t>(Kind::trust_domain) ||
        message.kind() > static_cast<std::uint32_t>(last_kind)) {
        return fail(
            ErrorCode::invalid,
            std::format("a change of kind {}, which this version does not know", message.kind()));
    }
    Change change{.kind = static_cast<Kind>(message.kind()),
                  .key = message.key(),
                  .index = message.index(),
                  .value = nullptr};
    if (message.deleted()) return change;
    Result<Resource> resource = decode(change.kind, message.value());
    if (!resource) return fail(std::move(resource.error()));
    if (key_of(*resource) != change.key) {
        return fail(ErrorCode::corrupt, std::format("a {} under the key {}", to_string(change.kind),
                                                    quote(change.key)));
    }
    change.value = std::make_shared<const Resource>(*std::move(resource));
    return change;
}

} // namespace hawser::model
