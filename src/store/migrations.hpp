// The schema of the state file and its history. Thread rule: that of Database.
#pragma once

#include "canaryd/base/error.hpp"
#include "store/database.hpp"

namespace canaryd::store {

// Refuses a file that is another program's or a later version's. Changes nothing.
[[nodiscard]] Result<void> check_identity(Database& database);
// Makes the schema, or brings it up to date, in one transaction. After check_identity().
[[nodiscard]] Result<void> migrate(Database& database);

}  // namespace canaryd::store
