#include "canaryd/store/sqlite_store.hpp"

#include "store/batch_rows.hpp"
#include "store/chain.hpp"
#include "store/comment_rows.hpp"
#include "store/database.hpp"
#include "store/journal.hpp"
#include "store/journal_check.hpp"
#include "store/journal_rows.hpp"
#include "store/migrations.hpp"
#include "store/pack.hpp"
#include "store/prune_rows.hpp"
#include "store/state_dir.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>
#include <span>
#include <unistd.h>
#include <utility>
#include <vector>

namespace canaryd::store {
namespace {

class SqliteStore final : public Store {
 public:
  SqliteStore(StateDir dir, std::unique_ptr<Database> database)
      : dir_(std::move(dir)), database_(std::move(database)) {}

  [[nodiscard]] Result<void> prepare(const SqliteOptions& options);

  [[nodiscard]] Result<void> write(const Batch& batch) override;
  [[nodiscard]] std::vector<Result<void>> write_each(
      std::span<const Batch* const> batches) override;
  [[nodiscard]] Result<std::vector<JournalRow>> latest() override;
  [[nodiscard]] Result<std::vector<JournalRow>> history(const HistoryQuery& query) override;
  [[nodiscard]] Result<std::vector<EvidenceRow>> evidence(const EvidenceQuery& query) override;
  [[nodiscard]] Result<std::uint64_t> exposure_used(const std::string& rollout,
                                                    std::uint64_t run) override;
  [[nodiscard]] Result<std::uint64_t> stable_idle(const std::string& rollout,
                                                  std::uint64_t run) override;
  [[nodiscard]] Result<std::vector<Comment>> comments(const std::string& rollout,
                                                      std::size_t limit) override {
    return read_comments(*database_, rollout, limit);
  }
  [[nodiscard]] Result<std::uint64_t> open_cursor(const std::string& reader) override;
  [[nodiscard]] Result<Verification> verify_some(Verification so_far, std::size_t rows) override {
    return check_rows(*database_, std::move(so_far), rows);
  }
  [[nodiscard]] Result<Pruned> prune(const PruneRule& rule, std::uint64_t from_id) override;
  [[nodiscard]] Result<void> probe() override;
  void begin_close() noexcept override { closing_ = true; }

 private:
  [[nodiscard]] Result<void> check_head();
  [[nodiscard]] Result<void> write_part(const Batch& batch);
  [[nodiscard]] Result<void> write_together(std::span<const Batch* const> batches,
                                            std::vector<Result<void>>& results);
  [[nodiscard]] Result<void> write_nothing();

