#include "store/database.hpp"

#include <sqlite3.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

namespace canaryd::store {
namespace {

constexpr int kBusyMilliseconds = 2000;
constexpr std::size_t kIdleStatements = 64;  // More than the store has.

struct Diagnosis {
  ErrorCode code;
  Retry retry;
  const char* hint;
};

// `number` is the errno of the last system call.
Diagnosis diagnose(int result, int number, bool writes) noexcept {
  if ((result & 0xff) == SQLITE_CANTOPEN && (number == EMFILE || number == ENFILE)) {
    return {ErrorCode::kIo,
            Retry::kSafe,
            "there are too many open files: raise the limit (LimitNOFILE, ulimit -n)"};
  }
  switch (result & 0xff) {
    case SQLITE_FULL:
      return {ErrorCode::kIo, Retry::kSafe, "the disk is full: free some space"};
    case SQLITE_IOERR:
      return {ErrorCode::kIo, Retry::kSafe, "the disk fails: see the system log"};
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
      return {ErrorCode::kPermission,
              Retry::kSafe,
              writes ? "make it writable for canaryd's user"
                     : "it and its -wal have to be readable for who runs this"};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {ErrorCode::kRefused, Retry::kSafe, "another program holds it: close that"};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {ErrorCode::kMalformed,
              Retry::kNever,
              "it is damaged and was left as it is: restore a copy, or move it away to begin with "
              "every rollout idle"};
    default:
      return {ErrorCode::kInternal, Retry::kNever, ""};
  }
}

// As a URI has a file name.
std::string escaped(const std::string& path) {
  std::string out;
  for (const char c : path) {
    if (c == '%') {
      out += "%25";
    } else if (c == '?') {
      out += "%3f";
    } else if (c == '#') {
      out += "%23";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

void CloseDatabase::operator()(sqlite3* handle) const noexcept {
  sqlite3_close_v2(handle);
}

void FinalizeStatement::operator()(sqlite3_stmt* statement) const noexcept {
  sqlite3_finalize(statement);
}

void ReturnStatement::operator()(sqlite3_stmt* statement) const noexcept {
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  std::unique_ptr<sqlite3_stmt, FinalizeStatement> owned(statement);
  if (database->idle_.size() < kIdleStatements) {
    database->idle_.emplace(sqlite3_sql(statement), std::move(owned));
  }
}

Statement& Statement::bind(int index, std::uint64_t value) {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (value > kMax) bound_well_ = false;
  return bind_signed(index, static_cast<std::int64_t>(value));
}

Statement& Statement::bind_signed(int index, std::int64_t value) {
  if (sqlite3_bind_int64(statement_.get(), index, value) != SQLITE_OK) bound_well_ = false;
  return *this;
}

Statement& Statement::bind_text(int index, std::string_view text) {
  const char* data = text.empty() ? "" : text.data();
  // Static: see the class comment.
  const int result =
      sqlite3_bind_text64(statement_.get(), index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
  if (result != SQLITE_OK) bound_well_ = false;
  return *this;
}

Statement& Statement::bind_blob(int index, const void* data, std::size_t size) {
  const int result = sqlite3_bind_blob64(statement_.get(), index, data, size, SQLITE_STATIC);
  if (result != SQLITE_OK) bound_well_ = false;
  return *this;
}

Result<bool> Statement::step() {
  if (!bound_well_) return fail(ErrorCode::kInvalidArgument, "a value does not fit into the store");
  const int result = sqlite3_step(statement_.get());
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  return fail(database_->last_error());
}

Result<void> Statement::run() {
  CANARYD_TRY_ASSIGN(const bool row, step());
  CANARYD_ASSERT(!row);
  return {};
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
}

std::int64_t Statement::signed_integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::uint64_t Statement::integer(int column) const {
  const std::int64_t value = signed_integer(column);
  return value < 0 ? 0 : static_cast<std::uint64_t>(value);
}

std::string Statement::text(int column) const {
  return blob(column);
}

std::string Statement::blob(int column) const {
  const void* data = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  if (data == nullptr || size <= 0) return {};
  return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path) {
  return connect(path, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
}

Result<std::unique_ptr<Database>> Database::open_to_read(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path + "-wal", error);
  if (error || size == 0) {
    // Without this SQLite makes a write-ahead log even to read.
    const std::string name = "file:" + escaped(path) + "?immutable=1";
    return connect(path, name, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, nullptr);
  }
  // What is in the log counts. Held alone the index of it is in memory and not in a file, and
  // without SQLite's locks that needs no right to write.
  CANARYD_TRY_ASSIGN(auto database, connect(path, path, SQLITE_OPEN_READONLY, "unix-none"));
  CANARYD_TRY(database->execute("PRAGMA locking_mode = EXCLUSIVE"));
  return database;
}

Result<std::unique_ptr<Database>> Database::connect(const std::string& path,
                                                    const std::string& name,
                                                    int flags,
                                                    const char* vfs) {
  sqlite3* handle = nullptr;
  const bool writes = (flags & SQLITE_OPEN_READWRITE) != 0;
  flags |= SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW;
  const int result = sqlite3_open_v2(name.c_str(), &handle, flags, vfs);
  auto database = std::unique_ptr<Database>(new Database(path, handle, writes));
  if (handle == nullptr) return fail(ErrorCode::kInternal, "no memory for SQLite");
  if (result != SQLITE_OK) return fail(database->last_error());
  sqlite3_busy_timeout(handle, kBusyMilliseconds);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  return database;
}

Result<Statement> Database::prepare(std::string_view sql) {
  if (const auto idle = idle_.find(sql); idle != idle_.end()) {
    Statement statement(*this, idle->second.release());
    idle_.erase(idle);
    return statement;
  }
  sqlite3_stmt* statement = nullptr;
  const int result = sqlite3_prepare_v2(
      handle_.get(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (result != SQLITE_OK) return fail(last_error());
  return Statement(*this, statement);
}

Result<void> Database::execute(const std::string& sql) {
  if (sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    return fail(last_error());
  }
  return {};
}

Result<std::string> Database::query_text(std::string_view sql) {
  CANARYD_TRY_ASSIGN(Statement statement, prepare(sql));
  CANARYD_TRY_ASSIGN(const bool row, statement.step());
  return row ? statement.text(0) : std::string();
}

Result<std::uint64_t> Database::query_integer(std::string_view sql) {
  CANARYD_TRY_ASSIGN(Statement statement, prepare(sql));
  CANARYD_TRY_ASSIGN(const bool row, statement.step());
  return row ? statement.integer(0) : 0;
}

bool Database::read_only() const {
  return sqlite3_db_readonly(handle_.get(), "main") != 0;
}

int Database::changes() const {
  return sqlite3_changes(handle_.get());
}

bool Database::in_transaction() const {
  return sqlite3_get_autocommit(handle_.get()) == 0;
}

void Database::allow_checkpoint_on_close() {
  sqlite3_db_config(handle_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
}

Error Database::last_error() const {
  const Diagnosis diagnosis = diagnose(
      sqlite3_extended_errcode(handle_.get()), sqlite3_system_errno(handle_.get()), writes_);
  Error error;
  error.code = diagnosis.code;
  error.retry = diagnosis.retry;
  error.context = "state file " + path_ + ": " + sqlite3_errmsg(handle_.get());
  if (*diagnosis.hint != '\0') error.context.append("; ").append(diagnosis.hint);
  return error;
}

Result<Transaction> Transaction::begin(Database& database) {
  CANARYD_TRY(database.execute("BEGIN IMMEDIATE"));
  return Transaction(database);
}

Transaction::Transaction(Transaction&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

Transaction::~Transaction() {
  // Some errors have ended the transaction already.
  if (database_ == nullptr || !database_->in_transaction()) return;
  sqlite3_exec(database_->handle_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

Result<void> Transaction::commit() {
  CANARYD_TRY(database_->execute("COMMIT"));
  database_ = nullptr;
  return {};
}

Result<Savepoint> Savepoint::begin(Database& database) {
  CANARYD_TRY(database.execute("SAVEPOINT part"));
  return Savepoint(database);
}

Savepoint::Savepoint(Savepoint&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

Savepoint::~Savepoint() {
  if (database_ == nullptr || !database_->in_transaction()) return;
  sqlite3* const handle = database_->handle_.get();
  constexpr const char* kUndo = "ROLLBACK TO part; RELEASE part";
  if (sqlite3_exec(handle, kUndo, nullptr, nullptr, nullptr) == SQLITE_OK) return;
  sqlite3_exec(handle, "ROLLBACK", nullptr, nullptr, nullptr);
}

Result<void> Savepoint::release() {
  CANARYD_TRY(database_->execute("RELEASE part"));
  database_ = nullptr;
  return {};
}

}  // namespace canaryd::store
