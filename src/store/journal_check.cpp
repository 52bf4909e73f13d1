#include "store/journal_check.hpp"

#include "store/journal.hpp"
#include "store/journal_rows.hpp"

#include <charconv>
#include <string>
#include <string_view>
#include <utility>

namespace canaryd::store {
namespace {

// "pruned 1200": see prune.cpp.
std::uint64_t attested_by(const JournalEntry& entry) {
  std::uint64_t count = 0;
  const std::string_view text = entry.state;
  const std::size_t blank = text.find(' ');
  if (blank == std::string_view::npos) return 0;
  std::from_chars(text.data() + blank + 1, text.data() + text.size(), count);
  return count;
}

class Check {
 public:
  Check(Database& database, Verification so_far)
      : database_(database), result_(std::move(so_far)) {}

  Result<Verification> run(std::size_t rows) {
    CANARYD_TRY_ASSIGN(
        const std::uint64_t tables,
        database_.query_integer("SELECT count(*) FROM sqlite_schema WHERE name = 'pruned'"));
    knows_gaps_ = tables > 0;
    CANARYD_TRY_ASSIGN(last_.hash, hash_of_last());
    last_.id = result_.head.id;
    CANARYD_TRY_ASSIGN(Statement statement,
                       database_.prepare("SELECT " + std::string(kJournalColumns) +
                                         " FROM journal WHERE id > ? ORDER BY id LIMIT ?"));
    statement.bind(1, last_.id).bind(2, rows);
    std::size_t found = 0;
    while (result_.ok()) {
      CANARYD_TRY_ASSIGN(const bool more, statement.step());
      if (!more) break;
      ++found;
      CANARYD_TRY(look_at(read_row(statement)));
    }
    if (result_.ok() && found < rows) CANARYD_TRY(look_at_end());
    result_.done = !result_.ok() || found < rows;
    result_.head = {last_.id, to_hex(last_.hash)};
    return std::move(result_);
  }

 private:
  void bad(std::uint64_t id, std::string problem) {
    result_.bad_id = id;
    result_.problem = std::move(problem);
  }

  // It may have been taken out since: its hash was not.
  Result<RowHash> hash_of_last() {
    if (result_.head.id == 0 || knows_gaps_) return hash_before(database_, result_.head.id + 1);
    CANARYD_TRY_ASSIGN(Statement statement,
                       database_.prepare("SELECT hash FROM journal WHERE id = ?"));
    CANARYD_TRY_ASSIGN([[maybe_unused]] const bool row, statement.bind(1, result_.head.id).step());
    return to_hash(statement.blob(0));
  }

  Result<void> look_at(const StoredRow& row) {
    if (row.id != last_.id + 1) CANARYD_TRY(pass_gap(row.id));
    if (!result_.ok()) return {};
    CANARYD_TRY_ASSIGN(const RowHash expected, row_hash(last_.hash, row.id, row.entry));
    if (row.hash != expected) {
      bad(row.id, "it, or one before it, was changed");
      return {};
    }
    last_ = {row.id, row.hash};
    ++result_.rows;
    if (!result_.rollout.empty() && row.entry.rollout == result_.rollout) ++result_.rows_of_rollout;
    if (!result_.first) result_.first = row.entry.at;
    result_.last = row.entry.at;
    const bool attests = row.entry.rollout.empty() && row.entry.event == kPruneEvent;
    if (attests) result_.attested = attested_by(row.entry);
    compare_known();
    return {};
  }

  // Up to the row `id`, which is there.
  Result<void> pass_gap(std::uint64_t id) {
    const std::uint64_t first = last_.id + 1;
    std::optional<Gap> gap;
    if (knows_gaps_) {
      CANARYD_TRY_ASSIGN(gap, find_gap(database_, first));
    }
    if (!gap || gap->last.id + 1 != id) {
      bad(first, "it is missing");
      return {};
    }
    result_.pruned += id - first;
    if (result_.known && result_.known->id >= first && result_.known->id < gap->last.id) {
      result_.known_pruned = true;
    }
    last_ = gap->last;
    compare_known();
    return {};
  }

  void compare_known() {
    if (!result_.known || result_.known->id != last_.id) return;
    if (result_.known->hash == to_hex(last_.hash)) return;
    bad(last_.id, "its hash is not the one that was kept: it, or one before it, was changed");
  }

  Result<void> look_at_end() {
    CANARYD_TRY_ASSIGN(const Head end, read_head(database_));
    std::uint64_t pruned = 0;
    if (knows_gaps_) {
      CANARYD_TRY_ASSIGN(pruned, count_pruned(database_));
    }
    if (last_.id < end.id) {
      bad(last_.id + 1, "the end of the journal is missing");
    } else if (last_.id != end.id || last_.hash != end.hash) {
      bad(last_.id, "the journal does not end where it should");
    } else if (pruned != result_.attested) {
      bad(last_.id,
          "the last entry of retention says that " + std::to_string(result_.attested) +
              " were taken out, but there are " + std::to_string(pruned) + " less");
    } else if (result_.known && result_.known->id > last_.id) {
      bad(last_.id + 1,
          "the journal had " + std::to_string(result_.known->id) +
              " entries once: its end is missing");
    }
    return {};
  }

  Database& database_;
  Verification result_;
  Head last_;
  bool knows_gaps_ = false;
};

}  // namespace

Result<Verification> check_rows(Database& database, Verification so_far, std::size_t rows) {
  if (so_far.done) return so_far;
  return Check(database, std::move(so_far)).run(rows);
}

}  // namespace canaryd::store
