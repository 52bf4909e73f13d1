// What people and programs see, against files in tests/golden/simulate. CANARYD_REWRITE_GOLDEN=1
// writes them anew.
#include "canaryd/simulate/report.hpp"

#include "canaryd/simulate/picture.hpp"
#include "unit/simulate/scenarios.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace canaryd::simulate {
namespace {

const std::string kFolder = std::string(CANARYD_SOURCE_DIR) + "/tests/golden/simulate/";

void compare(const std::string& name, const std::string& text) {
  if (std::getenv("CANARYD_REWRITE_GOLDEN") != nullptr) {
    std::ofstream(kFolder + name) << text;
    return;
  }
  std::ostringstream wanted;
  wanted << std::ifstream(kFolder + name).rdbuf();
  EXPECT_EQ(text, wanted.str()) << name;
}

struct Studied {
  Scenario scenario;
  Study study;
};

Studied worse() {
  Scenario scenario = steady(0.01, 0.014);
  scenario.traffic.requests_per_second = 2000;
  scenario.protection.covered = 0.9;
  Effort effort;
  effort.runs = 60;
  return {scenario, summarise(scenario, run_many(scenario, effort))};
}

TEST(Report, TextAndJsonAreThoseOfTheGoldenFiles) {
  const Studied studied = worse();
  compare("worse.txt", render_text(studied.scenario, studied.study));
  compare("worse.json", render_json(studied.scenario, studied.study));
}

TEST(Report, ThePictureIsThatOfTheGoldenFile) {
  const Studied studied = worse();
  std::vector<TracePoint> trace;
  const RunResult run = run_rollout(studied.scenario, studied.study.typical_seed, &trace);
  compare("worse.svg", render_svg(studied.scenario, studied.study, run, trace));
}

TEST(Picture, ALongRunIsNoLargerThanOthers) {
  Scenario scenario = steady(0.01, 0.01);
  scenario.traffic.requests_per_second = 1;
  for (rollout::Step& step : scenario.plan.steps) step.max_duration = std::chrono::hours(100);
  scenario.limit_seconds = 40'000;
  std::vector<TracePoint> trace;
  const RunResult run = run_rollout(scenario, 1, &trace);
  const std::string svg = render_svg(scenario, summarise(scenario, {run}), run, trace);
  EXPECT_EQ(trace.size(), 40'000U);
  EXPECT_LT(svg.size(), 40'000U);
}

}  // namespace
}  // namespace canaryd::simulate
