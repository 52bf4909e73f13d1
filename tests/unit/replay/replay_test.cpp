// Recordings with a known outcome, and that the clock and the sorting do what the daemon does.
#include "canaryd/replay/replay.hpp"

#include "canaryd/base/random.hpp"
#include "unit/replay/judged.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

namespace canaryd::replay {
namespace {

using analysis::Decision;
using Recording = std::vector<RecordedRequest>;

std::vector<EventKind> kinds(const Outcome& outcome) {
  std::vector<EventKind> found;
  for (const Event& event : outcome.timeline) found.push_back(event.kind);
  return found;
}

TEST(Replay, ADeadCanaryIsRolledBackOnce) {
  Recording recording;
  append(recording, 0, 30, kDead, 5);
  const Outcome outcome = outcome_of(recording);
  EXPECT_EQ(outcome.decision, Decision::kRollback);
  EXPECT_EQ(outcome.reason, "worse");
  // Worked example 4 of the accounts: five such blocks; the verdict is of their end.
  EXPECT_EQ(outcome.at_ms, kStartMs + 5000);
  EXPECT_EQ(outcome.canary_requests, 25U);
  EXPECT_EQ(outcome.stable_requests, 475U);
  EXPECT_EQ(kinds(outcome), (std::vector{EventKind::kStep, EventKind::kRollback}));
  EXPECT_EQ(outcome.verdict.metrics.front().state, analysis::MetricState::kFail);
}

TEST(Replay, IsTheLiveEngineBlockForBlock) {
  Recording recording;
  append(recording, 0, 40, kGood, 5);
  append(recording, 40, 40, {.stable = 50, .stable_bad = 1, .canary = 50, .canary_bad = 1}, 10);
  analysis::Analyzer live{errors_only()};
  live.begin_step({.next_weight = BasisPoints(1000), .has_control = true});
  for (int second = 0; second < 80; ++second) {
    stats::Block block;
    block.seconds = 1;
    if (second == 40) {
      live.weight_increased();
      live.begin_step({.next_weight = BasisPoints(2500), .has_control = true});
    }
    block.stable = second < 40 ? stats::CohortCounts{95, 1} : stats::CohortCounts{50, 1};
    block.canary = second < 40 ? stats::CohortCounts{5, 0} : stats::CohortCounts{50, 1};
    live.absorb(block);
  }
  EXPECT_EQ(outcome_of(recording, patient_plan()).verdict, live.evaluate());
}

TEST(Replay, TheLastStepDecidesBetweenAcceptAndHold) {
  Recording recording;
  append(recording, 0, 120, kGood, 1);
  Outcome outcome = outcome_of(recording);
  EXPECT_EQ(outcome.decision, Decision::kAccept);
  EXPECT_EQ(outcome.reason, "within_limit");
  ASSERT_TRUE(outcome.at_ms);
  EXPECT_LT(*outcome.at_ms, kStartMs + 120'000);
  EXPECT_GE(*outcome.at_ms, kStartMs + 10'000) << "min_duration";

  append(recording, 120, 5, kGood, 5);
  outcome = outcome_of(recording);
  EXPECT_EQ(outcome.decision, Decision::kHold);
  EXPECT_EQ(outcome.at_ms, kStartMs + 125'000);
  EXPECT_EQ(outcome.canary_requests, 625U);
  EXPECT_EQ(kinds(outcome), (std::vector{EventKind::kStep, EventKind::kAccept, EventKind::kStep}));
  EXPECT_EQ(outcome.timeline[0].next_weight, BasisPoints(500));
  EXPECT_EQ(outcome.timeline[2].next_weight, BasisPoints(1000));
}

TEST(Replay, AStepIsHeldByItsPlan) {
  Recording recording;
  append(recording, 0, 120, kGood, 1);
  rollout::Plan slow = plan();
  slow.steps[0].min_duration = std::chrono::minutes(5);
  EXPECT_EQ(outcome_of(recording, slow).decision, Decision::kHold);
  EXPECT_EQ(outcome_of(recording, slow).reason, "min_duration");
  rollout::Plan picky = plan();
  picky.steps[0].min_requests = 601;
  EXPECT_EQ(outcome_of(recording, picky).decision, Decision::kHold);
  EXPECT_EQ(outcome_of(recording, picky).reason, "min_requests");
  picky.steps[0].min_requests = 600;
  EXPECT_EQ(outcome_of(recording, picky).decision, Decision::kAccept);
}

TEST(Replay, LinesOutOfOrderByFiveSecondsChangeNothing) {
  Recording recording;
  append(recording, 0, 60, kGood, 5);
  append(recording, 60, 20, {.stable = 90, .stable_bad = 1, .canary = 10, .canary_bad = 4}, 10);
  for (std::size_t i = 0; i < recording.size(); ++i) recording[i].client = i % 3 == 0 ? 1 : i + 2;
  const Outcome expected = outcome_of(recording);
  EXPECT_EQ(expected.decision, Decision::kRollback);
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    std::vector<std::pair<std::int64_t, RecordedRequest>> shaken;
    for (const RecordedRequest& request : recording) {
      shaken.emplace_back(request.ended_ms + static_cast<std::int64_t>(random.below(5000)),
                          request);
    }
    std::ranges::stable_sort(shaken, {}, &std::pair<std::int64_t, RecordedRequest>::first);
    Recording reordered;
    for (const auto& [key, request] : shaken) reordered.push_back(request);
    const Outcome outcome = outcome_of(reordered);
    EXPECT_EQ(outcome.verdict, expected.verdict) << "seed " << seed;
    EXPECT_EQ(outcome.at_ms, expected.at_ms) << "seed " << seed;
    EXPECT_EQ(outcome.timeline, expected.timeline) << "seed " << seed;
  }
}

TEST(Replay, ALineTooLateIsRefusedAndChangesNothing) {
  Replay replay(plan(), errors_only());
  const auto at = [](std::int64_t second) {
    return request_at(kStartMs + second * 1000, Cohort::kStable, false, 5);
  };
  ASSERT_TRUE(replay.add(at(0)));
  ASSERT_TRUE(replay.add(at(60)));
  ASSERT_TRUE(replay.add(at(55)));
  const auto late = replay.add(at(0));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().context, "60 s behind a line before it; lines may be out of order by 5 s");
  EXPECT_EQ(replay.finish().stable_requests, 3U);
}

TEST(Replay, WhatEndsUnderAnOldWeightIsNoEvidence) {
  Recording recording;
  append(recording, 0, 20, kGood, 5);
  append(recording, 20, 20, kGood, 10);
  // Three requests that began before the raise.
  for (int second = 21; second < 24; ++second) {
    RecordedRequest old = request_at(kStartMs + second * 1000 + 500, Cohort::kCanary, true, 5);
    old.started_ms = kStartMs + 19'000;
    recording.push_back(old);
  }
  std::ranges::sort(recording, {}, &RecordedRequest::ended_ms);
  const Outcome outcome = outcome_of(recording);
  EXPECT_EQ(outcome.late_requests, 3U);
  EXPECT_EQ(outcome.canary_requests, 200U);
  std::size_t steps = 0;
  for (const Event& event : outcome.timeline) steps += event.kind == EventKind::kStep ? 1 : 0;
  EXPECT_EQ(steps, 2U) << "an old request is no change of weight";
}

TEST(Replay, APauseAtZeroGoesOnWithTheSameStep) {
  Recording recording;
  append(recording, 0, 20, kGood, 5);
  append(recording, 20, 10, {.stable = 100, .stable_bad = 1}, 0);
  append(recording, 30, 20, kGood, 5);
  const Outcome outcome = outcome_of(recording, patient_plan());
  std::size_t steps = 0;
  for (const Event& event : outcome.timeline) steps += event.kind == EventKind::kStep ? 1 : 0;
  EXPECT_EQ(steps, 1U);
  EXPECT_EQ(outcome.verdict.metrics.front().canary_n, 200);
}

TEST(Replay, AnotherRevisionBeginsAnew) {
  Recording recording;
  append(recording, 0, 4, kDead, 5);
  append(recording, 4, 4, kDead, 5);
  for (RecordedRequest& request : recording) {
    request.revision = request.ended_ms < kStartMs + 4000 ? 1 : 2;
  }
  // Eight seconds of it in one revision are enough, four are not.
  const Outcome outcome = outcome_of(recording);
  EXPECT_EQ(outcome.decision, Decision::kHold);
  EXPECT_EQ(kinds(outcome),
            (std::vector{EventKind::kStep, EventKind::kRevision, EventKind::kStep}));
}

TEST(Replay, ASlowCanaryIsFoundByItsLatency) {
  Recording recording;
  append(recording, 0, 240, {.stable = 90, .canary = 10}, 10);
  for (std::size_t i = 0; i < recording.size(); ++i) {
    const bool slow =
        recording[i].cohort == Cohort::kCanary && recording[i].ended_ms > kStartMs + 60'000;
    recording[i].latency = std::chrono::milliseconds(slow ? 100 : 10 + static_cast<int>(i % 20));
  }
  const Outcome slow = outcome_of(recording, plan(), analysis::Settings{});
  EXPECT_EQ(slow.decision, Decision::kRollback);
  EXPECT_TRUE(slow.summary.starts_with("latency p")) << slow.summary;
  for (RecordedRequest& request : recording) {
    request.latency = std::min(request.latency, Duration(std::chrono::milliseconds(20)));
  }
  EXPECT_EQ(outcome_of(recording, plan(), analysis::Settings{}).decision, Decision::kAccept);
}

TEST(Replay, TheLastStepWithoutControlPassesByTime) {
  Recording recording;
  append(recording, 0, 30, {.canary = 100}, 100);
  const Outcome outcome = outcome_of(recording);
  EXPECT_EQ(outcome.decision, Decision::kAccept);
  EXPECT_EQ(outcome.reason, "no_control");
}

TEST(Replay, LimitsJudgeTheLastStep) {
  Recording recording;
  append(recording, 0, 60, {.canary = 100, .canary_bad = 4}, 100);
  append(recording, 60, 30, {.canary = 100, .canary_bad = 40}, 100);
  analysis::Settings settings = errors_only();
  settings.limits.errors = 0.05;
  const Outcome outcome = outcome_of(recording, plan(), settings);
  EXPECT_EQ(outcome.decision, Decision::kRollback);
  EXPECT_EQ(outcome.reason, "beyond_limit");
  EXPECT_TRUE(outcome.summary.starts_with("limit errors canary")) << outcome.summary;
  EXPECT_GT(outcome.at_ms, kStartMs + 60'000);
  EXPECT_EQ(kinds(outcome),
            (std::vector{EventKind::kStep, EventKind::kAccept, EventKind::kRollback}));
}

TEST(Replay, NothingToCompareWithHoldsWithTheReason) {
  EXPECT_EQ(outcome_of({}).decision, Decision::kHold);
  EXPECT_EQ(outcome_of({}).reason, "no_traffic");
  EXPECT_FALSE(outcome_of({}).at_ms);
  Recording recording;
  append(recording, 0, 200, {.canary = 5, .canary_bad = 5}, 5);
  EXPECT_EQ(outcome_of(recording).reason, "no_stable_traffic");
  recording.clear();
  append(recording, 0, 200, {.stable = 5}, 5);
  EXPECT_EQ(outcome_of(recording).reason, "no_canary_traffic");
}

// What the daemon says in the first minute, while the block that lacks a version is still open.
TEST(Replay, AShortRecordingOfOneVersionTellsWhichIsMissing) {
  Recording recording;
  append(recording, 0, 20, {.canary = 5, .canary_bad = 5}, 5);
  EXPECT_EQ(outcome_of(recording).reason, "no_stable_traffic");
  EXPECT_EQ(outcome_of(recording).summary, "no stable traffic to compare the canary with");
  EXPECT_EQ(outcome_of(recording).verdict.reason, analysis::Reason::kNoStableTraffic);
  recording.clear();
  append(recording, 0, 20, {.stable = 5}, std::nullopt);
  EXPECT_EQ(outcome_of(recording).reason, "no_canary_traffic");
}

TEST(Replay, WithoutWeightsTheRealisedShareTellsTheStep) {
  Recording recording;
  append(recording, 0, 120, kGood, std::nullopt);  // 5 %: leads to 10 %.
  const Outcome outcome = outcome_of(recording);
  EXPECT_EQ(outcome.canary_share, 0.05);
  Recording weighted;
  append(weighted, 0, 120, kGood, 5);
  EXPECT_EQ(outcome.verdict, outcome_of(weighted).verdict);
  EXPECT_EQ(outcome.decision, Decision::kAccept);

  recording.clear();
  append(recording, 0, 20, kDead, std::nullopt);
  EXPECT_EQ(outcome_of(recording).decision, Decision::kRollback);
  EXPECT_EQ(outcome_of(recording).at_ms, kStartMs + 5000);

  Replay mixed(plan(), errors_only());
  ASSERT_TRUE(mixed.add(request_at(1, Cohort::kStable, false, 5)));
  EXPECT_FALSE(mixed.add(request_at(1, Cohort::kStable, false, std::nullopt)));
}

// Centuries between two lines take no time.
TEST(Replay, GapsCostNothing) {
  Recording recording;
  append(recording, 0, 3, kGood, 5);
  recording.push_back(request_at(kStartMs + 90'500, Cohort::kStable, false, 5));
  RecordedRequest far = request_at(kTimeMsMax, Cohort::kCanary, false, 5);
  recording.push_back(far);
  const Outcome outcome = outcome_of(recording);
  EXPECT_EQ(outcome.decision, Decision::kHold);
  EXPECT_EQ(outcome.canary_requests, 16U);
}

TEST(Replay, WhatIsNoRecordingDoesNotFillTheMemory) {
  Replay weights(plan(), errors_only());
  int refused = 0;
  for (unsigned weight = 1; weight <= 100; ++weight) {
    if (!weights.add(request_at(kStartMs, Cohort::kStable, false, weight))) ++refused;
  }
  EXPECT_EQ(refused, 36);
  Recording flapping;
  for (int second = 0; second < 12'000; ++second) {
    flapping.push_back(
        request_at(kStartMs + second * 2000, Cohort::kStable, false, second % 2 + 1));
  }
  const Outcome outcome = outcome_of(flapping);
  EXPECT_EQ(outcome.timeline.size(), kTimelineMax);
  EXPECT_EQ(outcome.events_left_out, 2000U);
}

}  // namespace
}  // namespace canaryd::replay
