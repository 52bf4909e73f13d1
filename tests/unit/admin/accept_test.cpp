#include "admin/accept.hpp"

#include <gtest/gtest.h>

namespace canaryd::admin {
namespace {

constexpr std::string_view kJson = "application/json";

TEST(Accept, TakesWhatHasTheType) {
  for (const char* accept : {"",
                             "*/*",
                             "application/json",
                             "Application/JSON; charset=utf-8",
                             "text/html, application/*;q=0.5",
                             "text/html,application/xhtml+xml,*/*;q=0.8",
                             "application/json;q=0.001",
                             "*/*;q=0, application/json"}) {
    EXPECT_TRUE(accepts(accept, kJson)) << accept;
  }
}

TEST(Accept, RefusesWhatHasItNotOrNamesItWithAWeightOfZero) {
  for (const char* accept : {"text/html",
                             "text/*",
                             "application/jsonx",
                             "app*/*",
                             ",,",
                             "application/json;q=0",
                             "application/json; q=0.000, */*",
                             "application/*;Q=0.0, */*"}) {
    EXPECT_FALSE(accepts(accept, kJson)) << accept;
  }
}

TEST(Accept, ReadsContentTypes) {
  EXPECT_TRUE(is_type("application/json", kJson));
  EXPECT_TRUE(is_type(" APPLICATION/json ;charset=utf-8", kJson));
  EXPECT_FALSE(is_type("application/json2", kJson));
  EXPECT_FALSE(is_type("text/plain", kJson));
  EXPECT_FALSE(is_type(std::nullopt, kJson));
}

}  // namespace
}  // namespace canaryd::admin
