// The comments of users in the database. Private to store.
#pragma once

#include "canaryd/store/store.hpp"
#include "store/database.hpp"

#include <vector>

namespace canaryd::store {

// Inside a transaction; the oldest beyond kMaxComments of a rollout go.
[[nodiscard]] Result<void> add_comments(Database& database, const std::vector<Comment>& comments);
[[nodiscard]] Result<std::vector<Comment>> read_comments(Database& database,
                                                         const std::string& rollout,
                                                         std::size_t limit);

}  // namespace canaryd::store
