#include "admin/query.hpp"

#include <gtest/gtest.h>

namespace canaryd::admin {
namespace {

TEST(Query, ReadsFlagsAndNumbers) {
  const Query query =
      Query::parse("verbose&limit=10&&after=", {"verbose", "limit", "after"}).value();
  EXPECT_TRUE(query.has("verbose"));
  EXPECT_EQ(query.number("limit", 1, 1000).value(), 10U);
  EXPECT_FALSE(query.number("after", 0, 10));
  EXPECT_EQ(Query::parse("", {"limit"}).value().number("limit", 1, 1000).value(), std::nullopt);
}

TEST(Query, RefusesWhatItDoesNotKnow) {
  for (const char* text : {"limt=1", "limit=1&limit=2", "=1", "LIMIT=1"}) {
    EXPECT_FALSE(Query::parse(text, {"limit"})) << text;
  }
  for (const char* text : {"limit=0",
                           "limit=1001",
                           "limit=-1",
                           "limit=1x",
                           "limit=%31",
                           "limit=99999999999999999999"}) {
    EXPECT_FALSE(Query::parse(text, {"limit"}).value().number("limit", 1, 1000)) << text;
  }
}

}  // namespace
}  // namespace canaryd::admin
