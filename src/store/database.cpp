#include "store/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <format>

#include "store/wal_check.h"

namespace hawser::store {

namespace {

// The disk is full, or the user's quota or the process's file size limit is reached: all of them
// pass when somebody makes room.
bool out_of_room(int system_error) {
    return system_error == ENOSPC || system_error == EDQUOT || system_error == EFBIG;
}

// What kind of trouble it is. The device's own word (errno) tells a full disk from a broken one.
ErrorCode code_of(int result, int system_error) {
    switch (result & 0xff) {
        case SQLITE_FULL: return ErrorCode::resource_exhausted;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB: return ErrorCode::corrupt;
        case SQLITE_BUSY:
        case SQLITE_LOCKED: return ErrorCode::failed_precondition;
        case SQLITE_PERM:
        case SQLITE_READONLY:
        case SQLITE_CANTOPEN: return ErrorCode::permission_denied;
        case SQLITE_IOERR:
            return out_of_room(system_error) ? ErrorCode::resource_exhausted : ErrorCode::internal;
        default: return ErrorCode::internal;
    }
}

bool from_device(int result) {
    const int primary = result & 0xff;
    return primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN || primary == SQLITE_FULL;
}

std::unexpected<Error> failure(sqlite3* database, const std::string& name) {
    const int result = sqlite3_extended_errcode(database);
    const int system_error = from_device(result) ? sqlite3_system_errno(database) : 0;
    std::string message = std::format("{}: {}", name, sqlite3_errmsg(database));
    if (system_error != 0) message += std::format(" ({})", std::strerror(system_error));
    return fail(code_of(result, system_error), std::move(message));
}

// SQLite gives its side files the mode of the main one, so that one must be right from the start.
Result<void> create_private_file(const std::string& path) {
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor < 0) return fail_errno(errno, "opening " + path);
    const bool made_private = ::fchmod(descriptor, 0600) == 0;
    const int error = errno;
    ::close(descriptor);
    if (!made_private) return fail_errno(error, "setting the mode of " + path);
    return {};
}

} // namespace

// --- statements ------------------------------------------------------------------------------

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
}

Statement& Statement::bind(int place, std::int64_t value) {
    sqlite3_bind_int64(statement_.get(), place, value);
    return *this;
}

// A null pointer would bind NULL; no bytes are bytes too.
Statement& Statement::bind(int place, std::string_view bytes) {
    sqlite3_bind_blob64(statement_.get(), place, bytes.empty() ? "" : bytes.data(), bytes.size(),
                        SQLITE_STATIC);
    return *this;
}

Result<bool> Statement::step() {
    const int result = sqlite3_step(statement_.get());
    if (result == SQLITE_ROW) return true;
    if (result == SQLITE_DONE) return false;
    return failure(sqlite3_db_handle(statement_.get()), name_);
}

Result<void> Statement::run() {
    Result<bool> stepped = step();
    Result<void> result;
    if (!stepped) result = fail(std::move(stepped.error()));
    reset();
    return result;
}

void Statement::reset() {
    sqlite3_reset(statement_.get());
    sqlite3_clear_bindings(statement_.get());
}

std::int64_t Statement::integer(int column) const {
    return sqlite3_column_int64(statement_.get(), column);
}

