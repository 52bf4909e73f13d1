#include "store/prune_rows.hpp"

#include "store/journal.hpp"
#include "store/journal_rows.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace canaryd::store {
namespace {

// Beyond every row: only evidence is left to look at.
constexpr auto kAfterAll = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

constexpr const char* kOver = "('idle', 'promoted', 'retired', 'rolled_back', 'aborted')";

bool gets_no_evidence(const std::string& state) {
  return state == "retired" || state == "rolled_back" || state == "aborted";
}

struct Candidate {
  Head row;
  std::string rollout;
};

class Sweep {
 public:
  Sweep(Database& database, const PruneRule& rule) : database_(database), rule_(rule) {}

  Result<Pruned> run(std::uint64_t from_id) {
    CANARYD_TRY_ASSIGN(head_, read_head(database_));
    Pruned pruned;
    CANARYD_TRY_ASSIGN(const std::vector<Candidate> rows, old_rows(from_id));
    CANARYD_TRY_ASSIGN(const std::vector<Head> leaving, those_that_go(rows));
    for (const Head& row : leaving) CANARYD_TRY(take_out(row));
    pruned.entries = leaving.size();
    if (pruned.entries > 0) CANARYD_TRY(attest(pruned.entries));
    CANARYD_TRY_ASSIGN(pruned.evidence, take_out_evidence());
    const bool more_evidence = pruned.evidence == rule_.evidence_rows;
    if (rows.size() == rule_.journal_rows) {
      pruned.next_id = rows.back().row.id;
    } else if (more_evidence) {
      pruned.next_id = kAfterAll;
    }
    return pruned;
  }

 private:
  // Those that age or number lets go, from the oldest on.
  Result<std::vector<Candidate>> old_rows(std::uint64_t from_id) {
    CANARYD_TRY_ASSIGN(
        Statement statement,
        database_.prepare(
            "SELECT id, hash, rollout, at_ms FROM journal WHERE id > ? ORDER BY id LIMIT ?"));
    statement.bind(1, std::min(from_id, kAfterAll)).bind(2, rule_.journal_rows);
    std::vector<Candidate> rows;
    while (true) {
      CANARYD_TRY_ASSIGN(const bool more, statement.step());
      if (!more) break;
      const std::uint64_t id = statement.integer(0);
      const WallTime at(std::chrono::milliseconds(statement.signed_integer(3)));
      const bool many = rule_.newest && head_.id - std::min(id, head_.id) >= *rule_.newest;
      const bool old = rule_.before && at < *rule_.before;
      if (!many && !old) break;
      rows.push_back({{id, to_hash(statement.blob(1))}, statement.text(2)});
    }
    return rows;
  }

  // None if all that goes is what retention itself has said: it would have to say so again, for
  // ever.
  Result<std::vector<Head>> those_that_go(const std::vector<Candidate>& rows) {
    std::vector<Head> leaving;
    bool any_rollout = false;
    for (const Candidate& each : rows) {
      CANARYD_TRY_ASSIGN(const std::uint64_t kept_from, kept_from_of(each.rollout));
      if (each.row.id >= kept_from) continue;
      leaving.push_back(each.row);
      any_rollout = any_rollout || !each.rollout.empty();
    }
    if (!any_rollout) leaving.clear();
    return leaving;
  }

  // The first row of the rollout that stays, and all after it.
  Result<std::uint64_t> kept_from_of(const std::string& rollout) {
    const auto known = kept_from_.find(rollout);
    if (known != kept_from_.end()) return known->second;
    CANARYD_TRY_ASSIGN(std::uint64_t kept_from, first_of_unended(rollout));
    for (const RolloutReader& reader : rule_.readers) {
      if (reader.rollout != rollout) continue;
      CANARYD_TRY_ASSIGN(Statement statement,
                         database_.prepare("SELECT id FROM reader WHERE name = ?"));
      CANARYD_TRY_ASSIGN(const bool row, statement.bind_text(1, reader.reader).step());
      if (row) kept_from = std::min(kept_from, statement.integer(0) + 1);
    }
    kept_from_.emplace(rollout, kept_from);
    return kept_from;
  }

  Result<std::uint64_t> first_of_unended(const std::string& rollout) {
    CANARYD_TRY_ASSIGN(
        Statement last,
        database_.prepare("SELECT id FROM journal WHERE rollout = ? ORDER BY generation DESC"
                          " LIMIT 1"));
    CANARYD_TRY_ASSIGN(const bool any, last.bind_text(1, rollout).step());
    if (!any) return 0;
    // What retention itself has written is over as soon as it has written more.
    if (rollout.empty()) return last.integer(0);
    CANARYD_TRY_ASSIGN(
        Statement over,
        database_.prepare(std::string("SELECT id FROM journal WHERE rollout = ? AND to_state IN ") +
                          kOver + " ORDER BY generation DESC LIMIT 1"));
    CANARYD_TRY_ASSIGN(const bool was_over, over.bind_text(1, rollout).step());
    if (!was_over) return 0;
    return over.integer(0) == last.integer(0) ? last.integer(0) : over.integer(0) + 1;
  }

