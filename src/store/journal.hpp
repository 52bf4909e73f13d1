// The end of the journal in the database, and what stands in the place of rows that retention took
// out. Private to store; inside the caller's transaction.
#pragma once

#include "canaryd/store/store.hpp"
#include "store/chain.hpp"
#include "store/database.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace canaryd::store {

// Event of the rows, of no rollout, by which retention says what it took out.
inline constexpr std::string_view kPruneEvent = "prune";

struct Head {
  std::uint64_t id = 0;
  RowHash hash = kGenesis;
};

// kMalformed: nothing says where the journal ends.
[[nodiscard]] Result<Head> read_head(Database& database);
[[nodiscard]] Result<void> write_head(Database& database, const Head& head);

// Adds a row behind `head`, which moves; write_head() is the caller's.
[[nodiscard]] Result<void> append_row(Database& database, Head& head, const JournalEntry& entry);

// Rows that were taken out one after the other: up to `last.id`, whose hash is kept.
struct Gap {
  std::uint64_t first_id = 0;
  Head last;
};
// The one that `id` is in.
[[nodiscard]] Result<std::optional<Gap>> find_gap(Database& database, std::uint64_t id);
// Of the row before `id`, also if it was taken out; zeros if there is none.
[[nodiscard]] Result<RowHash> hash_before(Database& database, std::uint64_t id);
// Rows in all gaps.
[[nodiscard]] Result<std::uint64_t> count_pruned(Database& database);

// "state file ...: WHAT; it was left as it is ...".
[[nodiscard]] tl::unexpected<Error> damaged(const Database& database, const std::string& what);

}  // namespace canaryd::store
