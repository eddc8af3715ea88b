#include "store/log_store.h"

#include <algorithm>
#include <array>
#include <format>
#include <utility>

#include "base/bytes.h"
#include "store/fields.h"

namespace hawser::store {

namespace {

constexpr int format_version = 2;
// A row holds the entries of one write, or of several that were made together: a row for each entry
// would cost more than the entries themselves. `position` is the first one's.
constexpr std::string_view schema = R"(
CREATE TABLE head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    fields BLOB NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
CREATE TABLE writes (
    position INTEGER PRIMARY KEY,
    entries BLOB NOT NULL
) STRICT;
)";

// A row that has as much is followed by another: rows are read, cut and dropped as a whole.
constexpr std::size_t row_bytes = 256 << 10;

// Covers the entry's place too: an entry that moved is as wrong as one that changed.
std::uint32_t checksum_of(const raft::Entry& entry) {
    std::array<std::uint8_t, 24> place{};
    std::size_t at = 0;
    for (const std::uint64_t number :
         {entry.index, entry.term, static_cast<std::uint64_t>(entry.kind)}) {
        for (int shift = 56; shift >= 0; shift -= 8)
            place[at++] = static_cast<std::uint8_t>(number >> shift);
    }
    return crc32c(as_bytes(*entry.data), crc32c(place));
}

void append(const raft::Entry& entry, FieldWriter& row) {
    row.number(checksum_of(entry)).number(entry.index).number(entry.term);
    row.number(static_cast<std::uint64_t>(entry.kind)).text(*entry.data);
}

bool is_entry_kind(std::uint64_t kind) {
    return kind >= static_cast<std::uint64_t>(raft::EntryKind::noop) &&
           kind <= static_cast<std::uint64_t>(raft::EntryKind::configuration);
}

// The row's entries, up to the first one that is damaged: its place is then in the error.
Result<void> decode_row(raft::Index first, std::string_view row,
                        std::vector<raft::Entry>& entries) {
    FieldReader fields(row);
    for (raft::Index expected = first; !fields.complete(); ++expected) {
        const std::uint64_t checksum = fields.number();
        raft::Entry entry{.index = fields.number(), .term = fields.number()};
        const std::uint64_t kind = fields.number();
        entry.kind = static_cast<raft::EntryKind>(kind);
        entry.data = raft::make_payload(fields.text());
        if (fields.short_of_bytes() || entry.index != expected || !is_entry_kind(kind) ||
            checksum_of(entry) != checksum) {
            return fail(ErrorCode::corrupt, std::format("entry {} fails its checksum", expected));
        }
        entries.push_back(std::move(entry));
    }
    return {};
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
    Result<raft::Index> last = store.load_last();
    if (!last) return fail(std::move(last.error()));
    store.last_ = *last;
    return store;
}

Result<void> LogStore::prepare() {
    const std::pair<Statement*, std::string_view> statements[] = {
        {&insert_, "INSERT INTO writes (position, entries) VALUES (?, ?)"},
        {&truncate_, "DELETE FROM writes WHERE position >= ?"},
        {&find_, "SELECT position, entries FROM writes ORDER BY position DESC LIMIT 1"},
        // The row with the first entry that is kept stays, and all after it.
        {&drop_,
         "DELETE FROM writes WHERE position < "
         "(SELECT max(position) FROM writes WHERE position <= ?)"},
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
    Result<std::vector<raft::Entry>> entries = load_entries();
    if (!entries) return fail(std::move(entries.error()));
    return raft::Restored{.id = head_.id,
                          .hard_state = head_.hard_state,
                          .base = head_.base,
                          .entries = std::move(*entries)};
}

// What follows the base; the row that it ends in may begin before it.
Result<std::vector<raft::Entry>> LogStore::load_entries() {
    Result<Statement> query =
        database_.prepare("SELECT position, entries FROM writes ORDER BY position");
    if (!query) return fail(std::move(query.error()));
    std::vector<raft::Entry> entries;
    while (true) {
        Result<bool> row = query->step();
        if (!row) return fail(std::move(row.error()));
        if (!*row) break;
        const auto first = static_cast<raft::Index>(query->integer(0));
        if (Result<void> read = decode_row(first, query->bytes(1), entries); !read) {
            return fail(std::move(read.error()), database_.name());
        }
    }
    std::erase_if(entries, [this](const raft::Entry& entry) {
        return entry.index <= head_.base.position.index;
    });
    return entries;
}

Result<void> LogStore::bootstrap(raft::ServerId id, const raft::Persist& first) {
    if (head_.id != raft::no_server) {
        return fail(ErrorCode::already_exists, database_.name() + " holds a log already");
    }
    Head head = head_;
    head.id = id;
    return store(std::span(&first, 1), std::move(head));
}

Result<void> LogStore::persist(std::span<const raft::Persist> writes) {
    if (writes.empty()) return {};
    return store(writes, head_);
}

Result<void> LogStore::store(std::span<const raft::Persist> writes, Head head) {
    head.hard_state = writes.back().hard_state;
    Result<Transaction> transaction = Transaction::begin(database_);
    if (!transaction) return fail(std::move(transaction.error()));
    raft::Index last = last_;
    if (Result<void> stored = store_entries(writes, head, last); !stored) return stored;
    if (head != head_) {
        if (Result<void> stored = store_head(head); !stored) return stored;
    }
    if (Result<void> committed = transaction->commit(); !committed) return committed;
    head_ = std::move(head);
    last_ = last;
    return {};
}

// `last`: of the stored entries, before and after.
Result<void> LogStore::store_entries(std::span<const raft::Persist> writes, Head& head,
                                     raft::Index& last) {
    std::vector<const raft::Entry*> row; // gathered, not yet stored
    std::size_t bytes = 0;
    for (const raft::Persist& write : writes) {
        if (write.reset) {
            row.clear();
            if (Result<void> emptied = truncate_.bind(1, 0).run(); !emptied) return emptied;
            head.base = *write.reset;
            last = head.base.position.index;
        }
        if (write.entries.empty()) continue;
        const bool replaces = write.entries.front().index <= last;
        if (bytes >= row_bytes || replaces) {
            if (Result<void> stored = store_row(row); !stored) return stored;
            bytes = 0;
        }
        if (replaces) {
            if (Result<void> cut = cut_from(write.entries.front().index); !cut) return cut;
        }
        for (const raft::Entry& entry : write.entries) {
            row.push_back(&entry);
            bytes += entry.data->size();
        }
        last = write.entries.back().index;
    }
    return store_row(row);
}

Result<void> LogStore::store_row(std::vector<const raft::Entry*>& entries) {
    if (entries.empty()) return {};
    FieldWriter row;
    for (const raft::Entry* entry : entries) append(*entry, row);
    const auto first = static_cast<std::int64_t>(entries.front()->index);
    entries.clear();
    return insert_.bind(1, first).bind(2, row.bytes()).run();
}

Result<std::vector<raft::Entry>> LogStore::load_last_row() {
    std::vector<raft::Entry> entries;
    Result<bool> found = find_.step();
    Result<void> read;
    if (found && *found) {
        read = decode_row(static_cast<raft::Index>(find_.integer(0)), find_.bytes(1), entries);
    }
    find_.reset();
    if (!found) return fail(std::move(found.error()));
    if (!read) return fail(std::move(read.error()), database_.name());
    return entries;
}

Result<raft::Index> LogStore::load_last() {
    Result<std::vector<raft::Entry>> row = load_last_row();
    if (!row) return fail(std::move(row.error()));
    const raft::Index base = head_.base.position.index;
    return row->empty() ? base : std::max(base, row->back().index);
}

// What is stored from `first` on goes. The row that `first` is in may begin before it: what comes
// before is stored again.
Result<void> LogStore::cut_from(raft::Index first) {
    if (Result<void> cut = truncate_.bind(1, static_cast<std::int64_t>(first)).run(); !cut)
        return cut;
    Result<std::vector<raft::Entry>> row = load_last_row();
    if (!row) return fail(std::move(row.error()));
    if (row->empty() || row->back().index < first) return {};
    const auto begin = static_cast<std::int64_t>(row->front().index);
    if (Result<void> cut = truncate_.bind(1, begin).run(); !cut) return cut;
    std::vector<const raft::Entry*> kept;
    for (const raft::Entry& entry : *row) {
        if (entry.index < first) kept.push_back(&entry);
    }
    return store_row(kept);
}

Result<void> LogStore::compact(const raft::Base& base) {
    if (base.position.index <= head_.base.position.index) return {}; // a reset went further
    Head head = head_;
    head.base = base;
    Result<Transaction> transaction = Transaction::begin(database_);
    if (!transaction) return fail(std::move(transaction.error()));
    const auto kept = static_cast<std::int64_t>(base.position.index + 1);
    if (Result<void> dropped = drop_.bind(1, kept).run(); !dropped) return dropped;
    if (Result<void> stored = store_head(head); !stored) return stored;
    if (Result<void> committed = transaction->commit(); !committed) return committed;
    head_ = std::move(head);
    return {};
}

} // namespace hawser::store