  // The gap first: the trigger lets go only what is in one.
  Result<void> take_out(const Head& row) {
    CANARYD_TRY(widen_gaps(row));
    CANARYD_TRY_ASSIGN(Statement remove, database_.prepare("DELETE FROM journal WHERE id = ?"));
    return remove.bind(1, row.id).run();
  }

  Result<void> widen_gaps(const Head& row) {
    Gap gap{row.id, row};
    CANARYD_TRY_ASSIGN(const std::optional<Gap> after, find_gap(database_, row.id + 1));
    if (after) gap.last = after->last;
    if (row.id > 1) {
      CANARYD_TRY_ASSIGN(const std::optional<Gap> before, find_gap(database_, row.id - 1));
      if (before) gap.first_id = before->first_id;
    }
    CANARYD_TRY_ASSIGN(Statement remove,
                       database_.prepare("DELETE FROM pruned WHERE first_id BETWEEN ? AND ?"));
    CANARYD_TRY(remove.bind(1, gap.first_id).bind(2, gap.last.id).run());
    CANARYD_TRY_ASSIGN(Statement insert, database_.prepare("INSERT INTO pruned VALUES (?, ?, ?)"));
    insert.bind(1, gap.first_id).bind(2, gap.last.id);
    return insert.bind_blob(3, gap.last.hash.data(), gap.last.hash.size()).run();
  }

  Result<void> attest(std::uint64_t entries) {
    CANARYD_TRY_ASSIGN(const std::uint64_t all, count_pruned(database_));
    CANARYD_TRY_ASSIGN(
        const std::uint64_t generation,
        database_.query_integer("SELECT max(generation) FROM journal WHERE rollout = ''"));
    JournalEntry entry;
    entry.generation = generation + 1;
    entry.at = rule_.now;
    entry.actor = "canaryd";
    entry.event = kPruneEvent;
    entry.sentence = "retention took out " + std::to_string(entries) + " entries, " +
                     std::to_string(all) + " in all";
    entry.state = "pruned " + std::to_string(all);
    CANARYD_TRY(append_row(database_, head_, entry));
    return write_head(database_, head_);
  }

  // Of one rollout after the other, as many rows as one call may take.
  Result<std::uint64_t> take_out_evidence() {
    std::uint64_t taken = 0;
    std::string rollout;
    while (rule_.before && taken < rule_.evidence_rows) {
      CANARYD_TRY_ASSIGN(
          Statement next,
          database_.prepare(
              "SELECT rollout FROM evidence WHERE rollout > ? ORDER BY rollout LIMIT 1"));
      CANARYD_TRY_ASSIGN(const bool more, next.bind_text(1, rollout).step());
      if (!more) break;
      std::string found = next.text(0);
      next.reset();
      rollout = std::move(found);
      CANARYD_TRY_ASSIGN(const bool goes, evidence_goes(rollout));
      if (!goes) continue;
      CANARYD_TRY_ASSIGN(
          Statement remove,
          database_.prepare("DELETE FROM evidence WHERE (rollout, run, place) IN (SELECT rollout, "
                            "run, place FROM evidence WHERE rollout = ? ORDER BY run DESC, place "
                            "DESC LIMIT ?)"));
      CANARYD_TRY(remove.bind_text(1, rollout).bind(2, rule_.evidence_rows - taken).run());
      taken += static_cast<std::uint64_t>(database_.changes());
    }
    return taken;
  }

  Result<bool> evidence_goes(const std::string& rollout) {
    CANARYD_TRY_ASSIGN(Statement last,
                       database_.prepare("SELECT to_state, at_ms FROM journal WHERE rollout = ?"
                                         " ORDER BY generation DESC LIMIT 1"));
    CANARYD_TRY_ASSIGN(const bool any, last.bind_text(1, rollout).step());
    if (!any || !gets_no_evidence(last.text(0))) return false;
    return WallTime(std::chrono::milliseconds(last.signed_integer(1))) < *rule_.before;
  }

  Database& database_;
  const PruneRule& rule_;
  Head head_;
  std::map<std::string, std::uint64_t> kept_from_;
};

}  // namespace

Result<Pruned> prune_rows(Database& database, const PruneRule& rule, std::uint64_t from_id) {
  return Sweep(database, rule).run(from_id);
}

}  // namespace canaryd::store
