// From what the workers counted to what the controller makes of it.
#include "canaryd/base/random.hpp"
#include "control/controller_state.hpp"
#include "controller_rig.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>

namespace canaryd::control::test {
namespace {

using ::testing::HasSubstr;

const std::string kWarm =
    "rollouts:\n  shop:\n    stable: old\n    canary: new\n    analysis: {warm_up: 2s}\n"
    "    steps: [{weight: 10, min_duration: 1h}, {weight: 100}]\n";

class JudgingTest : public ControllerRig {
 protected:
  JudgingTest() { file_ = file_with(kListener, kWarm); }

  [[nodiscard]] MetricView metric(const std::string& name) const {
    for (const MetricView& each : view().analysis) {
      if (each.metric == name) return each;
    }
    ADD_FAILURE() << "there is no metric " << name;
    return {};
  }

  void silent_until_held(const std::string& on_inconclusive) {
    file_ = file_with(kListener,
                      "rollouts:\n  shop:\n    stable: old\n    canary: new\n"
                      "    analysis: {warm_up: 10m}\n    on_inconclusive: " +
                          on_inconclusive +
                          "\n    steps: [{weight: 10, max_duration: 1m}, {weight: 100}]\n");
    boot();
    canary_takes_ = 50ms;
    for (int i = 0; i < 70; ++i) second();
    EXPECT_EQ(view().state, "held");
    EXPECT_EQ(view().reason, "no_data");
    EXPECT_EQ(effective(), 10);
    EXPECT_THAT(view().next.value(), HasSubstr("something to judge latency p50 by"));
    EXPECT_THAT(disk_.journal().back().entry.sentence,
                HasSubstr("latency p50: nothing to compare yet"));
  }
};

TEST_F(JudgingTest, ASlowCanaryIsRolledBackAndShownInSeconds) {
  boot();
  canary_takes_ = 9ms;
  int seconds = 0;
  for (; view().state != "rolled_back" && seconds < 60; ++seconds) second();
  EXPECT_LE(seconds, 20);
  EXPECT_THAT(disk_.journal().back().entry.sentence,
              HasSubstr("latency p50 canary 100 % over 6.33 ms vs stable 0 % over 5.2 ms"));
  const MetricView p50 = metric("latency_p50");
  EXPECT_NEAR(p50.stable.value(), 0.005, 0.00013);
  EXPECT_NEAR(p50.canary.value(), 0.009, 0.0003);
  EXPECT_NEAR(p50.tolerated.value(), 0.00633, 0.00001) << "a millisecond more is fine";
  EXPECT_EQ(p50.slow.value().canary, 1);
  EXPECT_EQ(p50.slow.value().stable, 0);
  EXPECT_EQ(metric("errors").canary, 0);
  EXPECT_FALSE(metric("errors").slow);
}

// Nobody has looked at how long it takes, so the end of max_duration says nothing of it.
TEST_F(JudgingTest, AMetricThatIsSilentHoldsTheStepAndIsNotPromoted) {
  silent_until_held("promote");
}

TEST_F(JudgingTest, AMetricThatIsSilentHoldsTheStepAndIsNotRolledBack) {
  silent_until_held("rollback");
}

// Of each stretch alone, at the time of the wall, with the weight that was in force.
TEST_F(JudgingTest, GivesPointsForCharts) {
  boot();
  for (int i = 0; i < 7; ++i) second();
  canary_takes_ = 9ms;
  for (int i = 0; i < 5; ++i) second();
  EXPECT_FALSE(controller_->series({.rollout = "nobody", .grain = 0, .window = 1h}));
  const auto points = controller_->series({.rollout = "shop", .grain = 0, .window = 1h}).value();
  ASSERT_EQ(points.size(), 2U);
  EXPECT_EQ(points[1].time - points[0].time, 5s);
  EXPECT_LE(points[1].time, clock_.wall_now());
  EXPECT_GT(points[1].time, clock_.wall_now() - 5s);
  for (const PointView& point : points) {
    EXPECT_EQ(point.over, 5s);
    EXPECT_EQ(point.weight, BasisPoints(1000));
    EXPECT_GT(point.canary.requests, 0U);
    EXPECT_DOUBLE_EQ(point.canary.rps, static_cast<double>(point.canary.requests) / 5);
    EXPECT_EQ(point.canary.error_rate, 0);
    EXPECT_NEAR(point.stable.p50.value(), 0.005, 0.00013);
  }
  EXPECT_NEAR(points[0].canary.p50.value(), 0.005, 0.00013);
  EXPECT_NEAR(points[1].canary.p50.value(), 0.009, 0.0003);
  EXPECT_EQ(controller_->series({.rollout = "shop", .grain = 0, .window = 5s}).value().size(), 1U);
}

TEST_F(JudgingTest, PausedAfterABadVerdictOnlyARetryGoesOn) {
  file_ = file_with(kListener,
                    "rollouts:\n  shop:\n    stable: old\n    canary: new\n    on_failure: hold\n"
                    "    steps: [{weight: 10, min_duration: 1h}, {weight: 100}]\n");
  boot();
  for (int i = 0; view().state != "held" && i < 60; ++i) second(0, 100);
  ASSERT_EQ(view().reason, "verdict");
  EXPECT_EQ(act(Action::kPause).status, ActionStatus::kOk);
  EXPECT_EQ(act(Action::kResume).status, ActionStatus::kRefused);
  EXPECT_EQ(view().state, "paused");
  EXPECT_EQ(view().reason, "verdict");
  EXPECT_EQ(view().next, "paused after a bad verdict; `canaryctl retry` or `abort`");
  EXPECT_EQ(act(Action::kRetry).status, ActionStatus::kOk);
  EXPECT_NE(view().reason, "verdict");
}

TEST_F(JudgingTest, ALastStepOfFewNamesTheWeightOfTheBake) {
  const auto next_with = [&](const char* bake) {
    file_ = file_with(kListener,
                      "rollouts:\n  shop:\n    stable: old\n    canary: new\n"
                      "    steps: [{weight: 10, min_duration: 1h}]\n" +
                          std::string(bake));
    if (controller_ != nullptr) power_off();
    boot();
    for (int i = 0; i < 3; ++i) second();
    return view().next.value();
  };
  EXPECT_THAT(next_with(""), ::testing::StartsWith("weight 100, baking, "));
  EXPECT_THAT(next_with("    bake: {holdback: 10}\n"),
              ::testing::StartsWith("weight 90, baking, "));
}

// Whoever waits is told that it is in vain, and what comes instead.
TEST_F(JudgingTest, SaysThatNoTrafficIsEnoughAndWhatEndsTheStep) {
  file_ = file_with(kListener,
                    "rollouts:\n  shop:\n    stable: old\n    canary: new\n"
                    "    analysis: {latency_quantiles: [], "
                    "tolerance: {errors: {relative: 0, absolute: 0}}}\n"
                    "    steps: [{weight: 10, max_duration: 30m}, {weight: 100}]\n");
  boot();
  for (int i = 0; i < 6; ++i) second(9, 2);
  ASSERT_EQ(view().state, "progressing");
  EXPECT_THAT(
      view().next.value(),
      AllOf(HasSubstr("weight 100 when errors are accepted, for which no traffic is enough, "
                      "not even of a canary as good as stable"),
            HasSubstr("; before that, in about 29m"),
            HasSubstr("max_duration is over and it is held")));
}

// A block that lacks a version is given up after a minute; whoever watches need not wait for that.
TEST_F(JudgingTest, TheVersionWithoutTrafficIsNamedFromTheFirstSecondOn) {
  boot();
  for (int i = 0; i < 3; ++i) {
    clock_.advance(1s);
    plane_.serve(Cohort::kStable, 100, 0);
    controller_->tick();
    settle();
  }
  EXPECT_THAT(view().next.value(),
              HasSubstr("when there is traffic to judge by: the canary has none"));
}

// As with employees on the canary and nobody else: whoever watches is told why that is no evidence.
TEST_F(JudgingTest, SaysOfRequestsThatCountForNothingThatTheyDo) {
  boot();
  for (int i = 0; i < 70; ++i) {  // Until a block has closed without it.
    clock_.advance(1s);
    plane_.serve(Cohort::kStable, 100, 0);
    plane_.serve_excluded(Cohort::kCanary, 7);
    controller_->tick();
    settle();
  }
  EXPECT_THAT(
      view().next.value(),
      AllOf(HasSubstr("when there is traffic to judge by: the canary has none; 4"),
            HasSubstr(" requests to it are no evidence: without a key, forced, followed, in a "
                      "segment, excluded, or left by their clients")));
}

// Workers are asked to look only while there is something to look for.
TEST_F(JudgingTest, RequestsUnderWayAreLookedAtWhileACanaryIsJudged) {
  boot();
  const auto gate = [&] { return plane_.held[0].shared->table->rollouts()[0].gate; };
  EXPECT_EQ(gate()->overdue_after(), Duration::zero())
      << "nothing is known of stable's latency yet";
  for (int i = 0; i < 10; ++i) second();
  EXPECT_EQ(gate()->overdue_after(), Duration(1s)) << "stable takes 5 ms, but at least this";
  const int counted = plane_.overdue_counts;
  EXPECT_GT(counted, 0);
  second();
  EXPECT_EQ(plane_.overdue_counts, counted + 1);
  for (int i = 0; i < 60 && view().state != "rolled_back"; ++i) {
    for (proxy::WorkerSnapshot& worker : plane_.held) {
      for (int n = 0; n < 3; ++n) worker.counters->at(RouteId(0), Cohort::kCanary).count_overdue();
    }
    second();
  }
  EXPECT_EQ(view().state, "rolled_back");
  EXPECT_THAT(disk_.journal().back().entry.sentence, HasSubstr("latency"));
  second();
  EXPECT_EQ(gate()->overdue_after(), Duration::zero());
  const int last = plane_.overdue_counts;
  second();
  EXPECT_EQ(plane_.overdue_counts, last);
}

TEST_F(JudgingTest, LatencyIsSilentUntilTheCanaryIsWarm) {
  boot();
  for (int i = 0; i < 4; ++i) {
    second();
    EXPECT_FALSE(metric("latency_p50").tolerated) << i;
  }
  for (int i = 0; i < 3; ++i) second();
  EXPECT_TRUE(metric("latency_p50").tolerated);
  EXPECT_GT(metric("latency_p50").accept_evidence, 0);
}

TEST_F(JudgingTest, ARestartKeepsTheEvidenceOfLatency) {
  boot();
  canary_takes_ = 6ms;
  for (int i = 0; i < 20; ++i) second();
  controller_->save();
  settle();
  const auto before = view().analysis;
  ASSERT_GT(before.at(1).accept_evidence, 0);
  power_off();
  boot();
  const auto after = view().analysis;
  ASSERT_EQ(after.size(), before.size());
  for (std::size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(after[i].rollback_evidence, before[i].rollback_evidence) << before[i].metric;
    EXPECT_EQ(after[i].accept_evidence, before[i].accept_evidence) << before[i].metric;
  }
}

std::string baking(const std::string& analysis, const std::string& bake) {
  return file_with(
      kListener,
      "rollouts:\n  shop:\n    stable: old\n    canary: new\n"
      "    analysis: {latency_quantiles: []" +
          analysis +
          "}\n"
          "    steps: [{weight: 50, min_duration: 2s}, {weight: 100, min_duration: 2s}]\n"
          "    bake: {" +
          bake + "}\n");
}

TEST_F(JudgingTest, ACanaryThatTurnsBadAtFullWeightBreaksItsLimit) {
  file_ = baking(", limits: {errors: 5}", "duration: 1h");
  boot();
  for (int i = 0; view().state != "baking" && i < 100; ++i) second();
  ASSERT_EQ(view().state, "baking");
  ASSERT_EQ(effective(), 100);
  for (int i = 0; i < 30; ++i) second(0, 60);
  EXPECT_EQ(view().state, "baking") << "3 % are allowed";
  EXPECT_NEAR(metric("limit_errors").canary.value(), 0.03, 0.01);
  EXPECT_NEAR(metric("limit_errors").tolerated.value(), 0.05, 1e-9);
  EXPECT_EQ(view().next->find("no control"), std::string::npos);
  // A restart takes nothing of it away.
  controller_->save();
  settle();
  const auto before = metric("limit_errors").rollback_evidence;
  power_off();
  boot();
  ASSERT_EQ(view().state, "baking");
  EXPECT_EQ(metric("limit_errors").rollback_evidence, before);
  int seconds = 0;
  for (; view().state != "rolled_back" && seconds < 60; ++seconds) second(0, 200);
  EXPECT_LE(seconds, 30);
  EXPECT_EQ(effective(), 0);
  EXPECT_THAT(disk_.journal().back().entry.sentence,
              ::testing::AllOf(HasSubstr("rolled back shop at 100 %"),
                               HasSubstr("limit errors canary"),
                               HasSubstr("allowed 5 %")));
}

TEST_F(JudgingTest, OnlyWhatAStepWaitsForIsOnItsWayToAcceptance) {
  file_ = file_with(kListener,
                    "rollouts:\n  shop:\n    stable: old\n    canary: new\n    start: manual\n"
                    "    analysis: {warm_up: 2s, limits: {errors: 5}}\n"
                    "    steps: [{weight: 10, min_duration: 1h}, {weight: 100}]\n");
  boot();
  EXPECT_FALSE(metric("errors").accept_evidence) << "it has not begun";
  act(Action::kStart);
  for (int i = 0; i < 10; ++i) second();
  EXPECT_TRUE(metric("errors").accept_evidence);
  EXPECT_TRUE(metric("latency_p99").accept_evidence);
  for (const char* name : {"latency_p99.9", "limit_errors"}) {
    EXPECT_TRUE(metric(name).rollback_evidence) << name;
    EXPECT_FALSE(metric(name).accept_evidence) << name;
    EXPECT_FALSE(metric(name).needs_about) << name;
  }
  act(Action::kPause);
  EXPECT_TRUE(metric("errors").accept_evidence);
  act(Action::kAbort);
  EXPECT_FALSE(metric("errors").accept_evidence);
  EXPECT_FALSE(metric("errors").needs_requests);
}

TEST_F(JudgingTest, NothingIsOnItsWayWhileABadVerdictHolds) {
  file_ = file_with(kListener,
                    "rollouts:\n  shop:\n    stable: old\n    canary: new\n"
                    "    on_failure: hold\n"
                    "    analysis: {latency_quantiles: [50]}\n"
                    "    steps: [{weight: 50, min_duration: 1h}, {weight: 100}]\n");
  boot();
  for (int i = 0; view().state != "held" && i < 200; ++i) second(0, 400);
  ASSERT_EQ(view().reason, "verdict");
  for (int i = 0; i < 30; ++i) second();
  EXPECT_TRUE(metric("latency_p50").accept_evidence);
  EXPECT_FALSE(metric("latency_p50").needs_about);
  EXPECT_FALSE(metric("latency_p50").needs_requests);
}

TEST_F(JudgingTest, WithNobodyOnStableNothingIsCompared) {
  file_ = file_with(kListener,
                    "rollouts:\n  shop:\n    stable: old\n    canary: new\n"
                    "    analysis: {warm_up: 2s, limits: {errors: 5}}\n"
                    "    steps: [{weight: 10, min_duration: 1h}, {weight: 100}]\n");
  boot();
  for (int i = 0; i < 10; ++i) second();
  EXPECT_TRUE(metric("latency_p50").stable);
  EXPECT_TRUE(metric("latency_p50").tolerated);
  act(Action::kPromote);
  ASSERT_EQ(effective(), 100);
  second();
  for (const char* name : {"errors", "latency_p50", "latency_p99"}) {
    EXPECT_FALSE(metric(name).stable) << name;
    EXPECT_FALSE(metric(name).tolerated) << name;
    EXPECT_FALSE(metric(name).accept_evidence) << name;
  }
  EXPECT_TRUE(metric("latency_p50").canary);
  EXPECT_FALSE(metric("latency_p50").slow->stable);
  EXPECT_FALSE(metric("latency_p50").slow->tolerated);
  EXPECT_TRUE(metric("limit_errors").tolerated) << "a limit needs no stable";
}

TEST_F(JudgingTest, AfterTheBakeLimitsAreOver) {
  file_ = baking(", limits: {errors: 5}", "duration: 2s");
  boot();
  for (int i = 0; view().state != "promoted" && i < 100; ++i) second();
  ASSERT_EQ(view().state, "promoted");
  controller_->save();
  settle();
  const std::size_t rows = disk_.evidence("shop", 1).size();
  ASSERT_GT(rows, 0U);
  for (int i = 0; i < 60; ++i) second(0, 2000);
  EXPECT_EQ(view().state, "promoted");
  controller_->save();
  settle();
  EXPECT_EQ(disk_.evidence("shop", 1).size(), rows) << "and the journal does not grow";
}

TEST_F(JudgingTest, WithoutLimitsOrHoldbackItSaysThatNothingJudges) {
  file_ = baking("", "duration: 1h");
  boot();
  for (int i = 0; view().state != "baking" && i < 100; ++i) second();
  ASSERT_EQ(view().state, "baking");
  for (int i = 0; i < 60; ++i) second(0, 2000);
  EXPECT_EQ(view().state, "baking");
  EXPECT_THAT(view().next.value(), HasSubstr("no control"));
}

TEST_F(JudgingTest, AHoldbackIsComparedWithToTheEnd) {
  file_ = baking("", "duration: 5s, holdback: 5");
  boot();
  for (int i = 0; view().state != "baking" && i < 200; ++i) second();
  ASSERT_EQ(view().state, "baking");
  EXPECT_EQ(effective(), 95);
  EXPECT_EQ(view().steps.back().weight, BasisPoints(9500));
  for (int i = 0; view().state != "promoted" && i < 200; ++i) second();
  EXPECT_EQ(view().state, "promoted");
  EXPECT_EQ(effective(), 100);
}

TEST_F(JudgingTest, WhatKeepsTheRestBackIsNamed) {
  file_ = baking("", "duration: 5s, holdback: 5");
  boot();
  for (int i = 0; view().state != "baking" && i < 200; ++i) second();
  EXPECT_THAT(view().next.value(), HasSubstr("the rest of the users may follow by the evidence"));
  const std::string freeze = "    freeze: [{from: \"00:00\", to: \"23:00\"}]\n";
  const std::string thawed = file_;
  std::string frozen = thawed;
  frozen.insert(frozen.find("    steps:"), freeze);
  reload(frozen);
  EXPECT_THAT(view().next.value(), ::testing::StartsWith("promoted after the freeze, at "));
  for (int i = 0; i < 60; ++i) second();
  EXPECT_EQ(view().state, "baking");
  EXPECT_THAT(view().next.value(), ::testing::StartsWith("promoted when the freeze ends, at "));
  reload(thawed);
  for (int i = 0; view().state != "promoted" && i < 60; ++i) second();
  EXPECT_EQ(view().state, "promoted");
}

TEST_F(JudgingTest, AManualStartSaysUntilWhenItIsFrozen) {
  file_ = file_with(kListener, kRollout);
  file_.insert(file_.find("    steps:"),
               "    start: manual\n    freeze: [{from: \"00:00\", to: \"23:00\"}]\n");
  boot();
  second();
  EXPECT_THAT(view().next.value(),
              ::testing::StartsWith("waits for `canaryctl start`; frozen until 2026-"));
}

TEST_F(JudgingTest, ACanaryThatTurnsBadInTheBakeIsComparedWithTheHoldback) {
  file_ = baking("", "duration: 1h, holdback: 5");
  boot();
  for (int i = 0; view().state != "baking" && i < 200; ++i) second();
  for (int i = 0; view().state != "rolled_back" && i < 100; ++i) second(0, 400);
  EXPECT_EQ(view().state, "rolled_back");
  EXPECT_THAT(disk_.journal().back().entry.sentence, HasSubstr("errors canary"));
}

// A dependency of both fails a tenth of all requests: nobody is blamed, and nothing rises.
TEST_F(JudgingTest, BothFailingMoreThanUsualHolds) {
  file_ = file_with(kListener,
                    "rollouts:\n  shop:\n    stable: old\n    canary: new\n"
                    "    analysis: {latency_quantiles: []}\n"
                    "    steps: [{weight: 50, min_duration: 40s}, {weight: 100}]\n");
  boot();
  for (int i = 0; i < 30; ++i) second();
  ASSERT_EQ(view().state, "progressing");
  for (int i = 0; i < 100; ++i) second(100, 100);
  EXPECT_EQ(view().state, "held");
  EXPECT_EQ(view().reason, "environment_degraded");
  EXPECT_EQ(effective(), 50);
  for (int i = 0; i < 100; ++i) second(1000, 1000);
  EXPECT_EQ(view().state, "held");
  for (int i = 0; i < 39; ++i) second();
  EXPECT_EQ(effective(), 50) << "what was seen meanwhile is for no step";
  for (int i = 0; i < 14; ++i) second();
  EXPECT_EQ(effective(), 100);
}

// Of so many judged requests, the canary's share being `share`.
std::optional<bool> is_at_five_percent(std::uint64_t requests, double share) {
  telemetry::RolloutTraffic traffic;
  traffic.canary_share = share;
  traffic.share_of = requests;
  // Of the step, which a suspension has interrupted: they are not what the share is of.
  traffic.canary.step_requests = traffic.stable.step_requests = 1'000'000;
  return sample_ratio_ok(traffic, BasisPoints(500));
}

TEST(SampleRatio, EightPercentInsteadOfFiveIsAnAlarm) {
  EXPECT_EQ(is_at_five_percent(2'000, 0.08), false);
  EXPECT_EQ(is_at_five_percent(1'000'000, 0.08), false);
  EXPECT_EQ(is_at_five_percent(1'000'000, 0.02), false);
  EXPECT_EQ(is_at_five_percent(500, 0.08), true) << "by chance";
  EXPECT_EQ(is_at_five_percent(100, 0.08), std::nullopt) << "five are expected";
  EXPECT_EQ(is_at_five_percent(1'000'000, 0.054), true) << "users come in clusters";
  EXPECT_EQ(is_at_five_percent(0, 0), std::nullopt);
}

TEST(SampleRatio, UsersAreDrawnAndNotRequests) {
  Random random(19);
  for (int draw = 0; draw < 2000; ++draw) {
    constexpr int kUsers = 2000;
    int of_canary = 0;
    for (int user = 0; user < kUsers; ++user) of_canary += random.chance(0.5) ? 1 : 0;
    telemetry::RolloutTraffic traffic;
    traffic.share_of = 1'000'000;
    traffic.canary_share = static_cast<double>(of_canary) / kUsers;
    ASSERT_EQ(sample_ratio_ok(traffic, BasisPoints(5000)), true) << draw;
  }
}

TEST(SampleRatio, ACanaryThatGetsNothingIsNoChanceAtAnyWeight) {
  telemetry::RolloutTraffic traffic;
  traffic.share_of = 1'000'000;
  traffic.canary_share = 0;
  for (const unsigned weight : {25U, 50U, 100U, 500U, 5000U}) {
    EXPECT_EQ(sample_ratio_ok(traffic, BasisPoints(weight)), false) << weight;
  }
}

TEST(SampleRatio, ItIsRightAgainAtHalfTheLimit) {
  telemetry::RolloutTraffic traffic;
  traffic.share_of = 1'000'000;
  traffic.canary_share = 0.54;
  EXPECT_EQ(sample_ratio_ok(traffic, BasisPoints(5000), true), true);
  EXPECT_EQ(sample_ratio_ok(traffic, BasisPoints(5000), false), false);
  traffic.canary_share = 0.52;
  EXPECT_EQ(sample_ratio_ok(traffic, BasisPoints(5000), false), true);
}

TEST(SampleRatio, RandomRoutingIsNoAlarm) {
  Random random(17);
  for (const unsigned weight : {1U, 100U, 500U, 5000U, 9900U}) {
    telemetry::RolloutTraffic traffic;
    std::uint64_t canary = 0;
    int judged = 0;
    for (int i = 0; i < 300'000; ++i) {
      if (random.chance(BasisPoints(weight).ratio())) ++canary;
      ++traffic.share_of;
      traffic.canary_share = static_cast<double>(canary) / static_cast<double>(traffic.share_of);
      const auto ok = sample_ratio_ok(traffic, BasisPoints(weight));
      ASSERT_NE(ok, false) << weight << ' ' << i;
      if (ok) ++judged;
    }
    EXPECT_GT(judged, 90'000) << weight;
  }
}

TEST_F(JudgingTest, AShareThatDoesNotFitTheWeightIsToldOnce) {
  const std::filesystem::path path = ::testing::TempDir() + "canaryd-judging.log";
  std::filesystem::remove(path);
  LogOptions options;
  options.file = path;
  log_ = std::move(*Log::open(options, clock_));
  const auto told = [&] {
    log_->flush();
    std::ifstream in(path);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    int count = 0;
    for (std::size_t at = 0; (at = text.find("sample_ratio", at)) != std::string::npos; ++at) {
      ++count;
    }
    return count;
  };
  boot();
  for (int i = 0; i < 5; ++i) second();
  EXPECT_EQ(view().weight.sample_ratio_ok, true);
  EXPECT_EQ(told(), 0);
  for (int i = 0; i < 10; ++i) {
    plane_.serve(Cohort::kCanary, 200, 0);
    second();
  }
  EXPECT_EQ(view().weight.sample_ratio_ok, false);
  EXPECT_EQ(told(), 1);
  EXPECT_NE(view().state, "rolled_back");
  // Under another weight the share is counted anew, and what was wrong before is no prejudice.
  ActionRequest lower;
  lower.rollout = "shop";
  lower.action = Action::kSetWeight;
  lower.weight = BasisPoints(500);
  controller_->act(lower, [](const ActionResult&) {});
  settle();
  ASSERT_EQ(effective(), 5);
  clock_.advance(1s);
  plane_.serve(Cohort::kStable, 94'000, 0);
  plane_.serve(Cohort::kCanary, 6'000, 0);
  controller_->tick();
  settle();
  EXPECT_EQ(view().weight.sample_ratio_ok, true) << "beyond half of the limit, within all of it";
  power_off();
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace canaryd::control::test
