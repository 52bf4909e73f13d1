// What is kept on disk: the journal of every transition, and the evidence behind the verdicts.
//
// The journal only grows, but for what retention takes out (prune.hpp). Each row's hash covers the
// hash of the row before it, so that verify() finds what was changed afterwards. The state of a
// rollout is that of its last row. Evidence rows belong to a run (one start with fresh evidence)
// and may be dropped once the run is over.
//
// A write is atomic and, when it returns without an error, durable. Writing the same rows again is
// no error and changes nothing, so a write whose outcome is unknown may simply be repeated.
//
// Thread rule: one thread at a time (see async_store.hpp). Calls block on the disk. Limits: texts
// of a row up to kMaxTextBytes, kMaxValues integers in an evidence row.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/error.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/rollout/machine.hpp"
#include "canaryd/store/prune.hpp"
#include "canaryd/store/verification.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace canaryd::store {

inline constexpr std::size_t kMaxTextBytes = 64 * 1024;
inline constexpr std::size_t kMaxValues = 4096;
inline constexpr std::size_t kMaxHistoryRows = 1000;
inline constexpr std::size_t kMaxEvidenceRows = 100'000;
inline constexpr std::size_t kMaxComments = 1000;  // Of a rollout; older ones go.

struct JournalEntry {
  std::string rollout;
  std::uint64_t generation = 0;
  WallTime at{};
  std::string actor;
  std::string event;
  std::string from;
  std::string to;
  std::uint64_t step = 0;
  BasisPoints weight_before;
  BasisPoints weight_after;
  std::string cause;
  std::string reason;
  std::string evidence;
  std::string sentence;
  std::string state;  // rollout::serialise() of the new state.
  friend bool operator==(const JournalEntry&, const JournalEntry&) = default;
};

// The row for a transition that is kChanged.
[[nodiscard]] JournalEntry entry_of(const rollout::Transition& transition);

struct JournalRow {
  std::uint64_t id = 0;  // Rising over all rollouts.
  JournalEntry entry;
  std::string hash;  // Hexadecimal; of this row and all before it.
  friend bool operator==(const JournalRow&, const JournalRow&) = default;
};

// The meaning of `values` is the caller's.
enum class EvidenceKind : std::uint8_t { kSettings = 0, kStep = 1, kBlock = 2 };

struct EvidenceRow {
  std::string rollout;
  std::uint64_t run = 0;    // State::run.
  std::uint64_t index = 0;  // Rising within the run; what is replayed in this order.
  EvidenceKind kind = EvidenceKind::kBlock;
  std::vector<std::int64_t> values;
  friend bool operator==(const EvidenceRow&, const EvidenceRow&) = default;
};

// Canary failures that users saw, in a run. Only ever rises.
struct ExposureUse {
  std::string rollout;
  std::uint64_t run = 0;
  std::uint64_t used = 0;
  friend bool operator==(const ExposureUse&, const ExposureUse&) = default;
};

// How long stable had been watched without a request, when it was written last.
struct StableIdle {
  std::string rollout;
  std::uint64_t run = 0;
  std::uint64_t milliseconds = 0;
  friend bool operator==(const StableIdle&, const StableIdle&) = default;
};

// What a user says beside a vote. No part of the journal: it may go, and nothing rests on it.
struct Comment {
  std::string rollout;
  WallTime at{};
  std::uint64_t place = 0;  // Tells those of one millisecond apart; rising.
  std::string cohort;
  unsigned score = 0;  // 1 to 5.
  std::string actor;
  std::string text;
  friend bool operator==(const Comment&, const Comment&) = default;
};

// How far somebody has read the journal. Only ever rises.
struct Cursor {
  std::string reader;
  std::uint64_t id = 0;  // Of the last row that was dealt with.
  friend bool operator==(const Cursor&, const Cursor&) = default;
};

// All readers whose names begin so. The cursors of others that do are dropped: who reads again
// later is a new one.
struct Readers {
  std::string prefix;  // Not empty, ASCII.
  std::vector<std::string> names;
  friend bool operator==(const Readers&, const Readers&) = default;
};

