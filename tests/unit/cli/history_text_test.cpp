// The order in which people read what happened.
#include "cli/history_text.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace canaryd::cli {
namespace {

boost::json::value row(std::int64_t id, const char* rollout, const char* time) {
  return {{"id", id}, {"rollout", rollout}, {"time", time}};
}
boost::json::value comment(const char* rollout, const char* time) {
  return {{"comment", "slow"}, {"rollout", rollout}, {"time", time}};
}

std::string order_of(boost::json::array rows) {
  sort_history(rows);
  std::string order;
  for (const auto& each : rows) {
    const boost::json::value* const id = each.as_object().if_contains("id");
    order += id != nullptr ? std::to_string(id->as_int64()) + " " : std::string("comment ");
  }
  return order;
}

TEST(HistoryOrder, IsThatOfTime) {
  EXPECT_EQ(order_of({row(3, "cart", "2026-11-30T10:00:03Z"),
                      comment("shop", "2026-11-30T10:00:02Z"),
                      row(1, "shop", "2026-11-30T10:00:01Z"),
                      row(2, "shop", "2026-11-30T10:00:01Z")}),
            "1 2 comment 3 ");
}

// A clock that was ahead, and was set back: what came afterwards stands behind it.
TEST(HistoryOrder, OfOneRolloutIsThatOfItsJournal) {
  EXPECT_EQ(order_of({row(4, "shop", "2026-11-30T10:05:00Z"),
                      row(1, "shop", "2026-11-30T10:00:00Z"),
                      row(2, "shop", "2026-12-10T10:00:00Z"),
                      row(3, "shop", "2026-11-30T10:04:00Z"),
                      row(5, "cart", "2026-11-30T10:06:00Z")}),
            "1 5 2 3 4 ");
}

}  // namespace
}  // namespace canaryd::cli
