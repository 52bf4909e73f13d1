#include "canaryd/base/suggest.hpp"

#include <gtest/gtest.h>

namespace canaryd {
namespace {

TEST(Suggest, TheNearestWord) {
  EXPECT_EQ(did_you_mean("stauts", {"start", "status", "stop"}), "did you mean \"status\"?");
  EXPECT_EQ(did_you_mean("Max-Requests", {"min_requests", "max_requests"}),
            "did you mean \"max_requests\"?");
  EXPECT_EQ(did_you_mean("zebra", {"start", "status"}), "");
  EXPECT_EQ(did_you_mean("", {"a"}), "");
}

TEST(Suggest, AllThatAreAsNear) {
  EXPECT_EQ(did_you_mean("shop-v3", {"shop-v1", "api", "shop-v2"}),
            "did you mean \"shop-v1\" or \"shop-v2\"?");
  EXPECT_EQ(did_you_mean("v9", {"v1", "v2", "v3"}), "did you mean \"v1\", \"v2\" or \"v3\"?");
  EXPECT_EQ(did_you_mean("v9", {"v1", "v2", "v3", "v4"}), "") << "each is as likely as the others";
}

TEST(Suggest, WhatIsKnownToBeMeant) {
  EXPECT_EQ(did_you_mean_one_of({}), "");
  EXPECT_EQ(did_you_mean_one_of({"path_exact", "path_prefix", "path_template"}),
            "did you mean \"path_exact\", \"path_prefix\" or \"path_template\"?");
}

TEST(Suggest, NamesThoseThatThereAre) {
  EXPECT_EQ(no_such("route", {}), "there is no such route");
  EXPECT_EQ(no_such("route", {"shop"}), "there is no such route; there is shop");
  EXPECT_EQ(no_such("route", {"shop", "api"}), "there is no such route; there are shop, api");
  EXPECT_EQ(no_such("route", {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"}),
            "there is no such route; there are a, b, c, d, e, f, g, h, i, j and more");
}

TEST(Suggest, WhatIsThereIsMeant) {
  EXPECT_EQ(did_you_mean("shop", {"shop", "shot"}), "");
}

}  // namespace
}  // namespace canaryd
