// Where there is nothing, or too little, to judge by: hold, for as long as it lasts, with the
// reason. And recordings that another judge is known to misjudge (rules.hpp, Kayenta).
#include "canaryd/analysis/analyzer.hpp"
#include "canaryd/stats/block.hpp"
#include "sim/analysis_model.hpp"
#include "sim/figure_table.hpp"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <vector>

namespace canaryd::sim {
namespace {

using analysis::Decision;
using analysis::Reason;

struct Second {
  stats::CohortCounts stable;
  stats::CohortCounts canary;
};

// Ends at the first verdict that is not hold.
analysis::Verdict judge(std::int64_t seconds,
                        BasisPoints next_weight,
                        const std::function<Second(std::int64_t)>& world) {
  analysis::Analyzer analyzer{errors_only()};
  analyzer.begin_step({.next_weight = next_weight, .has_control = true});
  stats::BlockBuilder builder(0, 0, 0);
  for (std::int64_t second = 0; second < seconds; ++second) {
    const Second counts = world(second);
    builder.add(Cohort::kStable, counts.stable);
    builder.add(Cohort::kCanary, counts.canary);
    const auto block = builder.tick(second + 1);
    if (!block) continue;
    analyzer.absorb(*block);
    const analysis::Verdict verdict = analyzer.evaluate();
    if (verdict.decision != Decision::kHold) return verdict;
  }
  return analyzer.evaluate();
}

constexpr BasisPoints kFivePercent{500};
constexpr std::int64_t kDay = 86'400;

void expect_held(FigureTable& table,
                 const char* cell,
                 Reason reason,
                 const std::function<Second(std::int64_t)>& world) {
  const analysis::Verdict verdict = judge(kDay, kFivePercent, world);
  table.add({.cell = cell,
             .runs = 1,
             .seed = 0,
             .goal = "hold, " + std::string(to_string(reason)),
             .seen = std::string(to_string(verdict.decision)) + ", " +
                     std::string(to_string(verdict.reason)),
             .ok = verdict.decision == Decision::kHold && verdict.reason == reason});
}

TEST(NoData, HoldsWithTheReason) {
  FigureTable table("Nothing to judge by, a day");
  expect_held(table, "no traffic", Reason::kNoTraffic, [](std::int64_t) { return Second{}; });
  expect_held(table, "no canary traffic", Reason::kNoCanaryTraffic, [](std::int64_t) {
    return Second{.stable = {500, 5}, .canary = {}};
  });
  expect_held(table, "no stable traffic", Reason::kNoStableTraffic, [](std::int64_t) {
    return Second{.stable = {}, .canary = {5, 0}};
  });
  expect_held(table, "no stable traffic, canary fails", Reason::kNoStableTraffic, [](std::int64_t) {
    return Second{.stable = {}, .canary = {5, 5}};
  });
  expect_held(table, "8 requests", Reason::kNoTraffic, [](std::int64_t second) {
    return second < 8
               ? Second{.stable = {second < 4 ? 1U : 0U, 0}, .canary = {second < 4 ? 0U : 1U, 0}}
               : Second{};
  });
}

// A minute of each recording holds the same requests of both versions, spread over its seconds;
// failures come in its first seconds.
Second minute_of(std::int64_t second, std::uint64_t requests, int stable_bad, int canary_bad) {
  const auto in_minute = static_cast<int>(second % 60);
  const auto now = [&](int all) {
    return static_cast<std::uint64_t>(all / 60 + (in_minute < all % 60 ? 1 : 0));
  };
  return {.stable = {requests / 60, now(stable_bad)}, .canary = {requests / 60, now(canary_bad)}};
}

TEST(NoData, WhatKayentaMisjudgesComesOutRight) {
  FigureTable table("Recordings that Kayenta passes");
  {
    const std::array<int, 6> canary = {0, 1, 2, 1, 0, 0};
    const std::array<double, 6> points = {0, 1, 2, 1, 0, 0};
    const std::array<double, 6> zeros = {};
    EXPECT_FALSE(kayenta_is_high(zeros, points)) << "the model does not show what it is there for";
    const auto verdict = judge(360, BasisPoints(BasisPoints::kMax), [&](std::int64_t second) {
      return minute_of(second, 600, 0, canary[static_cast<std::size_t>(second / 60)]);
    });
    table.add({.cell = "errors a minute 0 1 2 1 0 0 against none",
               .runs = 1,
               .goal = "no pass",
               .seen = std::string(to_string(verdict.decision)),
               .ok = verdict.decision != Decision::kAccept});
  }
  {
    const std::array<double, 10> points = {100, 100, 100, 100, 100, 100, 100, 1, 1, 1};
    const std::array<double, 10> ones = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    EXPECT_FALSE(kayenta_is_high(ones, points)) << "the model does not show what it is there for";
    const auto verdict = judge(600, BasisPoints(BasisPoints::kMax), [&](std::int64_t second) {
      return minute_of(
          second, 6000, 1, static_cast<int>(points[static_cast<std::size_t>(second / 60)]));
    });
    table.add({.cell = "seven of ten minutes with 100 errors against one a minute",
               .runs = 1,
               .goal = "rollback",
               .seen = std::string(to_string(verdict.decision)),
               .ok = verdict.decision == Decision::kRollback});
  }
  {
    const std::array<double, 3> points = {5, 9, 7};
    EXPECT_FALSE(kayenta_is_high({}, points));
    const auto verdict = judge(600, BasisPoints(BasisPoints::kMax), [](std::int64_t) {
      return Second{.stable = {}, .canary = {10, 1}};
    });
    table.add(
        {.cell = "errors while stable has no data",
         .runs = 1,
         .goal = "hold",
         .seen = std::string(to_string(verdict.decision)) + ", " +
                 std::string(to_string(verdict.reason)),
         .ok = verdict.decision == Decision::kHold && verdict.reason == Reason::kNoStableTraffic});
  }
}

}  // namespace
}  // namespace canaryd::sim
