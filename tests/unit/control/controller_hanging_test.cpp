// Requests that hang hold the step, whatever it is judged by.
#include "controller_rig.hpp"

#include <string>

namespace canaryd::control::test {
namespace {

using ::testing::HasSubstr;

class HangingTest : public ControllerRig {
 protected:
  void boot_with(const std::string& analysis) {
    file_ = file_with(kListener,
                      "rollouts:\n  shop:\n    stable: old\n    canary: new\n    analysis: {" +
                          analysis +
                          "}\n"
                          "    steps: [{weight: 50, min_duration: 10s}, {weight: 100}]\n");
    boot();
  }

  // So many of each of the two workers.
  void hang(Cohort cohort, int count) {
    for (proxy::WorkerSnapshot& worker : plane_.held) {
      for (int n = 0; n < count; ++n) worker.counters->at(RouteId(0), cohort).count_hung();
    }
  }

  // A minute in which one request of the canary in a hundred hangs; all others are as stable's.
  void a_minute_of_hangs() {
    for (int i = 0; i < 60; ++i) {
      second();
      hang(Cohort::kCanary, 5);
    }
  }

  void expect_held() {
    EXPECT_EQ(view().state, "progressing");
    EXPECT_EQ(effective(), 50);
    EXPECT_THAT(view().next.value(),
                HasSubstr("requests of the canary hang for longer than 1s: the step waits for how "
                          "they end"));
  }
};

// As a canary that has one thread too few: whatever hangs is a failure only when its time has run
// out, and by then the step that it began in would be over.
TEST_F(HangingTest, WithoutLatencyNoStepIsTakenOverThem) {
  boot_with("latency_quantiles: []");
  a_minute_of_hangs();
  expect_held();
  for (int i = 0; i < 60; ++i) hang(Cohort::kStable, 5);
  second();
  EXPECT_EQ(effective(), 100) << "as at stable, so that is how the service is";
}

// A median tolerates far more slow answers than errors may fail.
TEST_F(HangingTest, NorIsOneThatALowQuantileAccepts) {
  boot_with("latency_quantiles: [50], warm_up: 0s");
  a_minute_of_hangs();
  expect_held();
}

TEST_F(HangingTest, NorIsOneWhoseLimitIsFarAway) {
  boot_with("latency_quantiles: [], limits: {latency_p99: 10s}");
  a_minute_of_hangs();
  expect_held();
}

TEST_F(HangingTest, OnceTheyHaveEndedTheStepGoesOn) {
  boot_with("latency_quantiles: []");
  a_minute_of_hangs();
  expect_held();
  for (proxy::WorkerSnapshot& worker : plane_.held) {
    stats::CounterBlock& counters = worker.counters->at(RouteId(0), Cohort::kCanary);
    for (int n = 0; n < 60 * 5; ++n) counters.count_hung_settled();
  }
  second();
  EXPECT_EQ(effective(), 100);
}

// Half of the requests wait for news, and their clients leave without any. The canary has a few
// more of them by chance, which is beyond what errors may be.
TEST_F(HangingTest, WhereHalfOfStablesHangAnEqualCanaryIsPromoted) {
  boot_with("latency_quantiles: [], tolerance: {errors: {relative: 0}}");
  for (int i = 0; i < 60 && effective() < 100; ++i) {
    second();
    hang(Cohort::kStable, 500);
    hang(Cohort::kCanary, 504);
  }
  EXPECT_EQ(effective(), 100);
}

TEST_F(HangingTest, WhereHalfOfStablesHangOneThatHangsMoreIsNot) {
  boot_with("latency_quantiles: [], tolerance: {errors: {relative: 0}}");
  for (int i = 0; i < 60 && effective() < 100; ++i) {
    second();
    hang(Cohort::kStable, 500);
    hang(Cohort::kCanary, 600);
  }
  expect_held();
}

TEST_F(HangingTest, OnceTheirShareIsTolerableTheStepGoesOn) {
  boot_with("latency_quantiles: [], tolerance: {errors: {absolute: 1}}");
  for (int i = 0; i < 9; ++i) second();
  hang(Cohort::kCanary, 100);
  for (int i = 0; i < 4; ++i) second();
  expect_held();
  for (int i = 0; i < 60 && effective() < 100; ++i) second();
  EXPECT_EQ(effective(), 100) << "they are less than one in a hundred by now";
}

}  // namespace
}  // namespace canaryd::control::test
