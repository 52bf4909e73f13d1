// Recordings whose routes or clients differ: whom the evidence is of.
#include "canaryd/base/random.hpp"
#include "canaryd/replay/replay.hpp"
#include "canaryd/stats/client_groups.hpp"
#include "unit/replay/judged.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace canaryd::replay {
namespace {

using analysis::Decision;
using Recording = std::vector<RecordedRequest>;

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

}  // namespace
}  // namespace canaryd::replay
