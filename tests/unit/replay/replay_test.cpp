// Recordings with a known outcome, and that the clock and the sorting do what the daemon does.
#include "canaryd/replay/replay.hpp"

#include "canaryd/base/random.hpp"
#include "canaryd/stats/client_groups.hpp"
#include "unit/replay/recording.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

namespace canaryd::replay {
namespace {

using analysis::Decision;
using Recording = std::vector<RecordedRequest>;

rollout::Plan plan() {
  rollout::Plan made;
  made.name = "shop";
  made.stable = "v1";
  made.canary = "v2";
  return made;
}

Outcome outcome_of(const Recording& recording,
                   const rollout::Plan& of = plan(),
                   const analysis::Settings& settings = errors_only()) {
  Replay replay(of, settings);
  for (const RecordedRequest& request : recording) {
    const auto added = replay.add(request);
    EXPECT_TRUE(added) << added.error().context;
  }
  return replay.finish();
}

// Every step is judged to the end of the recording.
rollout::Plan patient_plan() {
  rollout::Plan made = plan();
  for (rollout::Step& step : made.steps) step.min_duration = std::chrono::hours(1);
  return made;
}

std::vector<EventKind> kinds(const Outcome& outcome) {
  std::vector<EventKind> found;
  for (const Event& event : outcome.timeline) found.push_back(event.kind);
  return found;
}

constexpr Rates kGood{.stable = 95, .stable_bad = 1, .canary = 5, .canary_bad = 0};
constexpr Rates kDead{.stable = 95, .stable_bad = 1, .canary = 5, .canary_bad = 5};

// 100 requests a second as before, and beside them three of each version by another route, whose
// canary always fails. `tells`: the recording has a column for it.
Recording with_a_broken_route(bool tells) {
  Recording recording;
  append(recording, 0, 40, kGood, 5);
  for (RecordedRequest& request : recording) {
    if (tells) request.route = 0;
  }
  for (int i = 0; i < 40 * 6; ++i) {
    const Cohort cohort = i % 2 == 0 ? Cohort::kStable : Cohort::kCanary;
    const std::int64_t ms = kStartMs + std::int64_t{i / 6} * 1000 + 100 + i % 6;
    RecordedRequest request = request_at(ms, cohort, cohort == Cohort::kCanary, 5);
    request.client = static_cast<std::uint64_t>(i + 1);
    if (tells) request.route = 1;
    recording.push_back(request);
  }
  for (RecordedRequest& request : recording) request.tells_route = tells;
  std::ranges::sort(recording, {}, &RecordedRequest::ended_ms);
  return recording;
}

analysis::Settings two_routes() {
  analysis::Settings settings = errors_only();
  settings.routes = {"shop", "pay"};
  return settings;
}

TEST(Replay, ABrokenRouteIsNamed) {
  const Outcome outcome = outcome_of(with_a_broken_route(true), plan(), two_routes());
  EXPECT_EQ(outcome.decision, Decision::kRollback);
  EXPECT_NE(outcome.summary.find("route pay: errors canary 100 % vs stable 0 %"), std::string::npos)
      << outcome.summary;
}

TEST(Replay, ARecordingThatTellsNoRoutesIsJudgedAsOne) {
  const Outcome outcome = outcome_of(with_a_broken_route(false), plan(), two_routes());
  const Outcome one = outcome_of(with_a_broken_route(false));
  EXPECT_EQ(outcome.decision, Decision::kRollback);
  EXPECT_FALSE(outcome.verdict.route);
  EXPECT_EQ(outcome.at_ms, one.at_ms);
  EXPECT_EQ(outcome.verdict, one.verdict);
}

// A client that fails again counts once, on its route as in the sum.
TEST(Replay, RepetitionsAreNoEvidenceOfARoute) {
  Recording recording = with_a_broken_route(true);
  std::uint64_t others = 100;
  for (RecordedRequest& request : recording) {
    request.client = request.bad && request.cohort == Cohort::kCanary ? 7 : ++others;
  }
  const Outcome outcome = outcome_of(recording, plan(), two_routes());
  EXPECT_NE(outcome.decision, Decision::kRollback);
}

// Twenty clients that ask fifty times a second, one request in fifty of the canary's fails: each
// fails about once a window whatever the version, and yet none of them is broken.
TEST(Replay, ABadCanaryOfFewBusyClientsIsFound) {
  Random random(1);
  Recording recording;
  for (int i = 0; i < 60'000; ++i) {
    const std::uint64_t client = 1 + random.below(20);
    const bool canary = client <= 5;
    RecordedRequest request = request_at(kStartMs + i,
                                         canary ? Cohort::kCanary : Cohort::kStable,
                                         random.chance(canary ? 0.02 : 0.002),
                                         25);
    request.client = 0x9E37'79B9'7F4A'7C15U * client;
    recording.push_back(request);
  }
  const Outcome outcome = outcome_of(recording);
  EXPECT_EQ(outcome.decision, Decision::kRollback) << outcome.summary;
}

// One client of the canary that polls what fails for it, and is answered five times as often.
TEST(Replay, OneClientThatFailsInBetweenConvictsNobody) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Random random(seed);
    Recording recording;
    for (int ms = 0; ms < 60'000; ++ms) {
      const auto ask = [&](std::uint64_t client, bool canary, bool bad) {
        RecordedRequest request =
            request_at(kStartMs + ms, canary ? Cohort::kCanary : Cohort::kStable, bad, 20);
        request.client = 0x9E37'79B9'7F4A'7C15U * client;
        recording.push_back(request);
      };
      const std::uint64_t other = 2 + random.below(300);
      if (random.chance(0.15)) ask(other, other % 5 == 0, random.chance(0.002));
      if (ms % 200 == 0) ask(1, true, false);
      if (ms % 1000 == 500) ask(1, true, true);
    }
    const Outcome outcome = outcome_of(recording);
    EXPECT_NE(outcome.decision, Decision::kRollback) << seed << ": " << outcome.summary;
  }
}

