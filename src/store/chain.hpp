// The hash chain of the journal: each row's hash covers its content and the hash of the row before.
//
// Whoever changes, removes or inserts a row has to recompute every hash after it. Somebody who can
// write the file can do that too; keep the head (history --verify prints it) elsewhere to notice.
// Pure.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/store/store.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace canaryd::store {

using RowHash = std::array<std::uint8_t, 32>;  // SHA-256.

// What the first row has before it.
inline constexpr RowHash kGenesis{};

[[nodiscard]] Result<RowHash> row_hash(const RowHash& previous,
                                       std::uint64_t id,
                                       const JournalEntry& entry);
[[nodiscard]] std::string to_hex(const RowHash& hash);

}  // namespace canaryd::store
