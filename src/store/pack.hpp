// Integers as few bytes: zigzag and base 128, then a 32-bit check value over place and content.
//
// Evidence rows are most of the file, and most of their numbers are small. The check value finds
// what the disk changed; it is no protection against people. Pure.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/store/store.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::store {

[[nodiscard]] std::string pack_values(const EvidenceRow& row);
// Fills row.values; the rest of the row says where the bytes belong. Untrusted bytes.
[[nodiscard]] Result<void> unpack_values(std::string_view bytes, EvidenceRow& row);

}  // namespace canaryd::store
