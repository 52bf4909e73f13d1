// One call of a sweep of retention over the database. Private to store.
#pragma once

#include "canaryd/store/prune.hpp"
#include "store/database.hpp"

#include <cstdint>

namespace canaryd::store {

// Inside a transaction. See canaryd/store/prune.hpp.
[[nodiscard]] Result<Pruned> prune_rows(Database& database,
                                        const PruneRule& rule,
                                        std::uint64_t from_id);

}  // namespace canaryd::store