std::string_view Statement::bytes(int column) const {
    const void* data = sqlite3_column_blob(statement_.get(), column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
    return data == nullptr ? std::string_view()
                           : std::string_view(static_cast<const char*>(data), size);
}

// --- transactions ----------------------------------------------------------------------------

Result<Transaction> Transaction::begin(Database& database) {
    if (Result<void> begun = database.execute("BEGIN IMMEDIATE"); !begun) {
        return fail(std::move(begun.error()));
    }
    return Transaction(database);
}

// SQLite itself rolls back after some failures: then there is nothing to undo.
Transaction::~Transaction() {
    if (database_ == nullptr || sqlite3_get_autocommit(database_->database_.get()) != 0) return;
    (void)database_->execute("ROLLBACK");
}

Result<void> Transaction::commit() {
    if (Result<void> committed = database_->execute("COMMIT"); !committed) return committed;
    database_ = nullptr;
    return {};
}

// --- databases -------------------------------------------------------------------------------

void Database::Close::operator()(sqlite3* database) const {
    sqlite3_close_v2(database);
}

Result<Database> Database::open(const std::string& path, Durability durability,
                                std::string_view schema, int version) {
    if (Result<void> created = create_private_file(path); !created) {
        return fail(std::move(created.error()));
    }
    if (durability == Durability::power_cut) {
        // The others' last commits may be lost anyway.
        if (Result<void> sound = check_write_ahead_log(path + "-wal"); !sound)
            return fail(std::move(sound.error()));
    }
    Database database;
    database.name_ = path;
    sqlite3* handle = nullptr;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    const int result = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
    database.database_.reset(handle);
    if (result != SQLITE_OK) {
        if (handle == nullptr) return fail(ErrorCode::internal, path + ": out of memory");
        return failure(handle, path);
    }
    if (Result<void> done = database.configure(durability); !done)
        return fail(std::move(done.error()));
    if (Result<void> sound = database.check_structure(); !sound)
        return fail(std::move(sound.error()));
    if (durability == Durability::power_cut) {
        if (Result<void> synced = database.sync_what_was_found(); !synced)
            return fail(std::move(synced.error()));
    }
    if (Result<void> done = database.apply_schema(schema, version); !done) {
        return fail(std::move(done.error()));
    }
    return database;
}

// Exclusive: a data directory has one server, and the shared-memory file is not needed then.
Result<void> Database::configure(Durability durability) {
    sqlite3_db_config(database_.get(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    for (const std::string_view sql :
         {std::string_view("PRAGMA locking_mode = EXCLUSIVE"),
          std::string_view("PRAGMA journal_mode = WAL"),
          std::string_view("PRAGMA trusted_schema = OFF"),
          std::string_view("PRAGMA cell_size_check = ON"),
          std::string_view(durability == Durability::power_cut ? "PRAGMA synchronous = FULL"
                                                               : "PRAGMA synchronous = NORMAL")}) {
        if (Result<void> done = execute(sql); !done) return done;
    }
    return {};
}

// A process that was killed may have written what it had not synced yet: readable, but not on the
// disk. Whoever believes it promises it to others. SQLite itself syncs nothing when it opens.
Result<void> Database::sync_what_was_found() {
    for (const int which : {SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_JOURNAL_POINTER}) {
        sqlite3_file* file = nullptr;
        if (sqlite3_file_control(database_.get(), "main", which, static_cast<void*>(&file)) !=
            SQLITE_OK)
            return failure(database_.get(), name_);
        if (file == nullptr || file->pMethods == nullptr) continue; // there is no log yet
        if (const int result = file->pMethods->xSync(file, SQLITE_SYNC_FULL); result != SQLITE_OK) {
            return fail(ErrorCode::internal, std::format("{}: cannot sync what was found: {}",
                                                         name_, sqlite3_errstr(result)));
        }
    }
    return {};
}

Result<void> Database::check_structure() {
    Result<Statement> check = prepare("PRAGMA quick_check(1)");
    if (!check) return fail(std::move(check.error()));
    Result<bool> row = check->step();
    if (!row) return fail(std::move(row.error()));
    if (*row && check->bytes(0) == "ok") return {};
    return fail(ErrorCode::corrupt,
                std::format("{} is damaged: {}", name_, *row ? check->bytes(0) : "no answer"));
}

Result<void> Database::apply_schema(std::string_view schema, int version) {
    Result<std::int64_t> stored = pragma("user_version");
    if (!stored) return fail(std::move(stored.error()));
    if (*stored == version) return {};
    if (*stored != 0) {
        return fail(
            ErrorCode::failed_precondition,
            std::format("{} has format {}, this version reads {}", name_, *stored, version));
    }
    Result<Transaction> transaction = Transaction::begin(*this);
    if (!transaction) return fail(std::move(transaction.error()));
    if (Result<void> made = execute(schema); !made) return made;
    if (Result<void> set = execute(std::format("PRAGMA user_version = {}", version)); !set)
        return set;
    return transaction->commit();
}

Result<std::int64_t> Database::pragma(const std::string& name) {
    Result<Statement> query = prepare("PRAGMA " + name);
    if (!query) return fail(std::move(query.error()));
    Result<bool> row = query->step();
    if (!row) return fail(std::move(row.error()));
    return *row ? query->integer(0) : 0;
}

Result<void> Database::execute(std::string_view sql) {
    const std::string text(sql);
    if (sqlite3_exec(database_.get(), text.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
        return failure(database_.get(), name_);
    }
    return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
    sqlite3_stmt* prepared = nullptr;
    const int result = sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                                          SQLITE_PREPARE_PERSISTENT, &prepared, nullptr);
    if (result != SQLITE_OK) return failure(database_.get(), name_);
    Statement statement;
    statement.statement_.reset(prepared);
    statement.name_ = name_;
    return statement;
}

Result<void> Database::checkpoint() {
    const int result = sqlite3_wal_checkpoint_v2(database_.get(), nullptr,
                                                 SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
    if (result != SQLITE_OK) return failure(database_.get(), name_);
    return {};
}

} // namespace hawser::store
