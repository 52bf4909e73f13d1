// The evidence as rows of whole numbers, and back (store::EvidenceRow::values).
//
// Rows are only ever extended at their end, so that a run that an older version has begun goes on:
// what its settings do not name is not judged in it. Reading is for untrusted values: kMalformed,
// and nothing else. Pure.
#pragma once

#include "canaryd/analysis/settings.hpp"
#include "canaryd/base/error.hpp"
#include "canaryd/stats/block.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace canaryd::control {

// What the accounts depend on.
[[nodiscard]] std::vector<std::int64_t> settings_values(const analysis::Settings& settings);
// `others` gives what is not in the row.
[[nodiscard]] Result<analysis::Settings> read_settings(std::span<const std::int64_t> values,
                                                       analysis::Settings others);

// Client errors only where they are judged.
[[nodiscard]] std::vector<std::int64_t> block_values(const stats::Block& block,
                                                     bool client_errors = false);
[[nodiscard]] Result<stats::Block> read_block(std::span<const std::int64_t> values);

}  // namespace canaryd::control
