#include "admin/event_stream.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace canaryd::admin {
namespace {

constexpr std::size_t kPlenty = 10000;

TEST(EventFrame, HasItsFields) {
  EXPECT_EQ(to_frame({0, "request", R"({"a":1})"}), "event: request\ndata: {\"a\":1}\n\n");
  EXPECT_EQ(to_frame({7, "verdict", ""}), "id: 7\nevent: verdict\ndata: \n\n");
}

TEST(EventFrame, NoDataCanEndItEarly) {
  EXPECT_EQ(to_frame({0, "x", "a\nb\r\nc\r\n\nd\r"}),
            "event: x\ndata: a\ndata: b\ndata: c\ndata: \ndata: d\ndata: \n\n");
}

TEST(EventStream, HandsOnWholeEventsInOrder) {
  EventStream stream(kPlenty);
  EXPECT_TRUE(stream.empty());
  EXPECT_EQ(stream.take(100), "");
  stream.push({0, "a", "1"});
  stream.push({0, "a", "2"});
  stream.push({0, "a", std::string(200, 'x')});
  EXPECT_EQ(stream.take(40), "event: a\ndata: 1\n\nevent: a\ndata: 2\n\n");
  EXPECT_GT(stream.take(40).size(), 200U) << "one that is longer than a piece goes alone";
  EXPECT_TRUE(stream.empty());
}

TEST(EventStream, CallsWhenThereIsSomethingAgain) {
  EventStream stream(kPlenty);
  int calls = 0;
  stream.on_ready([&calls] { ++calls; });
  stream.push({0, "a", "1"});
  stream.push({0, "a", "2"});
  EXPECT_EQ(calls, 1);
  EXPECT_NE(stream.take(kPlenty), "");
  stream.push({0, "a", "3"});
  EXPECT_EQ(calls, 2);
}

// 18 bytes an event: five fit.
TEST(EventStream, ASlowReaderLosesEventsAndIsTold) {
  EventStream stream(100);
  for (int i = 0; i < 9; ++i) stream.push({0, "a", std::to_string(i)});
  std::string all = stream.take(kPlenty);
  EXPECT_TRUE(all.ends_with("event: a\ndata: 4\n\n")) << all;
  EXPECT_FALSE(stream.empty());
  EXPECT_EQ(stream.take(kPlenty), "event: dropped\ndata: {\"events\":4}\n\n");
  EXPECT_TRUE(stream.empty());
}

TEST(EventStream, TellsOfAGapWhereItIs) {
  EventStream stream(100);
  for (int i = 0; i < 9; ++i) stream.push({0, "a", std::to_string(i)});
  EXPECT_NE(stream.take(70), "");  // Three of five; then there is room for the news and an event.
  stream.push({0, "a", "9"});
  EXPECT_EQ(stream.take(kPlenty),
            "event: a\ndata: 3\n\nevent: a\ndata: 4\n\nevent: dropped\ndata: {\"events\":4}\n\n"
            "event: a\ndata: 9\n\n");
}

TEST(EventStream, AnEventThatNeverFitsIsDropped) {
  EventStream stream(50);
  stream.push({0, "a", std::string(60, 'x')});
  EXPECT_FALSE(stream.empty());
  EXPECT_EQ(stream.take(kPlenty), "event: dropped\ndata: {\"events\":1}\n\n");
}

struct Source final : control::Subscription {
  explicit Source(bool& gone_in) : gone(gone_in) {}
  ~Source() override { gone = true; }
  bool& gone;
};

TEST(EventStream, LetsGoOfItsSourceAtItsEnd) {
  bool gone = false;
  EventStream stream(kPlenty);
  stream.feed_from(std::make_unique<Source>(gone));
  stream.push({0, "a", "1"});
  EXPECT_FALSE(gone);
  stream.end();
  EXPECT_TRUE(gone);
  EXPECT_TRUE(stream.ended());
  stream.push({0, "a", "2"});
  EXPECT_TRUE(stream.empty());
}

}  // namespace
}  // namespace canaryd::admin
