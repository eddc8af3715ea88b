// SQLite as the stores use it: prepared statements, transactions, and every failure a Result that
// says what kind it is (a full disk, a damaged file, a device that fails). Nothing above this file
// sees the library. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace hawser::store {

// When a commit returns: after it would survive a power cut, or as soon as it would survive a
// crash of the process (a power cut may then undo the last commits, but never a part of one).
enum class Durability : std::uint8_t { power_cut, process_crash };

class Database;

class Statement {
  public:
    Statement() = default;

    // Places count from 1. Bound text and bytes must live until the statement was run.
    Statement& bind(int place, std::int64_t value);
    Statement& bind(int place, std::string_view bytes);

    // true: a row is there to be read.
    [[nodiscard]] Result<bool> step();
    // Runs a statement that returns no rows, and makes it ready for the next bindings.
    [[nodiscard]] Result<void> run();
    void reset();

    // Columns count from 0; views are valid until the next step.
    [[nodiscard]] std::int64_t integer(int column) const;
    [[nodiscard]] std::string_view bytes(int column) const;

  private:
    friend class Database;
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const;
    };
    std::unique_ptr<sqlite3_stmt, Finalize> statement_;
    std::string name_; // of the file, for errors
};

// Undone unless committed.
class Transaction {
  public:
    static Result<Transaction> begin(Database& database);
    Transaction(Transaction&& other) noexcept
        : database_(std::exchange(other.database_, nullptr)) {}
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();

    [[nodiscard]] Result<void> commit();

  private:
    explicit Transaction(Database& database) : database_(&database) {}
    Database* database_; // null: committed, or moved from
};

class Database {
  public:
    // Creates the file with mode 0600 where there is none. Takes it for this process alone, checks
    // its structure, and applies `schema` to a new one; refuses one of another `version`.
    static Result<Database> open(const std::string& path, Durability durability,
                                 std::string_view schema, int version);

    [[nodiscard]] Result<void> execute(std::string_view sql);
    [[nodiscard]] Result<Statement> prepare(std::string_view sql);
    // Everything committed so far now survives a power cut, and the log of changes is empty.
    [[nodiscard]] Result<void> checkpoint();
    [[nodiscard]] const std::string& name() const { return name_; }

  private:
    friend class Transaction;
    struct Close {
        void operator()(sqlite3* database) const;
    };
    [[nodiscard]] Result<std::int64_t> pragma(const std::string& name);
    [[nodiscard]] Result<void> configure(Durability durability);
    [[nodiscard]] Result<void> check_structure();
    [[nodiscard]] Result<void> sync_what_was_found();
    [[nodiscard]] Result<void> apply_schema(std::string_view schema, int version);

    std::unique_ptr<sqlite3, Close> database_;
    std::string name_; // the path, for errors
};

} // namespace hawser::store