  // The lock goes last, after the database is closed.
  StateDir dir_;
  std::unique_ptr<Database> database_;
  std::vector<std::pair<std::string, FileId>> files_;  // That make up the state, by path.
  bool closing_ = false;
};

// SQLite puts a heading before what it found.
std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// What could not be read is not damaged for all that: quick_check counts it among what it found. Of
// lists of pages, free ones and those of long rows, it says no code.
bool is_unreadable(std::string_view found) {
  constexpr std::string_view kCode = "error code=";
  if (found.find("failed to get page") != std::string_view::npos) return true;
  const std::size_t at = found.find(kCode);
  if (at == std::string_view::npos) return false;
  int code = 0;
  const std::string_view digits = found.substr(at + kCode.size());
  std::from_chars(digits.data(), digits.data() + digits.size(), code);
  return (code & 0xff) == SQLITE_IOERR;
}

// Before anything is written.
Result<void> check_file(Database& database) {
  const auto found = database.query_text("PRAGMA quick_check(1)");
  if (!found) return fail(found.error());
  if (is_unreadable(*found)) {
    return fail(Error{ErrorCode::kIo,
                      Origin::kLocal,
                      Retry::kSafe,
                      "state file " + database.path() + " cannot be read (" + one_line(*found) +
                          "); the disk fails: see the system log"});
  }
  if (*found != "ok") return damaged(database, "it is damaged (" + one_line(*found) + ")");
  return check_identity(database);
}

Result<void> SqliteStore::prepare(const SqliteOptions& options) {
  CANARYD_TRY(check_file(*database_));
  if (database_->read_only()) {
    return fail(
        ErrorCode::kPermission,
        "state file " + database_->path() + " is read-only; make it writable for canaryd's user");
  }
  // Durable before it is acknowledged, at one fsync a commit; readers never wait.
  CANARYD_TRY_ASSIGN(const std::string mode, database_->query_text("PRAGMA journal_mode = WAL"));
  if (mode != "wal") {
    return fail(ErrorCode::kIo,
                "state file " + database_->path() +
                    " cannot have a write-ahead log on this file system; use a local one");
  }
  CANARYD_TRY(database_->execute("PRAGMA synchronous = FULL"));
  // What a part of a transaction may have to put back would else go to a file, and there may be no
  // place for one.
  CANARYD_TRY(database_->execute("PRAGMA temp_store = MEMORY"));
  if (options.pages_max != 0) {
    CANARYD_TRY(database_->execute("PRAGMA max_page_count = " + std::to_string(options.pages_max)));
  }
  CANARYD_TRY(migrate(*database_));
  CANARYD_TRY(check_head());
  database_->allow_checkpoint_on_close();
  for (const char* const suffix : {"", "-wal", "-shm"}) {
    const std::string path = database_->path() + suffix;
    if (const auto file = file_at(path)) files_.emplace_back(path, *file);
  }
  return {};
}

// What is open can be written all the same, and is found by nobody.
Error gone_from(const std::string& path, bool is_log) {
  std::string context = "state file " + path + " has been removed or replaced under the daemon; ";
  context += is_log
                 ? "stop the daemon in the ordinary way, which saves what is in it, and start it "
                   "again"
                 : "move it back, or copy it out of /proc/" + std::to_string(::getpid()) +
                       "/fd: after a restart only what is at this path counts";
  return {ErrorCode::kIo, Origin::kLocal, Retry::kSafe, std::move(context)};
}

Result<void> SqliteStore::probe() {
  for (const auto& [path, file] : files_) {
    const bool is_log = path != database_->path();
    // The end takes it into the file, wherever the log is.
    if (is_log && closing_) continue;
    if (!is_still_at(path, file)) return fail(gone_from(path, is_log));
  }
  return dir_.keep_lock();
}

Result<void> SqliteStore::check_head() {
  CANARYD_TRY_ASSIGN(const Head expected, read_head(*database_));
  CANARYD_TRY_ASSIGN(const std::uint64_t last,
                     database_->query_integer("SELECT max(id) FROM journal"));
  CANARYD_TRY_ASSIGN(const RowHash hash, hash_before(*database_, expected.id + 1));
  if (last != expected.id || hash != expected.hash) {
    return damaged(*database_, "the journal does not end where it should");
  }
  return {};
}

Result<void> SqliteStore::write(const Batch& batch) {
  if (batch.empty()) return {};
  CANARYD_TRY(check_limits(batch));
  const Batch* const one = &batch;
  return std::move(write_each(std::span(&one, 1)).front());
}

// An UPDATE to what is there already would not reach the disk: SQLite compares first. A pragma
// does.
Result<void> SqliteStore::write_nothing() {
  CANARYD_TRY_ASSIGN(const std::uint64_t version, database_->query_integer("PRAGMA user_version"));
  CANARYD_TRY_ASSIGN(Transaction transaction, Transaction::begin(*database_));
  CANARYD_TRY(database_->execute("PRAGMA user_version = " + std::to_string(version)));
  return transaction.commit();
}

std::vector<Result<void>> SqliteStore::write_each(std::span<const Batch* const> batches) {
  std::vector<Result<void>> results;
  const Result<void> together = write_together(batches, results);
  if (!together) {
    // A commit whose fsync failed is whole in the log all the same, and whoever opens it next would
    // take it for made (sqlite.org/fileformat2.html, section 4.3). The next commit goes to the same
    // place, and the checksums of what was behind it do not follow from its own: so that a refusal
    // also holds for a daemon that is killed, it comes at once. Its fsync may fail again; a host
    // that loses power as well may have either.
    static_cast<void>(write_nothing());
    results.resize(batches.size());
    for (Result<void>& each : results) {
      if (each) each = fail(together.error());
    }
  }
  return results;
}

Result<void> SqliteStore::write_together(std::span<const Batch* const> batches,
                                         std::vector<Result<void>>& results) {
  CANARYD_TRY(probe());
  CANARYD_TRY_ASSIGN(Transaction transaction, Transaction::begin(*database_));
  for (const Batch* batch : batches) {
    results.push_back(write_part(*batch));
    if (results.back()) continue;
    Error error = results.back().error();
    if (error.retry == Retry::kNever && database_->in_transaction()) continue;
    // The disk's fault, or one that took the transaction with it: not that of the others.
    error.retry = Retry::kSafe;
    return fail(std::move(error));
  }
  return transaction.commit();
}

Result<void> SqliteStore::write_part(const Batch& batch) {
  CANARYD_TRY(check_limits(batch));
  CANARYD_TRY_ASSIGN(Savepoint savepoint, Savepoint::begin(*database_));
  CANARYD_TRY(write_rows(*database_, batch));
  return savepoint.release();
}

Result<std::uint64_t> SqliteStore::open_cursor(const std::string& reader) {
  CANARYD_TRY_ASSIGN(Statement statement,
                     database_->prepare("SELECT id FROM reader WHERE name = ?"));
  CANARYD_TRY_ASSIGN(const bool known, statement.bind_text(1, reader).step());
  if (known) return statement.integer(0);
  CANARYD_TRY_ASSIGN(const Head newest, read_head(*database_));
  Batch batch;
  batch.cursors.push_back({reader, newest.id});
  CANARYD_TRY(write(batch));
  return newest.id;
}

Result<std::vector<JournalRow>> SqliteStore::latest() {
  CANARYD_TRY_ASSIGN(
      Statement statement,
      database_->prepare(
          "SELECT " + std::string(kJournalColumns) +
          " FROM journal NATURAL JOIN (SELECT rollout, max(generation) AS "
          "generation FROM journal WHERE rollout <> '' GROUP BY rollout) ORDER BY rollout"));
  std::vector<JournalRow> rows;
  while (true) {
    CANARYD_TRY_ASSIGN(const bool more, statement.step());
    if (!more) return rows;
    StoredRow row = read_row(statement);
    CANARYD_TRY_ASSIGN(const RowHash before, hash_before(*database_, row.id));
    CANARYD_TRY_ASSIGN(const RowHash expected, row_hash(before, row.id, row.entry));
    if (row.hash != expected) {
      return damaged(*database_, "journal row " + std::to_string(row.id) + " was changed");
    }
    rows.push_back(shown(std::move(row)));
  }
}

Result<std::vector<JournalRow>> SqliteStore::history(const HistoryQuery& query) {
  std::string sql = "SELECT " + std::string(kJournalColumns) + " FROM journal WHERE id > ?";
  if (!query.rollout.empty()) sql += " AND rollout = ?3";
  sql += query.after ? " ORDER BY id LIMIT ?2" : " ORDER BY id DESC LIMIT ?2";
  CANARYD_TRY_ASSIGN(Statement statement, database_->prepare(sql));
  constexpr auto kMaxId = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  statement.bind(1, std::min(query.after.value_or(0), kMaxId));
  statement.bind(2, std::min(query.limit, kMaxHistoryRows));
  if (!query.rollout.empty()) statement.bind_text(3, query.rollout);
  std::vector<JournalRow> rows;
  while (true) {
    CANARYD_TRY_ASSIGN(const bool more, statement.step());
    if (!more) break;
    rows.push_back(shown(read_row(statement)));
  }
  if (!query.after) std::reverse(rows.begin(), rows.end());
  return rows;
}

Result<std::vector<EvidenceRow>> SqliteStore::evidence(const EvidenceQuery& query) {
  CANARYD_TRY_ASSIGN(Statement statement,
                     database_->prepare("SELECT place, kind, data FROM evidence WHERE rollout = ?"
                                        " AND run = ? AND place >= ? ORDER BY place LIMIT ?"));
  statement.bind_text(1, query.rollout).bind(2, query.run).bind(3, query.from_index);
  statement.bind(4, std::min(query.limit, kMaxEvidenceRows));
  std::vector<EvidenceRow> rows;
  while (true) {
    CANARYD_TRY_ASSIGN(const bool more, statement.step());
    if (!more) return rows;
    EvidenceRow row{query.rollout, query.run, statement.integer(0), EvidenceKind::kBlock, {}};
    const std::uint64_t kind = statement.integer(1);
    if (kind > static_cast<std::uint64_t>(EvidenceKind::kBlock)) {
      return damaged(*database_, "evidence of an unknown kind");
    }
    row.kind = static_cast<EvidenceKind>(kind);
    CANARYD_TRY(unpack_values(statement.blob(2), row));
    rows.push_back(std::move(row));
  }
}

Result<std::uint64_t> SqliteStore::exposure_used(const std::string& rollout, std::uint64_t run) {
  CANARYD_TRY_ASSIGN(Statement statement,
                     database_->prepare("SELECT used FROM exposure WHERE rollout = ? AND run = ?"));
  CANARYD_TRY_ASSIGN(const bool row, statement.bind_text(1, rollout).bind(2, run).step());
  return row ? statement.integer(0) : 0;
}

Result<std::uint64_t> SqliteStore::stable_idle(const std::string& rollout, std::uint64_t run) {
  CANARYD_TRY_ASSIGN(
      Statement statement,
      database_->prepare("SELECT milliseconds FROM stable_idle WHERE rollout = ? AND run = ?"));
  CANARYD_TRY_ASSIGN(const bool row, statement.bind_text(1, rollout).bind(2, run).step());
  return row ? statement.integer(0) : 0;
}

Result<Pruned> SqliteStore::prune(const PruneRule& rule, std::uint64_t from_id) {
  CANARYD_TRY(probe());
  CANARYD_TRY_ASSIGN(Transaction transaction, Transaction::begin(*database_));
  CANARYD_TRY_ASSIGN(const Pruned pruned, prune_rows(*database_, rule, from_id));
  CANARYD_TRY(transaction.commit());
  return pruned;
}

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite_store(const SqliteOptions& options) {
  CANARYD_TRY_ASSIGN(StateDir dir, StateDir::open(options.state_dir));
  CANARYD_TRY(check_log_has_its_file(options.state_dir + "/state.db"));
  CANARYD_TRY_ASSIGN(const std::string path, dir.private_file("state.db"));
  CANARYD_TRY(dir.check_companions(path));
  CANARYD_TRY_ASSIGN(std::unique_ptr<Database> database, Database::open(path));
  auto store = std::make_unique<SqliteStore>(std::move(dir), std::move(database));
  CANARYD_TRY(store->prepare(options));
  return store;
}

Result<Verification> verify_state_file(const std::string& state_dir, Verification wanted) {
  const std::string path = state_dir + "/state.db";
  std::error_code error;
  const auto found = std::filesystem::symlink_status(path, error);
  if (found.type() == std::filesystem::file_type::not_found) {
    return fail(ErrorCode::kNotFound, "there is no state file " + path);
  }
  for (const std::string& each : {path, path + "-wal"}) {
    const auto type = std::filesystem::symlink_status(each, error).type();
    if (type == std::filesystem::file_type::not_found && each != path) continue;
    if (type != std::filesystem::file_type::regular && type != std::filesystem::file_type::none) {
      return fail(ErrorCode::kInvalidArgument, each + " is not a regular file");
    }
  }
  CANARYD_TRY_ASSIGN(const StateDir dir, StateDir::open_to_read(state_dir));
  CANARYD_TRY(check_log_has_its_file(path));
  if (std::filesystem::file_size(path, error) == 0 && !error) {
    return fail(ErrorCode::kMalformed,
                "state file " + path +
                    " is empty: a copy was cut short, or a first start was; nothing is in it");
  }
  CANARYD_TRY_ASSIGN(const std::unique_ptr<Database> database, Database::open_to_read(path));
  CANARYD_TRY(check_file(*database));
  constexpr std::size_t kRowsAtOnce = 1000;
  while (!wanted.done) {
    CANARYD_TRY_ASSIGN(wanted, check_rows(*database, std::move(wanted), kRowsAtOnce));
  }
  return wanted;
}

}  // namespace canaryd::store
