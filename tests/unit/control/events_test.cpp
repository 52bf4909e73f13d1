// What followers hear of the rollouts, through the controller.
#include "controller_rig.hpp"

namespace canaryd::control::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class EventsTest : public ControllerRig {
 protected:
  void follow(std::optional<std::uint64_t> after = std::nullopt) {
    follower_ =
        controller_->events(after, [this](const ControlEvent& event) { events_.push_back(event); });
  }
  template <class View>
  std::vector<View> of() const {
    std::vector<View> all;
    for (const ControlEvent& event : events_) {
      if (const View* const view = std::get_if<View>(&event.what)) all.push_back(*view);
    }
    return all;
  }

  std::vector<ControlEvent> events_;
  std::unique_ptr<Subscription> follower_;
};

TEST_F(EventsTest, ATransitionIsToldAsTheLogTellsIt) {
  boot();
  second();
  follow();
  act(Action::kPause);
  act(Action::kAbort);
  const auto transitions = of<TransitionView>();
  ASSERT_EQ(transitions.size(), 2U);
  EXPECT_EQ(transitions[0].row.rollout, "shop");
  EXPECT_EQ(transitions[0].row.from, "progressing");
  EXPECT_EQ(transitions[0].row.to, "paused");
  EXPECT_EQ(transitions[0].row.actor, "anna");
  EXPECT_EQ(transitions[0].row.weight, BasisPoints(1000));
  EXPECT_TRUE(transitions[0].durable);
  EXPECT_EQ(transitions[1].row.to, "aborted");
  EXPECT_EQ(transitions[1].generation, view().generation);
  EXPECT_EQ(events_[1].id, events_[0].id + 1);
}

TEST_F(EventsTest, AFollowerThatWasAwayHearsWhatItMissed) {
  boot();
  second();
  follow();
  act(Action::kPause);
  const std::uint64_t last = events_.back().id;
  follower_.reset();
  act(Action::kResume);
  act(Action::kAbort);
  events_.clear();
  follow(last);
  const auto transitions = of<TransitionView>();
  ASSERT_EQ(transitions.size(), 2U);
  EXPECT_EQ(transitions[1].row.to, "aborted");
}

TEST_F(EventsTest, SamplesComeOnceASecond) {
  boot();
  follow();
  second();
  second();
  const auto samples = of<RolloutView>();
  ASSERT_EQ(samples.size(), 2U);
  EXPECT_EQ(samples[1].name, "shop");
  EXPECT_EQ(samples[1].weight.target, BasisPoints(1000));
}

TEST_F(EventsTest, AVerdictIsToldBeforeWhatFollowsFromIt) {
  boot();
  second();
  follow();
  for (int i = 0; i < 30 && view().state == "progressing"; ++i) second(0, 200);
  ASSERT_EQ(view().state, "rolled_back");
  std::vector<std::string> order;
  for (const ControlEvent& event : events_) {
    if (const auto* one = std::get_if<VerdictView>(&event.what)) {
      order.push_back(one->rollout + " " + one->metric.metric + " " + one->metric.verdict);
    } else if (const auto* other = std::get_if<TransitionView>(&event.what)) {
      order.push_back(other->row.rollout + " " + other->row.to);
    }
  }
  EXPECT_THAT(order, ElementsAre("shop errors fail", "shop rolled_back"));
}

TEST_F(EventsTest, AReloadIsToldGoodOrBad) {
  boot();
  follow();
  EXPECT_TRUE(reload(file_with(kListener, kRollout)).ok);
  EXPECT_FALSE(reload("version: 2\n").ok);
  const auto reloads = of<ReloadView>();
  ASSERT_EQ(reloads.size(), 2U);
  EXPECT_TRUE(reloads[0].ok);
  EXPECT_EQ(reloads[0].message, "configuration reloaded: 0 changes");
  EXPECT_FALSE(reloads[1].ok);
  EXPECT_THAT(reloads[1].message, HasSubstr("the new configuration is not used: canaryd.yaml:1"));
}

}  // namespace
}  // namespace canaryd::control::test
