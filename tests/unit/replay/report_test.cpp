// The texts, whole: tests/golden/replay. CANARYD_REWRITE_GOLDEN writes them anew.
#include "canaryd/replay/report.hpp"

#include "unit/replay/recording.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace canaryd::replay {
namespace {

void expect_golden(const std::string& name, const std::string& text) {
  const std::string path = CANARYD_SOURCE_DIR "/tests/golden/replay/" + name;
  if (std::getenv("CANARYD_REWRITE_GOLDEN") != nullptr) std::ofstream(path) << text;
  std::ifstream file(path);
  const std::string expected{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(text, expected) << path;
}

Outcome outcome_of(const std::vector<RecordedRequest>& recording) {
  rollout::Plan plan;
  plan.name = "shop";
  Replay replay(plan, errors_only());
  for (const RecordedRequest& request : recording) EXPECT_TRUE(replay.add(request));
  return replay.finish();
}

TEST(ReplayReport, OfARollback) {
  std::vector<RecordedRequest> recording;
  append(recording, 0, 60, {.stable = 99, .stable_bad = 1, .canary = 1}, 1);
  append(recording, 60, 60, {.stable = 95, .stable_bad = 1, .canary = 5, .canary_bad = 1}, 5);
  const Outcome outcome = outcome_of(recording);
  const LineCounts lines{recording.size() + 3, recording.size(), 2};
  expect_golden("rollback.txt", render_text(outcome, lines));
  expect_golden("rollback.json", render_json(outcome, lines));
}

TEST(ReplayReport, OfNothing) {
  expect_golden("nothing.txt", render_text(outcome_of({}), {1, 0, 0}));
  expect_golden("nothing.json", render_json(outcome_of({}), {1, 0, 0}));
}

}  // namespace
}  // namespace canaryd::replay
