// A verdict of the past is what its rows of evidence come to, and nothing that was changed
// afterwards passes for it.
#include "controller_rig.hpp"

namespace canaryd::control::test {
namespace {

using ::testing::HasSubstr;

const std::string kLong =
    "rollouts:\n  shop:\n    stable: old\n    canary: new\n"
    "    steps: [{weight: 10, min_duration: 2h, max_duration: 4h}, {weight: 100}]\n";

class VerificationTest : public ControllerRig {
 protected:
  Result<VerificationView> ask(std::optional<std::uint64_t> at = std::nullopt,
                               const std::string& rollout = "shop") {
    std::optional<Result<VerificationView>> answer;
    controller_->verify({rollout, at}, [&](Result<VerificationView> view) { answer = view; });
    settle();
    return answer.value_or(fail(ErrorCode::kTimeout));
  }
  VerificationView verified(std::optional<std::uint64_t> at = std::nullopt) {
    auto view = ask(at);
    EXPECT_TRUE(view.has_value());
    return view.value_or(VerificationView{});
  }
  void roll_back() {
    second();
    for (int i = 0; i < 30 && effective() > 0; ++i) second(1, 200);
    ASSERT_EQ(view().state, "rolled_back");
  }
  [[nodiscard]] std::uint64_t run() const {
    return rollout::parse_state(disk_.journal().back().entry.state).value().run;
  }
};

TEST_F(VerificationTest, ARollbackIsMadeAgainBitForBit) {
  boot();
  roll_back();
  const VerificationView view = verified();
  EXPECT_EQ(view.result, VerifyResult::kSame) << view.why;
  EXPECT_EQ(view.decision, "rollback");
  EXPECT_EQ(view.id, disk_.journal().back().id);
  EXPECT_THAT(view.message, HasSubstr("rolled back shop"));
  EXPECT_EQ(view.rows, disk_.evidence("shop", run()).size());
  ASSERT_FALSE(view.figures.empty());
  EXPECT_EQ(view.figures[0].name, "all");
  EXPECT_GE(view.figures[0].value, 4.6) << "ln 100";
  EXPECT_EQ(view.figures[0].recorded, view.figures[0].recomputed);
}

TEST_F(VerificationTest, SoIsEveryTransitionAfterARestart) {
  boot();
  for (int i = 0; i < 120 && view().state != "baking"; ++i) second(1, 0);
  ASSERT_EQ(view().state, "baking");
  power_off();
  boot();
  std::size_t same = 0;
  for (const store::JournalRow& row : disk_.journal()) {
    const VerificationView view = verified(row.id);
    EXPECT_EQ(view.id, row.id);
    const bool began = row.entry.from == "idle";
    EXPECT_EQ(view.result, began ? VerifyResult::kNotVerifiable : VerifyResult::kSame) << view.why;
    same += began ? 0 : 1;
  }
  EXPECT_GE(same, 3U);
}

// What was missing to compare with is not in the rows.
TEST_F(VerificationTest, AHoldForWantOfTrafficIsMadeAgain) {
  boot();
  for (int i = 0; i < 5; ++i) second();
  plane_.serve(Cohort::kStable, 100, 0);
  clock_.advance(61s);
  controller_->tick();
  settle();
  ASSERT_EQ(act(Action::kPause).status, ActionStatus::kOk);
  EXPECT_THAT(disk_.journal().back().entry.evidence, HasSubstr("no_canary_traffic"));
  const VerificationView view = verified();
  EXPECT_EQ(view.result, VerifyResult::kSame) << view.why;
  EXPECT_EQ(view.decision, "hold");
}

TEST_F(VerificationTest, LongRunsAreReadInSlices) {
  file_ = file_with(kListener, kLong);
  boot();
  for (int i = 0; i < 1200; ++i) second(20, 2);
  ASSERT_EQ(act(Action::kPause).status, ActionStatus::kOk);
  const VerificationView view = verified();
  EXPECT_GT(view.rows, 1000U);
  EXPECT_EQ(view.result, VerifyResult::kSame) << view.why;
}

TEST_F(VerificationTest, AChangedRowIsFound) {
  boot();
  roll_back();
  power_off();
  const std::uint64_t last = disk_.evidence("shop", run()).size() - 1;
  disk_.change_evidence("shop", run(), last, 7, 1);  // Failures of the canary.
  boot();
  const VerificationView view = verified();
  EXPECT_EQ(view.result, VerifyResult::kDifferent);
  EXPECT_THAT(view.why, HasSubstr("comes to another verdict"));
  EXPECT_NE(view.figures.at(0).recorded, view.figures.at(0).recomputed);
}

TEST_F(VerificationTest, AMissingRowIsFound) {
  boot();
  roll_back();
  disk_.lose_evidence("shop", run(), 2);
  EXPECT_EQ(verified().result, VerifyResult::kDamaged);
  EXPECT_THAT(verified().why, HasSubstr("evidence row 2 is missing"));
  disk_.lose_evidence("shop", run(), 0);
  EXPECT_THAT(verified().why, HasSubstr("evidence row 0 is missing"));
}

TEST_F(VerificationTest, ADamagedRowIsFound) {
  boot();
  roll_back();
  disk_.damage_evidence("shop", run(), 2);
  EXPECT_EQ(verified().result, VerifyResult::kDamaged);
}

TEST_F(VerificationTest, AChangedRecordIsFound) {
  boot();
  roll_back();
  const store::JournalRow last = disk_.journal().back();
  std::string text = last.entry.evidence;
  const std::string was = R"("decision":"rollback")";
  text.replace(text.find(was), was.size(), R"("decision":"accept")");
  disk_.change_recorded(last.id, text);
  EXPECT_EQ(verified().result, VerifyResult::kDifferent);
  EXPECT_THAT(verified().why, HasSubstr("the decision"));
  disk_.change_recorded(last.id, R"({"version":1,"engine":1,"run":1})");
  EXPECT_EQ(verified(last.id).result, VerifyResult::kDamaged);
}

TEST_F(VerificationTest, WhatHasNoFiguresSaysWhy) {
  boot();
  roll_back();
  const std::uint64_t id = disk_.journal().back().id;
  disk_.change_recorded(id, "errors canary 50 % vs stable 0.1 %");
  EXPECT_EQ(verified(id).result, VerifyResult::kNotVerifiable);
  EXPECT_THAT(verified(id).why, HasSubstr("older version"));
  const auto unknown = ask(id + 1);
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(ask(std::nullopt, "other").error().code, ErrorCode::kNotFound);
}

TEST_F(VerificationTest, EvidenceOfAnEarlierRunIsGone) {
  boot();
  roll_back();
  const std::uint64_t id = disk_.journal().back().id;
  ASSERT_EQ(act(Action::kRetry).status, ActionStatus::kOk);
  second();
  const VerificationView view = verified(id);
  EXPECT_EQ(view.result, VerifyResult::kNotVerifiable);
  EXPECT_THAT(view.why, HasSubstr("a later run has begun"));
}

TEST_F(VerificationTest, OneAtATime) {
  boot();
  roll_back();
  std::vector<ErrorCode> refused;
  std::vector<VerifyResult> results;
  const auto note = [&](const Result<VerificationView>& view) {
    if (view) {
      results.push_back(view->result);
    } else {
      refused.push_back(view.error().code);
    }
  };
  controller_->verify({"shop", std::nullopt}, note);
  controller_->verify({"shop", std::nullopt}, note);
  settle();
  EXPECT_THAT(refused, ::testing::ElementsAre(ErrorCode::kLimit));
  EXPECT_THAT(results, ::testing::ElementsAre(VerifyResult::kSame));
  EXPECT_EQ(verified().result, VerifyResult::kSame) << "and the next";
}

TEST_F(VerificationTest, OneThatIsUnderWayEndsWithTheController) {
  boot();
  roll_back();
  bool called = false;
  controller_->verify({"shop", std::nullopt}, [&](const auto&) { called = true; });
  controller_.reset();
  settle();
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace canaryd::control::test
