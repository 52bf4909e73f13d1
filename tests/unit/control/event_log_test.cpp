#include "control/event_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace canaryd::control {
namespace {

using ::testing::ElementsAre;
using namespace std::chrono_literals;

constexpr WallTime kStart{1s};  // Ids begin at 1000001.

std::string text_of(const ControlEvent& event) {
  const std::string id = std::to_string(event.id) + " ";
  if (const auto* one = std::get_if<TransitionView>(&event.what)) return id + one->row.message;
  if (const auto* one = std::get_if<VerdictView>(&event.what)) {
    return id + one->rollout + " " + one->metric.metric + " " + one->metric.verdict;
  }
  if (const auto* one = std::get_if<RolloutView>(&event.what)) return id + "sample " + one->name;
  if (std::holds_alternative<ReloadView>(event.what)) return id + "reload";
  return id + "missed after " + std::to_string(std::get<EventsMissed>(event.what).after);
}

ControlSink into(std::vector<std::string>& events) {
  return [&events](const ControlEvent& event) { events.push_back(text_of(event)); };
}

TransitionView transition(const std::string& message) {
  TransitionView view;
  view.row.message = message;
  return view;
}

MetricView metric(const std::string& verdict) {
  MetricView view;
  view.metric = "errors";
  view.verdict = verdict;
  return view;
}

TEST(EventLog, TellsWhoFollows) {
  EventLog log(kStart);
  log.add(transition("before"));
  std::vector<std::string> one;
  std::vector<std::string> two;
  EXPECT_FALSE(log.followed());
  auto first = log.follow(std::nullopt, into(one));
  EXPECT_TRUE(log.followed());
  log.add(transition("a"));
  auto second = log.follow(std::nullopt, into(two));
  log.add(ReloadView{});
  first.reset();
  log.add(transition("b"));
  second.reset();
  EXPECT_FALSE(log.followed());
  EXPECT_THAT(one, ElementsAre("1000002 a", "1000003 reload"));
  EXPECT_THAT(two, ElementsAre("1000003 reload", "1000004 b"));
}

TEST(EventLog, AFollowerGoesOnWhereItWas) {
  EventLog log(kStart);
  for (const char* message : {"a", "b", "c"}) log.add(transition(message));
  std::vector<std::string> events;
  auto follower = log.follow(1000001, into(events));
  log.add(transition("d"));
  EXPECT_THAT(events, ElementsAre("1000002 b", "1000003 c", "1000004 d"));
  events.clear();
  follower = log.follow(1000004, into(events));
  EXPECT_THAT(events, ElementsAre());
}

TEST(EventLog, SaysWhenItHasForgotten) {
  EventLog log(kStart);
  std::vector<std::string> events;
  auto follower = log.follow(1000000, into(events));
  EXPECT_THAT(events, ElementsAre()) << "nothing has happened since";
  // Of an earlier process.
  follower = log.follow(999000, into(events));
  EXPECT_THAT(events, ElementsAre("1000000 missed after 999000"));
  events.clear();
  follower = log.follow(1000000, into(events));
  EXPECT_THAT(events, ElementsAre()) << "who has been told is not told again";
  for (std::size_t i = 0; i < EventLog::kKept + 5; ++i) log.add(transition("x"));
  events.clear();
  follower = log.follow(1000005, into(events));
  EXPECT_EQ(events.size(), EventLog::kKept);
  EXPECT_EQ(events.front(), "1000006 x");
  events.clear();
  follower = log.follow(1000004, into(events));
  EXPECT_EQ(events.size(), EventLog::kKept + 1);
  EXPECT_EQ(events.front(), "1000005 missed after 1000004");
  // Of a clock that was ahead: all that is known.
  events.clear();
  follower = log.follow(UINT64_MAX, into(events));
  EXPECT_EQ(events.size(), EventLog::kKept + 1);
}

TEST(EventLog, AVerdictIsAnEventWhenItChanges) {
  EventLog log(kStart);
  std::vector<std::string> events;
  const auto follower = log.follow(std::nullopt, into(events));
  for (const char* verdict : {"open", "open", "pass", "pass", "open", "fail"}) {
    const std::size_t before = events.size();
    const bool news = log.is_news("shop", "errors", verdict);
    log.judge("shop", metric(verdict));
    EXPECT_EQ(events.size() - before, news ? 1U : 0U) << verdict;
  }
  log.judge("other", metric("open"));
  log.judge("other", metric("fail"));
  EXPECT_THAT(events,
              ElementsAre("1000001 shop errors pass",
                          "1000002 shop errors open",
                          "1000003 shop errors fail",
                          "1000004 other errors fail"));
}

// Its id is that of what came before it: whoever goes on from there misses nothing.
TEST(EventLog, ASampleIsNotKept) {
  EventLog log(kStart);
  std::vector<std::string> events;
  auto follower = log.follow(std::nullopt, into(events));
  RolloutView sample;
  sample.name = "shop";
  log.show(sample);
  log.add(transition("a"));
  log.show(sample);
  EXPECT_THAT(events, ElementsAre("1000000 sample shop", "1000001 a", "1000001 sample shop"));
  events.clear();
  follower = log.follow(1000000, into(events));
  EXPECT_THAT(events, ElementsAre("1000001 a"));
}

TEST(EventLog, AFollowerMayOutliveIt) {
  std::vector<std::string> events;
  auto log = std::make_unique<EventLog>(kStart);
  auto follower = log->follow(std::nullopt, into(events));
  log.reset();
  follower.reset();
  EXPECT_TRUE(events.empty());
}

}  // namespace
}  // namespace canaryd::control
