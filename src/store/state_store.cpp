#include "store/state_store.h"

#include <format>
#include <utility>

#include "base/bytes.h"
#include "store/fields.h"

namespace hawser::store {

namespace {

constexpr int format_version = 2;
constexpr std::string_view schema = R"(
CREATE TABLE head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    fields BLOB NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
CREATE TABLE rows (
    kind INTEGER NOT NULL,
    name BLOB NOT NULL,
    position INTEGER NOT NULL,
    value BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
)";

std::uint32_t checksum_of(model::Kind kind, std::string_view key, std::uint64_t index,
                          std::string_view value) {
    FieldWriter fields;
    fields.number(static_cast<std::uint64_t>(kind)).text(key).number(index);
    return crc32c(as_bytes(value), crc32c(as_bytes(fields.bytes())));
}

Result<model::Change> decode_row(const Statement& row, const std::string& file) {
    model::Change change{.kind = static_cast<model::Kind>(row.integer(0)),
                         .key = std::string(row.bytes(1)),
                         .index = static_cast<std::uint64_t>(row.integer(2)),
                         .value = nullptr};
    const std::string_view value = row.bytes(3);
    if (checksum_of(change.kind, change.key, change.index, value) != row.integer(4)) {
        return fail(ErrorCode::corrupt, std::format("{}: the row {} '{}' fails its checksum", file,
                                                    model::to_string(change.kind), change.key));
    }
    Result<model::Resource> resource = model::decode(change.kind, value);
    if (!resource) {
        return fail(
            std::move(resource.error()),
            std::format("{}: the row {} '{}'", file, model::to_string(change.kind), change.key));
    }
    change.value = std::make_shared<const model::Resource>(std::move(*resource));
    return change;
}

} // namespace

Result<StateStore> StateStore::open(const std::string& path) {
    Result<Database> database =
        Database::open(path, Durability::process_crash, schema, format_version);
    if (!database) return fail(std::move(database.error()));
    StateStore store(std::move(*database));
    if (Result<void> prepared = store.prepare(); !prepared)
        return fail(std::move(prepared.error()));
    Result<Head> head = store.load_head();
    if (!head) return fail(std::move(head.error()));
    store.head_ = std::move(*head);
    return store;
}

Result<void> StateStore::prepare() {
    const std::pair<Statement*, std::string_view> statements[] = {
        {&find_, "SELECT checksum FROM rows WHERE kind = ? AND name = ?"},
        {&put_,
         "INSERT OR REPLACE INTO rows (kind, name, position, value, checksum) "
         "VALUES (?, ?, ?, ?, ?)"},
        {&erase_, "DELETE FROM rows WHERE kind = ? AND name = ?"},
        {&put_head_, "INSERT OR REPLACE INTO head (id, fields, checksum) VALUES (1, ?, ?)"},
    };
    for (const auto& [statement, sql] : statements) {
        Result<Statement> prepared = database_.prepare(sql);
        if (!prepared) return fail(std::move(prepared.error()));
        *statement = std::move(*prepared);
    }
    return {};
}

Result<StateStore::Head> StateStore::load_head() {
    Result<Statement> query = database_.prepare("SELECT fields, checksum FROM head");
    if (!query) return fail(std::move(query.error()));
    Result<bool> row = query->step();
    if (!row) return fail(std::move(row.error()));
    if (!*row) return Head{};
    const std::string_view bytes = query->bytes(0);
    FieldReader fields(bytes);
    Head head;
    head.applied = fields.number();
    head.meta = fields.text();
    head.digest = {.rows = fields.number(), .checksums = fields.number()};
    const raft::Position installed{.index = fields.number(), .term = fields.number()};
    Result<raft::Configuration> members = raft::decode_configuration(fields.text());
    if (crc32c(as_bytes(bytes)) != query->integer(1) || !fields.complete()) {
        return fail(ErrorCode::corrupt,
                    database_.name() + ": the stored applied index fails its checksum");
    }
    if (!members) return fail(std::move(members.error()), database_.name());
    if (installed.index != 0) {
        head.installed = {.position = installed, .configuration = std::move(*members)};
    }
    return head;
}

Result<void> StateStore::store_head(const Head& head) {
    FieldWriter fields;
    fields.number(head.applied).text(head.meta);
    fields.number(head.digest.rows).number(head.digest.checksums);
    const raft::Base installed = head.installed.value_or(raft::Base{});
    fields.number(installed.position.index).number(installed.position.term);
    fields.text(raft::encode(installed.configuration));
    const std::string bytes = std::move(fields).take();
    return put_head_.bind(1, bytes).bind(2, std::int64_t{crc32c(as_bytes(bytes))}).run();
}

Result<State> StateStore::load() {
    Result<Statement> query = database_.prepare(
        "SELECT kind, name, position, value, checksum FROM rows ORDER BY kind, name");
    if (!query) return fail(std::move(query.error()));
    State state{
        .applied = head_.applied, .meta = head_.meta, .rows = {}, .installed = head_.installed};
    Digest digest;
    while (true) {
        Result<bool> row = query->step();
        if (!row) return fail(std::move(row.error()));
        if (!*row) break;
        Result<model::Change> change = decode_row(*query, database_.name());
        if (!change) return fail(std::move(change.error()));
        ++digest.rows;
        digest.checksums += static_cast<std::uint64_t>(query->integer(4));
        state.rows.push_back(std::move(*change));
    }
    if (digest != head_.digest) {
        return fail(ErrorCode::corrupt,
                    std::format("{}: {} rows are there, {} were stored; they fail their common "
                                "checksum",
                                database_.name(), digest.rows, head_.digest.rows));
    }
    return state;
}

Result<void> StateStore::write(const State& changes) {
    Head head{.applied = changes.applied,
              .meta = changes.meta,
              .digest = head_.digest,
              .installed = head_.installed};
    Result<Transaction> transaction = Transaction::begin(database_);
    if (!transaction) return fail(std::move(transaction.error()));
    for (const model::Change& change : changes.rows) {
        if (Result<void> stored = store_row(change, head.digest); !stored) return stored;
    }
    if (Result<void> stored = store_head(head); !stored) return stored;
    if (Result<void> committed = transaction->commit(); !committed) return committed;
    head_ = std::move(head);
    return {};
}

// Other commits survive a power cut only with the log's help; this one has nothing to help it.
Result<void> StateStore::replace(const State& state) {
    if (Result<void> set = database_.execute("PRAGMA synchronous = FULL"); !set) return set;
    const Result<void> replaced = replace_rows(state);
    if (Result<void> set = database_.execute("PRAGMA synchronous = NORMAL"); !set) return set;
    return replaced;
}

Result<void> StateStore::replace_rows(const State& state) {
    Head head{
        .applied = state.applied, .meta = state.meta, .digest = {}, .installed = state.installed};
    Result<Transaction> transaction = Transaction::begin(database_);
    if (!transaction) return fail(std::move(transaction.error()));
    if (Result<void> gone = database_.execute("DELETE FROM rows"); !gone) return gone;
    for (const model::Change& row : state.rows) {
        if (Result<void> stored = insert_row(row, head.digest); !stored) return stored;
    }
    if (Result<void> stored = store_head(head); !stored) return stored;
    if (Result<void> committed = transaction->commit(); !committed) return committed;
    head_ = std::move(head);
    return {};
}

Result<void> StateStore::store_row(const model::Change& change, Digest& digest) {
    // A row of history never changes: one of an entry after those whose rows are stored is new.
    if (change.kind == model::Kind::history && !change.deleted() && change.index > head_.applied)
        return insert_row(change, digest);
    const auto kind = static_cast<std::int64_t>(change.kind);
    Result<bool> known = find_.bind(1, kind).bind(2, change.key).step();
    if (known && *known) {
        --digest.rows;
        digest.checksums -= static_cast<std::uint64_t>(find_.integer(0));
    }
    find_.reset();
    if (!known) return fail(std::move(known.error()));
    if (change.deleted()) return erase_.bind(1, kind).bind(2, change.key).run();
    return insert_row(change, digest);
}

Result<void> StateStore::insert_row(const model::Change& change, Digest& digest) {
    const std::string value = model::encode(*change.value);
    const std::uint32_t checksum = checksum_of(change.kind, change.key, change.index, value);
    ++digest.rows;
    digest.checksums += checksum;
    return put_.bind(1, static_cast<std::int64_t>(change.kind))
        .bind(2, change.key)
        .bind(3, static_cast<std::int64_t>(change.index))
        .bind(4, value)
        .bind(5, std::int64_t{checksum})
        .run();
}

} // namespace hawser::store
