#include "store/batch_rows.hpp"

#include "store/comment_rows.hpp"
#include "store/journal.hpp"
#include "store/journal_rows.hpp"
#include "store/pack.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace canaryd::store {
namespace {

// True: exactly this entry is there already.
Result<bool> is_written(Database& database, const JournalEntry& entry) {
  CANARYD_TRY_ASSIGN(Statement statement,
                     database.prepare("SELECT " + std::string(kJournalColumns) +
                                      " FROM journal WHERE rollout = ? AND generation >= ?"
                                      " ORDER BY generation LIMIT 1"));
  statement.bind_text(1, entry.rollout).bind(2, entry.generation);
  CANARYD_TRY_ASSIGN(const bool row, statement.step());
  if (!row) return false;
  if (read_row(statement).entry == entry) return true;
  return fail(ErrorCode::kRefused,
              "the journal of " + entry.rollout + " is at generation " +
                  std::to_string(statement.integer(2)) + " already; generation " +
                  std::to_string(entry.generation) + " was not written");
}

Result<void> append(Database& database, const std::vector<JournalEntry>& entries) {
  if (entries.empty()) return {};
  CANARYD_TRY_ASSIGN(Head head, read_head(database));
  for (const JournalEntry& entry : entries) {
    CANARYD_TRY_ASSIGN(const bool known, is_written(database, entry));
    if (!known) CANARYD_TRY(append_row(database, head, entry));
  }
  return write_head(database, head);
}

Result<void> add_evidence(Database& database, const std::vector<EvidenceRow>& rows) {
  if (rows.empty()) return {};
  CANARYD_TRY_ASSIGN(Statement insert,
                     database.prepare("INSERT INTO evidence (rollout, run, place, kind, data)"
                                      " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"));
  CANARYD_TRY_ASSIGN(Statement same,
                     database.prepare("SELECT count(*) FROM evidence WHERE rollout = ? AND run "
                                      "= ? AND place = ? AND kind = ? AND data = ?"));
  const auto bind = [](Statement& to, const EvidenceRow& row, const std::string& data) {
    to.bind_text(1, row.rollout).bind(2, row.run).bind(3, row.index);
    to.bind(4, static_cast<std::uint64_t>(row.kind)).bind_blob(5, data.data(), data.size());
  };
  for (const EvidenceRow& row : rows) {
    const std::string data = pack_values(row);
    bind(insert, row, data);
    CANARYD_TRY(insert.run());
    insert.reset();
    if (database.changes() == 1) continue;
    bind(same, row, data);
    CANARYD_TRY_ASSIGN([[maybe_unused]] const bool counted, same.step());
    const bool repeated = same.integer(0) == 1;
    same.reset();
    if (!repeated) {
      return fail(ErrorCode::kRefused,
                  "another evidence row " + std::to_string(row.index) + " of run " +
                      std::to_string(row.run) + " of " + row.rollout + " is there already");
    }
  }
  return {};
}

Result<void> raise_exposure(Database& database, const std::vector<ExposureUse>& uses) {
  if (uses.empty()) return {};
  CANARYD_TRY_ASSIGN(
      Statement upsert,
      database.prepare("INSERT INTO exposure (rollout, run, used) VALUES (?, ?, ?)"
                       " ON CONFLICT DO UPDATE SET used = max(used, excluded.used)"));
  for (const ExposureUse& use : uses) {
    upsert.bind_text(1, use.rollout).bind(2, use.run).bind(3, use.used);
    CANARYD_TRY(upsert.run());
    upsert.reset();
  }
  return {};
}

Result<void> set_idle(Database& database, const std::vector<StableIdle>& idle) {
  if (idle.empty()) return {};
  CANARYD_TRY_ASSIGN(
      Statement upsert,
      database.prepare("INSERT INTO stable_idle (rollout, run, milliseconds) VALUES (?, ?, ?)"
                       " ON CONFLICT DO UPDATE SET milliseconds = excluded.milliseconds"));
  for (const StableIdle& each : idle) {
    upsert.bind_text(1, each.rollout).bind(2, each.run).bind(3, each.milliseconds);
    CANARYD_TRY(upsert.run());
    upsert.reset();
  }
  return {};
}

Result<void> move_cursors(Database& database, const std::vector<Cursor>& cursors) {
  if (cursors.empty()) return {};
  CANARYD_TRY_ASSIGN(Statement upsert,
                     database.prepare("INSERT INTO reader (name, id) VALUES (?, ?)"
                                      " ON CONFLICT DO UPDATE SET id = max(id, excluded.id)"));
  for (const Cursor& cursor : cursors) {
    upsert.bind_text(1, cursor.reader).bind(2, cursor.id);
    CANARYD_TRY(upsert.run());
    upsert.reset();
  }
  return {};
}

// In the order of the key, so that only those with the prefix are looked at.
Result<std::vector<std::string>> names_from(Database& database, const std::string& prefix) {
  std::string behind = prefix;
  ++behind.back();
  CANARYD_TRY_ASSIGN(Statement known,
                     database.prepare("SELECT name FROM reader WHERE name >= ? AND name < ?"));
  known.bind_text(1, prefix).bind_text(2, behind);
  std::vector<std::string> names;
  while (true) {
    CANARYD_TRY_ASSIGN(const bool more, known.step());
    if (!more) return names;
    names.emplace_back(known.text(0));
  }
}

Result<void> drop_other_cursors(Database& database, const std::vector<Readers>& all) {
  for (const Readers& readers : all) {
    CANARYD_TRY_ASSIGN(const std::vector<std::string> known, names_from(database, readers.prefix));
    for (const std::string& name : known) {
      const auto& kept = readers.names;
      if (std::find(kept.begin(), kept.end(), name) != kept.end()) continue;
      CANARYD_TRY_ASSIGN(Statement remove, database.prepare("DELETE FROM reader WHERE name = ?"));
      CANARYD_TRY(remove.bind_text(1, name).run());
    }
  }
  return {};
}

Result<void> drop_evidence(Database& database, const std::vector<EvidenceDrop>& drops) {
  if (drops.empty()) return {};
  for (const char* sql : {"DELETE FROM evidence WHERE rollout = ? AND run < ?",
                          "DELETE FROM exposure WHERE rollout = ? AND run < ?",
                          "DELETE FROM stable_idle WHERE rollout = ? AND run < ?"}) {
    CANARYD_TRY_ASSIGN(Statement remove, database.prepare(sql));
    for (const EvidenceDrop& drop : drops) {
      CANARYD_TRY(remove.bind_text(1, drop.rollout).bind(2, drop.before_run).run());
      remove.reset();
    }
  }
  return {};
}

}  // namespace

Result<void> write_rows(Database& database, const Batch& batch) {
  CANARYD_TRY(append(database, batch.entries));
  CANARYD_TRY(add_evidence(database, batch.evidence));
  CANARYD_TRY(raise_exposure(database, batch.exposure));
  CANARYD_TRY(set_idle(database, batch.idle));
  CANARYD_TRY(add_comments(database, batch.comments));
  CANARYD_TRY(move_cursors(database, batch.cursors));
  CANARYD_TRY(drop_other_cursors(database, batch.readers));
  return drop_evidence(database, batch.drops);
}

}  // namespace canaryd::store