// So many requests a second of so many clients, by a route; a quarter of the clients is on the
// canary.
struct Crowd {
  std::uint32_t route = 0;
  std::uint64_t first_client = 1;
  std::uint64_t clients = 1000;
  double per_second = 100;
  double stable_fails = 0.002;
  double canary_fails = 0.002;
};

Recording of_crowds(std::uint64_t seed, int seconds, const std::vector<Crowd>& crowds) {
  Random random(seed);
  Recording recording;
  for (int ms = 0; ms < seconds * 1000; ++ms) {
    for (const Crowd& crowd : crowds) {
      if (!random.chance(crowd.per_second / 1000)) continue;
      const std::uint64_t client = crowd.first_client + random.below(crowd.clients);
      const bool canary = client % 4 == 0;
      RecordedRequest request =
          request_at(kStartMs + ms,
                     canary ? Cohort::kCanary : Cohort::kStable,
                     random.chance(canary ? crowd.canary_fails : crowd.stable_fails),
                     25);
      request.client = 0xD6E8'FEB8'6659'FD93U * client;
      request.route = crowd.route;
      request.tells_route = true;
      recording.push_back(request);
    }
  }
  return recording;
}

// Of twelve who come by a small route one fails half of the time, and the lot put him on the
// canary. Among all who come he is lost; among the twelve he is not.
TEST(Replay, OneOfTheFewClientsOfARouteConvictsNobody) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const Outcome outcome =
        outcome_of(of_crowds(seed,
                             200,
                             {{.per_second = 400, .stable_fails = 0.01, .canary_fails = 0.01},
                              {.route = 1,
                               .first_client = 2001,
                               .clients = 11,
                               .per_second = 2.2,
                               .stable_fails = 0.01,
                               .canary_fails = 0.01},
                              {.route = 1,
                               .first_client = 2012,
                               .clients = 1,
                               .per_second = 0.2,
                               .canary_fails = 0.5}}),
                   plan(),
                   two_routes());
    EXPECT_NE(outcome.decision, Decision::kRollback) << seed << ": " << outcome.summary;
  }
}