// Evidence, exposure and idle time of all runs before this one, which nobody needs any more.
struct EvidenceDrop {
  std::string rollout;
  std::uint64_t before_run = 0;
  friend bool operator==(const EvidenceDrop&, const EvidenceDrop&) = default;
};

// All or nothing.
struct Batch {
  std::vector<JournalEntry> entries;
  std::vector<EvidenceRow> evidence;
  std::vector<ExposureUse> exposure;
  std::vector<StableIdle> idle;
  std::vector<Comment> comments;
  std::vector<Cursor> cursors;
  std::vector<Readers> readers;
  std::vector<EvidenceDrop> drops;
  [[nodiscard]] bool empty() const noexcept {
    return entries.empty() && evidence.empty() && exposure.empty() && idle.empty() &&
           comments.empty() && cursors.empty() && readers.empty() && drops.empty();
  }
};

struct HistoryQuery {
  std::string rollout;      // Empty: all.
  std::size_t limit = 100;  // At most kMaxHistoryRows.
  // Rows with a greater id; without it the newest `limit` rows.
  std::optional<std::uint64_t> after;
};

struct EvidenceQuery {
  std::string rollout;
  std::uint64_t run = 0;
  std::uint64_t from_index = 0;
  std::size_t limit = kMaxEvidenceRows;
};

class Store {
 public:
  Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  virtual ~Store() = default;

  // kRefused: another row with this rollout and generation is there already, or an older generation
  // than the last one. Error::retry is kSafe when the disk may recover.
  [[nodiscard]] virtual Result<void> write(const Batch& batch) = 0;
  // Writes each as write() does, in this order, and makes them durable together: that costs what
  // one costs. An answer for each. One that can never be written (Retry::kNever) fails alone. Where
  // the disk fails none of them is in the journal, and all that did not fail by themselves have its
  // error. (Of a store that has no transactions: those before the failure stay.)
  [[nodiscard]] virtual std::vector<Result<void>> write_each(std::span<const Batch* const> batches);

  // The last row of each rollout, checked against its hash; by name.
  [[nodiscard]] virtual Result<std::vector<JournalRow>> latest() = 0;
  // Oldest first.
  [[nodiscard]] virtual Result<std::vector<JournalRow>> history(const HistoryQuery& query) = 0;
  // By index.
  [[nodiscard]] virtual Result<std::vector<EvidenceRow>> evidence(const EvidenceQuery& query) = 0;
  // 0 if none was written.
  [[nodiscard]] virtual Result<std::uint64_t> exposure_used(const std::string& rollout,
                                                            std::uint64_t run) = 0;
  // 0 if none was written.
  [[nodiscard]] virtual Result<std::uint64_t> stable_idle(const std::string& rollout,
                                                          std::uint64_t run) = 0;
  // The newest of the rollout, oldest first; at most kMaxComments.
  [[nodiscard]] virtual Result<std::vector<Comment>> comments(const std::string& rollout,
                                                              std::size_t limit) = 0;
  // The cursor of this reader; of a new one it is made, and stands at the newest row.
  [[nodiscard]] virtual Result<std::uint64_t> open_cursor(const std::string& reader) = 0;
  // Recomputes the hashes of the next `rows` rows after those of `so_far`, which is a fresh one at
  // first.
  [[nodiscard]] virtual Result<Verification> verify_some(Verification so_far, std::size_t rows) = 0;
  // All of them, at once.
  [[nodiscard]] Result<Verification> verify();
  // Whether what has been written would be found after a restart, as far as can be told without
  // writing: not if the file was removed under the daemon. No write works then either.
  [[nodiscard]] virtual Result<void> probe() { return {}; }
  // What is written from here on is what is left before the end, which saves what a log has that
  // nobody would find.
  virtual void begin_close() noexcept {}

  // A write of this one drop. The journal stays.
  [[nodiscard]] Result<void> drop_evidence(const std::string& rollout, std::uint64_t before_run);
  // A part of a sweep: see prune.hpp. All or nothing, too.
  [[nodiscard]] virtual Result<Pruned> prune(const PruneRule& rule, std::uint64_t from_id) = 0;
};

}  // namespace canaryd::store
