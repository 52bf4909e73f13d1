// A check of the journal's hash chain, as far as it has come. Plain values.
//
// The chain finds a row that was changed, is missing, or stands elsewhere. Somebody who can write
// the file can make the whole chain anew, or end it earlier; what notices that is the head of an
// earlier check, kept where he cannot write it (`known`).
#pragma once

#include "canaryd/base/clock.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace canaryd::store {

// A row of the journal and its hash, hexadecimal. The zeros before the first row are id 0.
struct ChainHead {
  std::uint64_t id = 0;
  std::string hash;
  friend bool operator==(const ChainHead&, const ChainHead&) = default;
};

struct Verification {
  // Asked for.
  std::string rollout;             // Count its rows; empty: none.
  std::optional<ChainHead> known;  // The head of an earlier check.

  // Found.
  bool done = false;
  std::uint64_t rows = 0;  // Checked and good, from the first that is kept.
  std::uint64_t rows_of_rollout = 0;
  std::uint64_t pruned = 0;       // Taken out by retention, and accounted for.
  std::optional<WallTime> first;  // Of the good rows.
  std::optional<WallTime> last;
  ChainHead head;             // The last good row.
  bool known_pruned = false;  // The row of `known` was taken out: nothing can be said about it.
  // The first row that is wrong, and how; nothing if all are right.
  std::optional<std::uint64_t> bad_id;
  std::string problem;
  std::uint64_t attested = 0;  // Rows that retention says to have taken out, as of the last row.

  [[nodiscard]] bool ok() const noexcept { return !bad_id; }
};

}  // namespace canaryd::store
