// The rows of one write in the database. Private to store.
#pragma once

#include "canaryd/store/store.hpp"
#include "store/database.hpp"

namespace canaryd::store {

// Inside a transaction, or a part of one; what was written of a batch that fails is the caller's to
// roll back.
[[nodiscard]] Result<void> write_rows(Database& database, const Batch& batch);

}  // namespace canaryd::store
