// The cluster's members and the history of rows ↔ protobuf.
#include <format>

#include "base/limits.h"
#include "model/codec.h"

namespace hawser::model {

v1::Server to_proto(const Server& server) {
    v1::Server message;
    message.set_id(server.id);
    message.set_name(server.name);
    for (const Endpoint& address : server.addresses) *message.add_addresses() = to_proto(address);
    message.set_version(server.version);
    message.set_level(server.level);
    message.set_joined_at_ms(server.joined_at);
    message.set_leaving(server.leaving);
    return message;
}

Result<Server> from_proto(const v1::Server& message) {
    Server server{.id = message.id(),
                  .name = message.name(),
                  .addresses = {},
                  .version = message.version(),
                  .level = message.level(),
                  .joined_at = message.joined_at_ms(),
                  .leaving = message.leaving()};
    if (message.addresses_size() > static_cast<int>(limits::addresses_per_server)) {
        return fail(ErrorCode::invalid,
                    std::format("a server of {} addresses", message.addresses_size()));
    }
    for (const v1::Endpoint& address : message.addresses()) {
        const Result<Endpoint> endpoint = from_proto(address);
        if (!endpoint) return fail(endpoint.error());
        server.addresses.push_back(*endpoint);
    }
    return server;
}

v1::HistoryEntry to_proto(const HistoryEntry& entry) {
    v1::HistoryEntry message;
    message.set_index(entry.index);
    message.set_kind(entry.kind);
    message.set_key(entry.key);
    message.set_verb(static_cast<v1::Verb>(entry.verb));
    message.set_at_ms(entry.at);
    message.set_actor(entry.actor);
    message.set_source(entry.source);
    message.set_previous(entry.previous);
    message.set_before(entry.before);
    message.set_after(entry.after);
    return message;
}

Result<HistoryEntry> from_proto(const v1::HistoryEntry& message) {
    switch (message.verb()) {
        case v1::VERB_CREATED:
        case v1::VERB_CHANGED:
        case v1::VERB_DELETED: break;
        default:
            return fail(ErrorCode::invalid, std::format("history has no verb {} in this version",
                                                        static_cast<int>(message.verb())));
    }
    if (message.kind() == 0 || message.kind() > static_cast<std::uint32_t>(last_kind)) {
        return fail(ErrorCode::invalid, std::format("history of kind {}, which this version does "
                                                    "not know",
                                                    message.kind()));
    }
    return HistoryEntry{.index = message.index(),
                        .kind = static_cast<std::uint8_t>(message.kind()),
                        .key = message.key(),
                        .verb = static_cast<Verb>(message.verb()),
                        .at = message.at_ms(),
                        .actor = message.actor(),
                        .source = message.source(),
                        .previous = message.previous(),
                        .before = message.before(),
                        .after = message.after()};
}

} // namespace hawser::model
