// The votes that the API gives for users.
#include "controller_rig.hpp"

namespace canaryd::control::test {
namespace {

class ControllerFeedbackTest : public ControllerRig {
 protected:
  ControllerFeedbackTest() {
    file_ = file_with(kListener, kRollout + "    start: manual\n    bake: {holdback: 10}\n");
  }
  FeedbackStatus vote(const std::string& who) {
    FeedbackRequest request;
    request.rollout = "shop";
    request.cohort = Cohort::kCanary;
    request.score = 1;
    request.id = who;
    return controller_->feedback(request);
  }
  void weigh(std::uint32_t percent) {
    ActionRequest request;
    request.rollout = "shop";
    request.action = Action::kSetWeight;
    request.weight = BasisPoints(100 * percent);
    controller_->act(request, [](const ActionResult&) {});
    settle();
    ASSERT_EQ(effective(), percent);
  }
};

TEST_F(ControllerFeedbackTest, AVoteCountsWhileUsersAreSplit) {
  boot();
  EXPECT_EQ(vote("anna"), FeedbackStatus::kNoEvidence);
  act(Action::kStart);
  EXPECT_EQ(vote("anna"), FeedbackStatus::kCounted);
  EXPECT_EQ(vote("anna"), FeedbackStatus::kDuplicate);
  weigh(0);
  EXPECT_EQ(vote("bob"), FeedbackStatus::kNoEvidence);
  weigh(90);
  EXPECT_EQ(vote("bob"), FeedbackStatus::kCounted);
  weigh(100);
  EXPECT_EQ(vote("carol"), FeedbackStatus::kNoEvidence);
}

}  // namespace
}  // namespace canaryd::control::test
