#include "rpc/connection_table.h"

#include <algorithm>

#include "base/check.h"

namespace hawser::rpc {

namespace {

const char* too_many(Standing standing) {
    switch (standing) {
        case Standing::greeting: return "too many handshakes at a time";
        case Standing::newcomer: return "too many connections that ask nothing";
        case Standing::stranger: return "too many connections of unknown callers";
        case Standing::member: break;
    }
    return "too many connections";
}

} // namespace

ConnectionTable::ConnectionTable(const Limits& limits) : limits_(limits) {
    HAWSER_CHECK(std::ranges::min(limits) > 0);
}

ConnectionTable::Place::Place(ConnectionTable& table, http::H2Connection& connection)
    : table_(table), connection_(connection) {
    if (table_.full(standing_)) table_.of(standing_).front()->turn_out();
    at_ = table_.of(standing_).insert(table_.of(standing_).end(), this);
}

Result<void> ConnectionTable::Place::become(Standing standing) {
    if (turned_out_) return fail(*turned_out_);
    if (standing == Standing::member) {
        if (Result<void> room = table_.check_room_for_members(); !room) return room;
    } else if (table_.full(standing)) {
        table_.of(standing).front()->turn_out();
    }
    table_.of(standing).splice(table_.of(standing).end(), table_.of(standing_), at_);
    standing_ = standing;
    return {};
}

void ConnectionTable::Place::leave() {
    if (!turned_out_) table_.of(standing_).erase(at_);
}

void ConnectionTable::Place::turn_out() {
    leave();
    turned_out_ = Error{ErrorCode::resource_exhausted, too_many(standing_)};
    connection_.abort();
}

Result<void> ConnectionTable::check_room_for_members() const {
    if (!full(Standing::member)) return {};
    return fail(ErrorCode::resource_exhausted, too_many(Standing::member));
}

void ConnectionTable::goaway() {
    for (const Standing standing : {Standing::newcomer, Standing::stranger, Standing::member})
        for (Place* place : of(standing)) place->connection_.goaway();
}

} // namespace hawser::rpc
