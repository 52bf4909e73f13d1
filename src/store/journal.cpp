#include "store/journal.hpp"

#include "store/journal_rows.hpp"

#include <string>

namespace canaryd::store {

Result<Head> read_head(Database& database) {
  CANARYD_TRY_ASSIGN(Statement statement, database.prepare("SELECT id, hash FROM head"));
  CANARYD_TRY_ASSIGN(const bool row, statement.step());
  if (!row) return damaged(database, "the head of the journal is missing");
  return Head{statement.integer(0), to_hash(statement.blob(1))};
}

Result<void> write_head(Database& database, const Head& head) {
  CANARYD_TRY_ASSIGN(Statement statement,
                     database.prepare("UPDATE head SET id = ?, hash = ? WHERE one = 1"));
  return statement.bind(1, head.id).bind_blob(2, head.hash.data(), head.hash.size()).run();
}

Result<void> append_row(Database& database, Head& head, const JournalEntry& entry) {
  CANARYD_TRY_ASSIGN(
      Statement insert,
      database.prepare("INSERT INTO journal (" + std::string(kJournalColumns) +
                       ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  CANARYD_TRY_ASSIGN(const RowHash hash, row_hash(head.hash, head.id + 1, entry));
  head = {head.id + 1, hash};
  const StoredRow row{head.id, entry, hash};
  bind_row(insert, row);
  return insert.run();
}

Result<std::optional<Gap>> find_gap(Database& database, std::uint64_t id) {
  CANARYD_TRY_ASSIGN(Statement statement,
                     database.prepare("SELECT first_id, last_id, hash FROM pruned WHERE first_id "
                                      "<= ? ORDER BY first_id DESC LIMIT 1"));
  CANARYD_TRY_ASSIGN(const bool row, statement.bind(1, id).step());
  if (!row || statement.integer(1) < id) return std::optional<Gap>();
  return Gap{statement.integer(0), {statement.integer(1), to_hash(statement.blob(2))}};
}

Result<RowHash> hash_before(Database& database, std::uint64_t id) {
  if (id <= 1) return kGenesis;
  CANARYD_TRY_ASSIGN(Statement statement,
                     database.prepare("SELECT hash FROM journal WHERE id = ?"));
  CANARYD_TRY_ASSIGN(const bool row, statement.bind(1, id - 1).step());
  if (row) return to_hash(statement.blob(0));
  CANARYD_TRY_ASSIGN(const std::optional<Gap> gap, find_gap(database, id - 1));
  return gap && gap->last.id == id - 1 ? gap->last.hash : RowHash{};
}

Result<std::uint64_t> count_pruned(Database& database) {
  return database.query_integer("SELECT sum(last_id - first_id + 1) FROM pruned");
}

tl::unexpected<Error> damaged(const Database& database, const std::string& what) {
  return fail(ErrorCode::kMalformed,
              "state file " + database.path() + ": " + what +
                  "; it was left as it is: restore a copy, or move it away to begin with every "
                  "rollout idle");
}

}  // namespace canaryd::store
