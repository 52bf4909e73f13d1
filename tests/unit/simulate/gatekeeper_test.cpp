#include "simulate/gatekeeper.hpp"

#include <gtest/gtest.h>

namespace canaryd::simulate {
namespace {

TEST(Gatekeeper, ARunOfFailuresShutsTheGateInTheMidstOfASecond) {
  const Protection protection;
  Random random(1);
  Gatekeeper gatekeeper(protection, random);
  const Sent sent = gatekeeper.send({.requests = 100, .failures = 100}, 7);
  EXPECT_EQ(sent.counts.requests, 5U);
  EXPECT_EQ(sent.user_failures, 5U);
  EXPECT_EQ(gatekeeper.effective(BasisPoints(100)), BasisPoints(0));
}

TEST(Gatekeeper, ARunGoesOnOverSeconds) {
  const Protection protection;
  Random random(1);
  Gatekeeper gatekeeper(protection, random);
  for (int second = 0; second < 4; ++second) {
    static_cast<void>(gatekeeper.send({.requests = 1, .failures = 1}, second));
    EXPECT_EQ(gatekeeper.effective(BasisPoints(100)), BasisPoints(100));
  }
  static_cast<void>(gatekeeper.send({.requests = 1, .failures = 1}, 4));
  EXPECT_EQ(gatekeeper.effective(BasisPoints(100)), BasisPoints(0));
}

TEST(Gatekeeper, WithoutACircuitEverythingIsSent) {
  Protection protection;
  protection.consecutive_failures = 0;
  Random random(1);
  Gatekeeper gatekeeper(protection, random);
  const Sent sent = gatekeeper.send({.requests = 100, .failures = 100}, 0);
  EXPECT_EQ(sent.counts.failures, 100U);
}

TEST(Gatekeeper, UsersSeeAtMostTheBudgetAndOneMore) {
  Protection protection;
  protection.max_failed_requests = 3;
  Random random(1);
  Gatekeeper gatekeeper(protection, random);
  std::uint64_t seen = 0;
  for (int second = 0; second < 100; ++second) {
    seen += gatekeeper.send({.requests = 50, .failures = 1}, second).user_failures;
  }
  EXPECT_EQ(seen, 4U);
}

TEST(Gatekeeper, WhatStableAnswersNoUserSees) {
  Protection protection;
  protection.covered = 1;
  Random random(1);
  Gatekeeper gatekeeper(protection, random);
  EXPECT_EQ(gatekeeper.send({.requests = 100, .failures = 50}, 0).user_failures, 0U);
}

}  // namespace
}  // namespace canaryd::simulate
