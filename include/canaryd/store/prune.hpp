// What of the journal and the evidence may go (state.retention). Plain values.
//
// A row of the journal may go once it is old enough, or enough rows are newer. It stays all the
// same
//  - if it is the last one of its rollout, which is the rollout's state;
//  - if its rollout is not over (idle, promoted, retired, rolled back or aborted): then all rows
//    since it was over last stay;
//  - if a reader of its rollout has not dealt with it yet.
// In its place the store keeps the hash, so that the chain goes on; and a row of event "prune" in
// the chain itself says how many were taken out, so that what somebody else takes out is noticed.
//
// Evidence goes with the age of its rollout's last row, once that is retired, rolled back or
// aborted: nothing is added to it then. The last rows go first, so that a crash leaves a beginning.
#pragma once

#include "canaryd/base/clock.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace canaryd::store {

// Name of a cursor, and the rollout whose rows it reads.
struct RolloutReader {
  std::string rollout;
  std::string reader;
};

struct PruneRule {
  std::optional<WallTime> before;       // Older rows may go.
  std::optional<std::uint64_t> newest;  // Rows may go but for so many.
  std::vector<RolloutReader> readers;
  WallTime now{};                    // Of the entry that says so.
  std::size_t journal_rows = 200;    // Looked at in one call.
  std::size_t evidence_rows = 2000;  // Taken out in one call.
};

// One call of a sweep, which begins at id 0.
struct Pruned {
  std::uint64_t entries = 0;
  std::uint64_t evidence = 0;
  std::optional<std::uint64_t> next_id;  // Where the next call goes on; not set: the sweep is done.
};

}  // namespace canaryd::store
