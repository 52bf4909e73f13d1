// SQLite behind Result: a connection, statements, transactions.
//
// Thread rule: one thread at a time (opened without SQLite's own mutexes).
#pragma once

#include "canaryd/base/error.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace canaryd::store {

struct CloseDatabase {
  void operator()(sqlite3* handle) const noexcept;
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const noexcept;
};

class Database;

// Keeps it for the next one that asks for the same.
struct ReturnStatement {
  Database* database;
  void operator()(sqlite3_stmt* statement) const noexcept;
};

// A prepared statement, of a database that outlives it. Texts and blobs that are bound must live
// until the next reset() or the end.
class Statement {
 public:
  Statement(Database& database, sqlite3_stmt* statement)
      : database_(&database), statement_(statement, ReturnStatement{&database}) {}

  Statement& bind(int index, std::uint64_t value);
  Statement& bind_signed(int index, std::int64_t value);
  Statement& bind_text(int index, std::string_view text);
  Statement& bind_blob(int index, const void* data, std::size_t size);
  // True: there is a row. False: done.
  [[nodiscard]] Result<bool> step();
  // For statements without rows.
  [[nodiscard]] Result<void> run();
  void reset();

  // Columns of the present row, from 0. What is missing or negative reads as 0 or empty: the
  // callers' hashes and check values tell.
  [[nodiscard]] std::uint64_t integer(int column) const;
  [[nodiscard]] std::int64_t signed_integer(int column) const;
  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] std::string blob(int column) const;

 private:
  Database* database_;
  std::unique_ptr<sqlite3_stmt, ReturnStatement> statement_;
  bool bound_well_ = true;
};

class Database {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Database>> open(const std::string& path);
  // Makes and changes nothing beside the file either, and needs no right to. Takes no lock: nobody
  // else may have it open.
  [[nodiscard]] static Result<std::unique_ptr<Database>> open_to_read(const std::string& path);

  [[nodiscard]] Result<Statement> prepare(std::string_view sql);
  [[nodiscard]] Result<void> execute(const std::string& sql);
  // The first column of the first row.
  [[nodiscard]] Result<std::string> query_text(std::string_view sql);
  [[nodiscard]] Result<std::uint64_t> query_integer(std::string_view sql);
  [[nodiscard]] bool read_only() const;
  [[nodiscard]] int changes() const;
  // False: none was begun, or an error has ended it.
  [[nodiscard]] bool in_transaction() const;

  // Until then, closing leaves the write-ahead log alone, so that looking at a damaged file does
  // not change it.
  void allow_checkpoint_on_close();

  // What SQLite says went wrong last, with the path and what to do about it.
  [[nodiscard]] Error last_error() const;
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  Database(std::string path, sqlite3* handle, bool writes)
      : path_(std::move(path)), handle_(handle), writes_(writes) {}
  [[nodiscard]] static Result<std::unique_ptr<Database>> connect(const std::string& path,
                                                                 const std::string& name,
                                                                 int flags,
                                                                 const char* vfs);
  friend class Transaction;
  friend class Savepoint;
  friend struct ReturnStatement;

  std::string path_;
  std::unique_ptr<sqlite3, CloseDatabase> handle_;
  bool writes_;
  // Nobody's at the moment, by their text: to read that again costs more than to write a row.
  std::multimap<std::string, std::unique_ptr<sqlite3_stmt, FinalizeStatement>, std::less<>> idle_;
};

// Rolls back unless committed.
class Transaction {
 public:
  [[nodiscard]] static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();
  [[nodiscard]] Result<void> commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

// A part of a transaction. Rolls back what was done in it unless released, and the whole
// transaction if that cannot be.
class Savepoint {
 public:
  [[nodiscard]] static Result<Savepoint> begin(Database& database);
  Savepoint(Savepoint&& other) noexcept;
  Savepoint& operator=(Savepoint&&) = delete;
  Savepoint(const Savepoint&) = delete;
  Savepoint& operator=(const Savepoint&) = delete;
  ~Savepoint();
  [[nodiscard]] Result<void> release();

 private:
  explicit Savepoint(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace canaryd::store
