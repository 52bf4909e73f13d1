// The check of the hash chain, some rows at a time. Private to store.
#pragma once

#include "canaryd/store/verification.hpp"
#include "store/database.hpp"

#include <cstddef>

namespace canaryd::store {

// See Store::verify_some(). Reads only; also files of older schemas.
[[nodiscard]] Result<Verification> check_rows(Database& database,
                                              Verification so_far,
                                              std::size_t rows);

}  // namespace canaryd::store
