// Journal rows between memory and statements. Pure but for the statement's row.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/store/store.hpp"
#include "store/chain.hpp"
#include "store/database.hpp"

#include <cstdint>
#include <string>

namespace canaryd::store {

// In the order of read_row() and bind_row(); the first is the id.
inline constexpr const char* kJournalColumns =
    "id, rollout, generation, at_ms, actor, event, from_state, to_state, step, weight_before, "
    "weight_after, cause, reason, evidence, sentence, state, hash";

struct StoredRow {
  std::uint64_t id = 0;
  JournalEntry entry;
  RowHash hash{};
};

// A hash that is not 32 bytes reads as zeros, which no row has.
[[nodiscard]] RowHash to_hash(const std::string& bytes);
// The statement must select kJournalColumns.
[[nodiscard]] StoredRow read_row(const Statement& from);
// `row` must live until the statement is reset.
void bind_row(Statement& to, const StoredRow& row);
[[nodiscard]] JournalRow shown(StoredRow row);

// kLimit: a text or a list is too long.
[[nodiscard]] Result<void> check_limits(const Batch& batch);

}  // namespace canaryd::store