// Clients of another route that fail always, whichever version they are on.
TEST(Replay, ACrowdThatFailsElsewhereHidesNoBrokenRoute) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Outcome outcome = outcome_of(of_crowds(seed,
                                                 300,
                                                 {{.per_second = 50},
                                                  {.first_client = 3001,
                                                   .clients = 30,
                                                   .per_second = 15,
                                                   .stable_fails = 0.3,
                                                   .canary_fails = 0.3},
                                                  {.route = 1,
                                                   .first_client = 5001,
                                                   .clients = 200,
                                                   .per_second = 2,
                                                   .canary_fails = 0.3}}),
                                       patient_plan(),
                                       two_routes());
    ASSERT_EQ(outcome.decision, Decision::kRollback) << seed << ": " << outcome.summary;
    EXPECT_NE(outcome.summary.find("route pay: errors canary"), std::string::npos)
        << outcome.summary;
  }
}

// Whatever seconds of the clock it has lines in: here in all but each fifth.
TEST(Replay, ClientsThatDifferAreSeenInASparseRecording) {
  Recording recording = of_crowds(1,
                                  300,
                                  {{.per_second = 50},
                                   {.first_client = 3001,
                                    .clients = 30,
                                    .per_second = 15,
                                    .stable_fails = 0.3,
                                    .canary_fails = 0.3}});
  std::erase_if(recording, [](const RecordedRequest& request) {
    return request.ended_ms / 1000 % stats::kClientSpreadSeconds == 0;
  });
  const Outcome outcome = outcome_of(recording, patient_plan());
  EXPECT_GT(outcome.verdict.metrics.front().design_effect, 1);
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

// Half of the canary's requests fail, all of them one client's.
TEST(Replay, OneClientThatKeepsFailingConvictsNobody) {
  Recording recording;
  append(recording, 0, 300, {.stable = 95, .stable_bad = 1, .canary = 10, .canary_bad = 5}, 5);
  std::uint64_t others = 100;
  for (RecordedRequest& request : recording) {
    request.client = request.bad && request.cohort == Cohort::kCanary ? 77 : ++others;
  }
  EXPECT_EQ(outcome_of(recording).decision, Decision::kHold);
}

// Two hundred clients, a request each 2 s, of which one in a hundred fails; after ten minutes one
// in twenty of the canary's. The failures so far of nearly each client must not hide those to come.
TEST(Replay, WhatTurnsWorseLateIsFound) {
  constexpr std::int64_t kTurns = 600;
  Random random(1);
  Recording recording;
  for (std::int64_t second = 0; second < 2 * kTurns; ++second) {
    for (std::uint64_t i = 0; i < 100; ++i) {
      const std::uint64_t client = 1 + 2 * i + static_cast<std::uint64_t>(second % 2);
      const Cohort cohort = i % 2 == 0 ? Cohort::kStable : Cohort::kCanary;
      const bool worse = cohort == Cohort::kCanary && second >= kTurns;
      const std::int64_t ms = kStartMs + second * 1000 + static_cast<std::int64_t>(i);
      recording.push_back(request_at(ms, cohort, random.chance(worse ? 0.05 : 0.01), 50));
      recording.back().client = client * 0x9E37'79B9'7F4A'7C15U;
    }
  }
  const Outcome outcome = outcome_of(recording, patient_plan());
  ASSERT_EQ(outcome.decision, Decision::kRollback);
  EXPECT_GT(outcome.at_ms, kStartMs + kTurns * 1000);
  EXPECT_LT(outcome.at_ms, kStartMs + (kTurns + 180) * 1000);
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
