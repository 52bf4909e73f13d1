// A plan, the rates that most recordings have, and what a recording is judged to be.
#pragma once

#include "canaryd/replay/replay.hpp"
#include "unit/replay/recording.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

namespace canaryd::replay {

inline rollout::Plan plan() {
  rollout::Plan made;
  made.name = "shop";
  made.stable = "v1";
  made.canary = "v2";
  return made;
}

inline Outcome outcome_of(const std::vector<RecordedRequest>& recording,
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
inline rollout::Plan patient_plan() {
  rollout::Plan made = plan();
  for (rollout::Step& step : made.steps) step.min_duration = std::chrono::hours(1);
  return made;
}

inline constexpr Rates kGood{.stable = 95, .stable_bad = 1, .canary = 5, .canary_bad = 0};
inline constexpr Rates kDead{.stable = 95, .stable_bad = 1, .canary = 5, .canary_bad = 5};

}  // namespace canaryd::replay
