// What is said of what comes next.
#include "controller_rig.hpp"

namespace canaryd::control::test {
namespace {

using ::testing::MatchesRegex;

class NextSentenceTest : public ControllerRig {};

TEST_F(NextSentenceTest, APauseSaysWhatABadVerdictStillDoes) {
  const auto paused_with = [&](const std::string& policy) {
    file_ = file_with(kListener,
                      "rollouts:\n  shop:\n    stable: old\n    canary: new\n" + policy +
                          "    steps: [{weight: 10, min_duration: 1h}, {weight: 100}]\n");
    if (controller_ != nullptr) power_off();
    boot();
    for (int i = 0; i < 3; ++i) second();
    if (view().state != "paused") act(Action::kPause);
    return view().on_failure + ": " + view().next.value();
  };
  const std::string resume = "paused; `canaryctl resume` goes on";
  EXPECT_EQ(paused_with(""), "rollback: " + resume + "; rollback stays armed");
  EXPECT_EQ(paused_with("    on_failure: hold\n"),
            "hold: " + resume + "; a bad verdict holds it all the same");
  EXPECT_EQ(paused_with("    on_failure: step_down\n"),
            "step_down: " + resume + "; a bad verdict takes it a step down all the same");
  EXPECT_EQ(paused_with("    analysis: {mode: observe}\n"), "rollback: " + resume);
}

// Nobody knows how long requests take that do not come.
TEST_F(NextSentenceTest, OfRequestsThatAreMissingNoTimeIsTold) {
  file_ = file_with(kListener,
                    "rollouts:\n  shop:\n    stable: old\n    canary: new\n"
                    "    analysis: {latency_quantiles: [], tolerance: {errors: {absolute: 5}}}\n"
                    "    steps: [{weight: 10, min_duration: 2s, min_requests: 1000000}, "
                    "{weight: 100}]\n");
  boot();
  static constexpr const char* kSaid = "weight 100 when [0-9]+ more canary requests came";
  const auto says = [this] {
    return ::testing::Value(view().next.value_or(""), MatchesRegex(kSaid));
  };
  for (int i = 0; i < 120 && !says(); ++i) second();
  EXPECT_TRUE(says()) << view().next.value_or("");
}

}  // namespace
}  // namespace canaryd::control::test
