#include "terminal.hpp"

#include <gtest/gtest.h>

namespace canaryd::cli {
namespace {

class DiagnoseTest : public testing::Test {
 protected:
  DiagnoseTest() {
    terminal_.address = admin_.address;
    for (auto& upstream : admin_.backend.upstream_list) {
      for (auto& endpoint : upstream.endpoints) {
        endpoint.healthy = true;
        endpoint.ejected = false;
      }
    }
  }
  int run(std::vector<std::string> arguments = {"check"}) {
    return terminal_.run(std::move(arguments));
  }
  std::string out() const { return terminal_.out.str(); }
  bool says(const std::string& text) const { return out().find(text) != std::string::npos; }

  test::AdminFixture admin_;
  Terminal terminal_;
};

TEST_F(DiagnoseTest, FindsNothingWrong) {
  EXPECT_EQ(run(), kExitDone) << out() << terminal_.err.str();
  EXPECT_TRUE(says("✔ ready: takes requests\n")) << out();
  EXPECT_TRUE(says("✔ configuration: in force\n")) << out();
  EXPECT_TRUE(says("✔ upstream shop-v1: 2 of 2 endpoints in use\n")) << out();
  EXPECT_TRUE(says("✔ rollout checkout: Progressing")) << out();
  EXPECT_EQ(run({"check", "-o", "json"}), kExitDone);
  EXPECT_TRUE(says("\"grade\": \"ok\"")) << out();
}

TEST_F(DiagnoseTest, SaysWhatToDo) {
  auto& backend = admin_.backend;
  backend.state.ready = false;
  backend.metrics =
      "# TYPE x gauge\ncanaryd_config_last_reload_successful 0\ncanaryd_log_dropped_total 12\n";
  for (auto& endpoint : backend.upstream_list.at(0).endpoints) endpoint.healthy = false;
  backend.known["checkout"].state = "rolled_back";
  backend.known["checkout"].reason = "verdict";
  EXPECT_EQ(run(), kExitFailed);
  EXPECT_TRUE(says("✖ ready: it is not: still starting, or draining\n")) << out();
  EXPECT_TRUE(says("✖ configuration: the last reload failed")) << out();
  EXPECT_TRUE(says("canaryctl check FILE says what is wrong; then canaryctl reload")) << out();
  EXPECT_TRUE(says("⚠ log: 12 lines were dropped")) << out();
  EXPECT_TRUE(says("✖ upstream shop-v1: 0 of 2 endpoints in use\n")) << out();
  EXPECT_TRUE(says("⚠ rollout checkout: Rolled back, verdict")) << out();
  EXPECT_TRUE(says("canaryctl explain checkout says why; canaryctl retry checkout begins again"))
      << out();
}

TEST_F(DiagnoseTest, WarningsAloneAreNoFailure) {
  admin_.backend.upstream_list.at(0).endpoints.at(0).ejected = true;
  EXPECT_EQ(run(), kExitDone);
  EXPECT_TRUE(says("⚠ upstream shop-v1: 1 of 2 endpoints in use\n")) << out();
}

TEST_F(DiagnoseTest, WhatShouldHaveBegunAndCannotIsAWarning) {
  auto& checkout = admin_.backend.known["checkout"];
  checkout.state = "idle";
  for (const std::string obstacle : {"shop-v2 is healthy",
                                     "both versions are healthy",
                                     "every before_step hook agrees; the last answer: no way"}) {
    checkout.next = "starts by itself when " + obstacle;
    EXPECT_EQ(run(), kExitDone);
    EXPECT_TRUE(says("⚠ rollout checkout: Idle")) << out();
    EXPECT_TRUE(says("    starts by itself when " + obstacle + "\n")) << out();
  }
  for (const char* const next : {"starts by itself when the freeze ends, at 2026-01-05T23:30:00Z",
                                 "starts by itself when healthy is promoted; stable has no healthy "
                                 "endpoint: its users get 503",
                                 "starts by itself in a moment",
                                 "waits for `canaryctl start`"}) {
    checkout.next = next;
    EXPECT_EQ(run(), kExitDone);
    EXPECT_TRUE(says("✔ rollout checkout: Idle")) << out();
  }
}

// Nothing is missing there: somebody has to decide, or it goes on by itself.
TEST_F(DiagnoseTest, AdvisesByWhatHoldsIt) {
  auto& checkout = admin_.backend.known["checkout"];
  checkout.condemned = true;
  checkout.reason = "verdict";
  for (const char* const state : {"held", "paused"}) {
    checkout.state = state;
    EXPECT_EQ(run(), kExitDone);
    EXPECT_TRUE(says("it was found worse: canaryctl retry, rollback or abort checkout\n")) << out();
  }
  checkout.condemned = false;
  checkout.reason = "lunch";
  EXPECT_EQ(run(), kExitDone);
  EXPECT_TRUE(says("✔ rollout checkout: Paused")) << out();
  checkout.state = "held";
  checkout.reason = "returning";
  EXPECT_EQ(run(), kExitDone);
  EXPECT_TRUE(says("it goes back to stable by itself; canaryctl rollback checkout")) << out();
  checkout.reason = "no_data";
  EXPECT_EQ(run(), kExitDone);
  EXPECT_TRUE(says("canaryctl explain checkout says what is missing")) << out();
}

TEST_F(DiagnoseTest, ReadsThatDifferAreAWarning) {
  auto& checkout = admin_.backend.known["checkout"];
  checkout.state = "idle";
  checkout.reason = "parity";
  checkout.parity.emplace();
  checkout.parity->state = "gathering";
  EXPECT_EQ(run(), kExitDone);
  EXPECT_TRUE(says("✔ rollout checkout: Idle, parity")) << out();
  checkout.parity->state = "different";
  EXPECT_EQ(run(), kExitDone);
  EXPECT_TRUE(says("⚠ rollout checkout: Idle, parity")) << out();
  EXPECT_TRUE(says("canaryctl explain checkout says in which fields")) << out();
}

TEST_F(DiagnoseTest, WhatTheFileMeansAndHasNotBegunIsAWarning) {
  auto& checkout = admin_.backend.known["checkout"];
  checkout.state = "promoted";
  checkout.postponed = "shop-v3 has not begun: its stable version is down";
  EXPECT_EQ(run(), kExitDone);
  EXPECT_TRUE(says("⚠ rollout checkout: Promoted, weight 5 %; shop-v3 has not begun")) << out();
  EXPECT_TRUE(says("see whether shop-v1 answers; to go on from shop-v2, name that")) << out();
}

TEST_F(DiagnoseTest, AHookThatIsLeftToTheOperatorIsAWarning) {
  auto& checkout = admin_.backend.known["checkout"];
  checkout.state = "retiring";
  checkout.retire.emplace();
  for (const char* const good : {"none", "called"}) {
    checkout.retire->hook = good;
    EXPECT_EQ(run(), kExitDone);
    EXPECT_TRUE(says("✔ rollout checkout: Retiring")) << out();
  }
  checkout.retire->hook = "failed";
  checkout.retire->said = "its exit code was 3";
  EXPECT_EQ(run(), kExitDone);
  EXPECT_TRUE(says("⚠ rollout checkout: Retiring")) << out();
  EXPECT_TRUE(says("the decommission hook failed (its exit code was 3); `canaryctl retire"))
      << out();
  checkout.retire->hook = "unknown";
  EXPECT_EQ(run(), kExitDone);
  EXPECT_TRUE(says("⚠ rollout checkout: Retiring")) << out();
  EXPECT_TRUE(says("nobody knows whether the decommission hook ran")) << out();
  checkout.state = "retired";
  checkout.retire->hook = "left_out";
  checkout.retire->needed_by = {"route rest"};
  EXPECT_EQ(run(), kExitDone);
  EXPECT_TRUE(says("✔ rollout checkout: Retired")) << out();
  checkout.retire->needed_by.clear();
  EXPECT_EQ(run(), kExitDone);
  EXPECT_TRUE(says("⚠ rollout checkout: Retired")) << out();
  EXPECT_TRUE(says("the decommission hook was left out, and nobody else needs shop-v1")) << out();
}

// To name the canary as stable then would send everybody to the version that was given up.
TEST_F(DiagnoseTest, WhatWaitsForTheJournalAfterAnAbortIsNoReasonToGoOnFromTheCanary) {
  auto& checkout = admin_.backend.known["checkout"];
  checkout.state = "aborted";
  checkout.postponed = "shop-v3 has not begun: the journal cannot be written";
  checkout.journal_failing = true;
  EXPECT_EQ(run(), kExitFailed);
  EXPECT_TRUE(says("⚠ rollout checkout: Aborted, weight 5 %; shop-v3 has not begun")) << out();
  EXPECT_TRUE(says("see \"journal\" below; it begins by itself")) << out();
  EXPECT_FALSE(says("name that as stable")) << out();
  checkout.journal_failing = false;
  EXPECT_EQ(run(), kExitDone);
  EXPECT_TRUE(says("⚠ rollout checkout: Aborted")) << out();
  EXPECT_FALSE(says("name that as stable")) << out();
}

TEST_F(DiagnoseTest, AJournalThatCannotBeWrittenIsAnError) {
  admin_.backend.known["checkout"].durable = false;
  EXPECT_EQ(run(), kExitDone) << "on its way to the disk";
  EXPECT_FALSE(says("journal")) << out();
  admin_.backend.known["checkout"].journal_failing = true;
  EXPECT_EQ(run(), kExitFailed);
  EXPECT_TRUE(says("✖ journal: it cannot be written: what has become of checkout is not on disk\n"))
      << out();
  EXPECT_TRUE(says("do not restart the daemon before its log says store_recovered")) << out();
  admin_.backend.known["checkout"].durable = true;
  EXPECT_EQ(run(), kExitFailed);
  EXPECT_TRUE(says("✖ journal: it cannot be written: no weight rises until it can\n")) << out();
  admin_.backend.known["checkout"].journal_failing = false;
  EXPECT_EQ(run(), kExitDone);
  EXPECT_FALSE(says("journal")) << out();
}

TEST_F(DiagnoseTest, SaysThatThereIsNoDaemon) {
  admin_.stop();
  EXPECT_EQ(run(), kExitUnreachable);
  EXPECT_EQ(out(), "");
}

}  // namespace
}  // namespace canaryd::cli
