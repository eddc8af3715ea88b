// Which messages a correct server could have sent; see message.h.
#include "raft/message.h"

#include <format>
#include <limits>

namespace hawser::raft {

namespace {

Result<void> invalid(std::string what) {
    return fail(ErrorCode::invalid, std::move(what));
}

// A place that exists in no log has a term without an index, or the other way round.
Result<void> check_position(const Position& position, Term newest) {
    if (position.index > max_index || position.term > newest ||
        (position.index == 0) != (position.term == 0)) {
        return invalid(
            std::format("no log has entry {} of term {}", position.index, position.term));
    }
    return {};
}

Result<void> check_entry(const Entry& entry, const Position& previous) {
    if (entry.index != previous.index + 1 || entry.term < previous.term || entry.term == 0) {
        return invalid(std::format("entry {} of term {} comes after entry {} of term {}",
                                   entry.index, entry.term, previous.index, previous.term));
    }
    if (!entry.data) return invalid(std::format("entry {} has no data", entry.index));
    switch (entry.kind) {
        case EntryKind::command: return {};
        case EntryKind::noop:
            if (!entry.data->empty()) return invalid("a no-op carries data");
            return {};
        case EntryKind::configuration: {
            const Result<Configuration> configuration = decode_configuration(*entry.data);
            if (!configuration) {
                return fail(configuration.error(), std::format("entry {}", entry.index));
            }
            if (configuration->voters.empty()) return invalid("a configuration without voters");
            return {};
        }
    }
    return fail(ErrorCode::unimplemented,
                std::format("entry {} is of an unknown kind", entry.index));
}

Result<void> check_body(const PreVoteRequest& request, Term term) {
    return check_position(request.last, term);
}

Result<void> check_body(const VoteRequest& request, Term term) {
    return check_position(request.last, term - 1); // a candidate has no entry of its own term yet
}

Result<void> check_body(const AppendRequest& request, Term term) {
    if (request.entries.size() > max_entries_per_append) {
        return invalid(std::format("an append of {} entries", request.entries.size()));
    }
    if (Result<void> checked = check_position(request.previous, term); !checked) return checked;
    Position previous = request.previous;
    for (const Entry& entry : request.entries) {
        if (Result<void> checked = check_entry(entry, previous); !checked) return checked;
        previous = entry.position();
    }
    if (previous.index > max_index || previous.term > term) {
        return invalid("an append reaches beyond the sender's term");
    }
    return {};
}

Result<void> check_body(const AppendReply& reply, Term term) {
    if (!reply.rejection) return {};
    return check_position(reply.rejection->hint, term);
}

Result<void> check_body(const SnapshotRequest& request, Term term) {
    if (Result<void> checked = check_position(request.base.position, term); !checked) {
        return checked;
    }
    if (request.base.position.index == 0) return invalid("a snapshot of nothing");
    if (request.base.configuration.voters.empty()) return invalid("a snapshot without voters");
    if (!request.data || request.data->size() > max_snapshot_chunk) {
        return invalid("a piece of a snapshot has no size, or too much of it");
    }
    if (request.data->empty() && !request.last) return invalid("an empty piece of a snapshot");
    if (request.offset > std::numeric_limits<std::uint64_t>::max() / 2) {
        return invalid("a snapshot of an impossible size");
    }
    return {};
}

template <typename Anything>
Result<void> check_body(const Anything& /*body*/, Term /*term*/) {
    return {};
}

} // namespace

Result<void> check_message(const Message& message, ServerId self) {
    if (message.to != self) return invalid("the message is for another server");
    if (message.from == no_server || message.from == self) {
        return invalid("the message is of nobody");
    }
    if (message.term == 0 || message.term > max_term) {
        return invalid(std::format("no server has term {}", message.term));
    }
    return std::visit([&](const auto& body) { return check_body(body, message.term); },
                      message.body);
}

} // namespace hawser::raft
