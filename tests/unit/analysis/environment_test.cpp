#include "canaryd/analysis/environment.hpp"

#include <gtest/gtest.h>

namespace canaryd::analysis {
namespace {

Environment::Window both(double stable, double canary) {
  return {.stable_requests = 1000,
          .stable_failures = stable,
          .canary_requests = 100,
          .canary_failures = canary};
}

Environment after(int seconds, double stable) {
  Environment environment;
  for (int i = 0; i < seconds; ++i) environment.observe(both(stable, stable));
  return environment;
}

TEST(Environment, BothFailingTenTimesAsOftenAsUsualIsAnOutage) {
  for (const double share : {0.10, 1.0}) {
    Environment environment = after(1800, 0.01);
    EXPECT_FALSE(environment.both_failing());
    for (int i = 0; i < 300; ++i) {
      environment.observe(both(share, share));
      ASSERT_TRUE(environment.both_failing()) << i;
    }
    environment.observe(both(0.01, 0.01));
    EXPECT_FALSE(environment.both_failing());
  }
}

TEST(Environment, AServiceThatAlwaysFailsMuchIsAsUsual) {
  Environment environment = after(1800, 0.10);
  EXPECT_FALSE(environment.both_failing());
  environment.observe(both(0.2, 0.2));
  EXPECT_FALSE(environment.both_failing());
  environment.observe(both(0.4, 0.4));
  EXPECT_TRUE(environment.both_failing());
}

TEST(Environment, ItDoesNotFlutter) {
  Environment environment = after(1800, 0.01);
  environment.observe(both(0.06, 0.06));
  EXPECT_TRUE(environment.both_failing());
  environment.observe(both(0.04, 0.04));
  EXPECT_TRUE(environment.both_failing());
  environment.observe(both(0.02, 0.02));
  EXPECT_FALSE(environment.both_failing());
  environment.observe(both(0.04, 0.04));
  EXPECT_FALSE(environment.both_failing());
}

TEST(Environment, OneVersionAloneIsNotTheEnvironment) {
  Environment environment = after(1800, 0.01);
  environment.observe(both(0.01, 1.0));
  EXPECT_FALSE(environment.both_failing());
  environment.observe(both(0.5, 0.01));
  EXPECT_FALSE(environment.both_failing());
  // Too few requests of the canary to tell: it stays what it was.
  Environment::Window few = both(0.5, 0);
  few.canary_requests = 5;
  environment.observe(few);
  EXPECT_FALSE(environment.both_failing());
  environment.observe(both(0.5, 0.5));
  EXPECT_TRUE(environment.both_failing());
  environment.observe(few);
  EXPECT_TRUE(environment.both_failing());
  environment.observe(both(0.5, 0.1));
  EXPECT_FALSE(environment.both_failing());
}

TEST(Environment, ChanceAndSilenceAreNoOutage) {
  Environment environment = after(1800, 0.01);
  environment.observe({.stable_requests = 40,
                       .stable_failures = 0.1,
                       .canary_requests = 4,
                       .canary_failures = 0.25});
  EXPECT_FALSE(environment.both_failing());
  environment.observe(both(0.5, 0.5));
  EXPECT_TRUE(environment.both_failing());
  environment.observe({});
  EXPECT_TRUE(environment.both_failing()) << "nothing is no good news";
  environment.observe(both(0.01, 0.01));
  EXPECT_FALSE(environment.both_failing());
  environment.observe({});
  EXPECT_FALSE(environment.both_failing());
}

TEST(Environment, AnOutageDoesNotBecomeUsual) {
  for (const double share : {0.10, 1.0}) {
    Environment environment = after(300, 0.01);
    for (int i = 0; i < 6 * 3600; ++i) {
      environment.observe(both(share, share));
      ASSERT_TRUE(environment.both_failing()) << i;
    }
    environment.observe(both(0.01, 0.01));
    EXPECT_FALSE(environment.both_failing());
    environment.observe(both(share, share));
    EXPECT_TRUE(environment.both_failing());
  }
}

TEST(Environment, AServiceThatFailsMuchFromTheStartIsKnownInMinutes) {
  EXPECT_TRUE(after(10, 0.2).both_failing());
  EXPECT_FALSE(after(200, 0.2).both_failing());
}

TEST(Environment, ASlowStableIsNoneToCompareWith) {
  Environment environment = after(1800, 0.01);
  Environment::Window slow = both(0.01, 0.01);
  slow.stable_slow = true;
  for (int i = 0; i < 2; ++i) environment.observe(slow);
  environment.observe(both(0.01, 0.01));
  for (int i = 0; i < 2; ++i) environment.observe(slow);
  EXPECT_FALSE(environment.degraded()) << "a pause";
  environment.observe(slow);
  EXPECT_TRUE(environment.degraded());
  EXPECT_TRUE(environment.stable_slow());
  EXPECT_FALSE(environment.both_failing());
  for (int i = 0; i < 9; ++i) environment.observe(both(0.01, 0.01));
  EXPECT_TRUE(environment.degraded());
  environment.observe(slow);
  for (int i = 0; i < 9; ++i) environment.observe(both(0.01, 0.01));
  EXPECT_TRUE(environment.degraded());
  environment.observe(both(0.01, 0.01));
  EXPECT_FALSE(environment.degraded());
}

TEST(Environment, IsNewForAsLongAsAWindowIs) {
  Environment environment;
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(environment.is_new()) << i;
    environment.observe({});
  }
  EXPECT_FALSE(environment.is_new());
}

}  // namespace
}  // namespace canaryd::analysis
