#include "store/log_store.h"

#include <format>
#include <utility>

#include "base/bytes.h"
#include "store/fields.h"

namespace hawser::store {

namespace {

constexpr int format_version = 1;
constexpr std::string_view schema = R"(
CREATE TABLE head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    fields BLOB NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
CREATE TABLE entries (
    position INTEGER PRIMARY KEY,
    term INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    data BLOB NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
)";

// Covers the entry's place too: a row that moved is as wrong as one that changed.
std::uint32_t checksum_of(const raft::Entry& entry) {
    FieldWriter fields;
    fields.number(entry.index).number(entry.term).number(static_cast<std::uint64_t>(entry.kind));
    return crc32c(as_bytes(*entry.data), crc32c(as_bytes(fields.bytes())));
}

bool is_entry_kind(std::int64_t kind) {
    return kind >= static_cast<int>(raft::EntryKind::noop) &&
           kind <= static_cast<int>(raft::EntryKind::configuration);
}

} // namespace

Result<LogStore> LogStore::open(const std::string& path) {
    Result<Database> database = Database::open(path, Durability::power_cut, schema, format_version);
    if (!database) return fail(std::move(database.error()));
    LogStore store(std::move(*database));
    if (Result<void> prepared = store.prepare(); !prepared)
        return fail(std::move(prepared.error()));
    Result<Head> head = store.load_head();
    if (!head) return fail(std::move(head.error()));
    store.head_ = std::move(*head);
    return store;
}

Result<void> LogStore::prepare() {
    const std::pair<Statement*, std::string_view> statements[] = {
        {&insert_,
         "INSERT INTO entries (position, term, kind, data, checksum) VALUES (?, ?, ?, ?, ?)"},
        {&truncate_, "DELETE FROM entries WHERE position >= ?"},
        {&drop_, "DELETE FROM entries WHERE position <= ?"},
        {&put_head_,
         "INSERT INTO head (id, fields, checksum) VALUES (1, ?, ?) "
         "ON CONFLICT DO UPDATE SET fields = excluded.fields, checksum = excluded.checksum"},
    };
    for (const auto& [statement, sql] : statements) {
        Result<Statement> prepared = database_.prepare(sql);
        if (!prepared) return fail(std::move(prepared.error()));
        *statement = std::move(*prepared);
    }
    return {};
}

Result<LogStore::Head> LogStore::load_head() {
    Result<Statement> query = database_.prepare("SELECT fields, checksum FROM head");
    if (!query) return fail(std::move(query.error()));
    Result<bool> row = query->step();
    if (!row) return fail(std::move(row.error()));
    if (!*row) return Head{};
    const std::string_view bytes = query->bytes(0);
    if (crc32c(as_bytes(bytes)) != query->integer(1)) {
        return fail(ErrorCode::corrupt,
                    database_.name() + ": the stored term and vote fail their checksum");
    }
    FieldReader fields(bytes);
    Head head;
    head.id = fields.number();
    head.hard_state = {.term = fields.number(), .vote = fields.number()};
    head.base.position = {.index = fields.number(), .term = fields.number()};
    const std::string configuration = fields.text();
    if (!fields.complete()) {
        return fail(ErrorCode::corrupt,
                    database_.name() + ": the stored term and vote are cut off");
    }
    if (!configuration.empty()) {
        Result<raft::Configuration> decoded = raft::decode_configuration(configuration);
        if (!decoded) return fail(std::move(decoded.error()), database_.name());
        head.base.configuration = std::move(*decoded);
    }
    return head;
}

Result<void> LogStore::store_head(const Head& head) {
    FieldWriter fields;
    fields.number(head.id).number(head.hard_state.term).number(head.hard_state.vote);
    fields.number(head.base.position.index).number(head.base.position.term);
    fields.text(raft::encode(head.base.configuration));
    const std::string bytes = std::move(fields).take();
    return put_head_.bind(1, bytes).bind(2, std::int64_t{crc32c(as_bytes(bytes))}).run();
}

Result<raft::Restored> LogStore::load() {
    Result<std::vector<raft::Entry>> entries = load_entries(head_.base);
    if (!entries) return fail(std::move(entries.error()));
    return raft::Restored{.id = head_.id,
                          .hard_state = head_.hard_state,
                          .base = head_.base,
                          .entries = std::move(*entries)};
}

Result<std::vector<raft::Entry>> LogStore::load_entries(const raft::Base& base) {
    Result<Statement> query = database_.prepare(
        "SELECT position, term, kind, data, checksum FROM entries WHERE position > ? "
        "ORDER BY position");
    if (!query) return fail(std::move(query.error()));
    query->bind(1, static_cast<std::int64_t>(base.position.index));
    std::vector<raft::Entry> entries;
    while (true) {
        Result<bool> row = query->step();
        if (!row) return fail(std::move(row.error()));
        if (!*row) return entries;
        const std::int64_t kind = query->integer(2);
        raft::Entry entry{.index = static_cast<raft::Index>(query->integer(0)),
                          .term = static_cast<raft::Term>(query->integer(1)),
                          .kind = static_cast<raft::EntryKind>(kind),
                          .data = raft::make_payload(std::string(query->bytes(3)))};
        if (!is_entry_kind(kind) || checksum_of(entry) != query->integer(4)) {
            return fail(ErrorCode::corrupt, std::format("{}: entry {} fails its checksum",
                                                        database_.name(), entry.index));
        }
        entries.push_back(std::move(entry));
    }
}

Result<void> LogStore::bootstrap(raft::ServerId id, const raft::Persist& first) {
    if (head_.id != raft::no_server) {
        return fail(ErrorCode::already_exists, database_.name() + " holds a log already");
    }
    Head head = head_;
    head.id = id;
    head.hard_state = first.hard_state;
    Result<Transaction> transaction = Transaction::begin(database_);
    if (!transaction) return fail(std::move(transaction.error()));
    if (Result<void> stored = store_entries(first.entries); !stored) return stored;
    if (Result<void> stored = store_head(head); !stored) return stored;
    if (Result<void> committed = transaction->commit(); !committed) return committed;
    head_ = std::move(head);
    return {};
}

Result<void> LogStore::persist(std::span<const raft::Persist> writes) {
    if (writes.empty()) return {};
    Head head = head_;
    head.hard_state = writes.back().hard_state;
    Result<Transaction> transaction = Transaction::begin(database_);
    if (!transaction) return fail(std::move(transaction.error()));
    for (const raft::Persist& write : writes) {
        if (write.reset) {
            if (Result<void> emptied = truncate_.bind(1, 0).run(); !emptied) return emptied;
            head.base = *write.reset;
        }
        if (Result<void> stored = store_entries(write.entries); !stored) return stored;
    }
    if (head != head_) {
        if (Result<void> stored = store_head(head); !stored) return stored;
    }
    if (Result<void> committed = transaction->commit(); !committed) return committed;
    head_ = std::move(head);
    return {};
}

Result<void> LogStore::store_entries(const std::vector<raft::Entry>& entries) {
    if (entries.empty()) return {};
    const auto first = static_cast<std::int64_t>(entries.front().index);
    if (Result<void> truncated = truncate_.bind(1, first).run(); !truncated) return truncated;
    for (const raft::Entry& entry : entries) {
        Result<void> inserted = insert_.bind(1, static_cast<std::int64_t>(entry.index))
                                    .bind(2, static_cast<std::int64_t>(entry.term))
                                    .bind(3, static_cast<std::int64_t>(entry.kind))
                                    .bind(4, *entry.data)
                                    .bind(5, std::int64_t{checksum_of(entry)})
                                    .run();
        if (!inserted) return inserted;
    }
    return {};
}

Result<void> LogStore::compact(const raft::Base& base) {
    if (base.position.index <= head_.base.position.index) return {}; // a reset went further
    Head head = head_;
    head.base = base;
    Result<Transaction> transaction = Transaction::begin(database_);
    if (!transaction) return fail(std::move(transaction.error()));
    const auto last = static_cast<std::int64_t>(base.position.index);
    if (Result<void> dropped = drop_.bind(1, last).run(); !dropped) return dropped;
    if (Result<void> stored = store_head(head); !stored) return stored;
    if (Result<void> committed = transaction->commit(); !committed) return committed;
    head_ = std::move(head);
    return {};
}

} // namespace hawser::store
