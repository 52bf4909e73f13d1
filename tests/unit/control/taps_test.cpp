// Taps through the controller: who is told of them, and what they are told.
#include "controller_rig.hpp"

namespace canaryd::control::test {
namespace {

using ::testing::ElementsAre;

class TapsTest : public ControllerRig {
 protected:
  void SetUp() override { boot(); }
  std::unique_ptr<Subscription> open(std::vector<std::string>& events,
                                     telemetry::TapFilter filter = {}) {
    auto opened = controller_->tap(std::move(filter), [&events](const StreamEvent& event) {
      EXPECT_EQ(event.id, 0U);
      std::string_view data = event.data;
      // Of a line, the id is enough.
      if (event.type == "request") {
        data.remove_prefix(data.find("\"id\""));
        data = data.substr(0, data.find(','));
      }
      events.push_back(std::string(event.type).append(" ").append(data));
    });
    EXPECT_TRUE(opened);
    return opened ? std::move(*opened) : nullptr;
  }
  // A worker finishes a request.
  void finish(telemetry::TapSink& worker, std::string_view id) {
    worker.use(plane_.taps);
    if (!worker.on()) return;
    telemetry::AccessRecord record;
    record.id = id;
    record.started_at = record.ended_at = clock_.now();
    worker.write(record);
  }

  telemetry::TapSink first_{0, clock_};
  telemetry::TapSink second_{1, clock_};
};

TEST_F(TapsTest, WorkersKnowWhatIsOpen) {
  std::vector<std::string> events;
  EXPECT_EQ(plane_.taps, nullptr);
  auto one = open(events);
  EXPECT_EQ(plane_.taps->size(), 1U);
  auto two = open(events);
  EXPECT_EQ(plane_.taps->size(), 2U);
  one.reset();
  EXPECT_EQ(plane_.taps->size(), 1U);
  two.reset();
  EXPECT_TRUE(plane_.taps->empty());
  finish(first_, "unseen");
  controller_->look();
  EXPECT_TRUE(events.empty());
}

TEST_F(TapsTest, EachFollowerGetsItsRequests) {
  std::vector<std::string> all;
  std::vector<std::string> routed;
  const auto one = open(all);
  const auto two = open(routed, {std::nullopt, "all", false});
  finish(first_, "a");
  finish(second_, "b");
  EXPECT_TRUE(all.empty());
  controller_->look();
  EXPECT_THAT(all, ElementsAre(R"(request "id":"a")", R"(request "id":"b")"));
  EXPECT_TRUE(routed.empty());
}

TEST_F(TapsTest, SaysOnceASecondWhatIsLeftOut) {
  std::vector<std::string> events;
  const auto one = open(events);
  const auto left_out = [&] {
    std::vector<std::string> said;
    for (const std::string& event : events) {
      if (event.starts_with("sampled")) said.push_back(event);
    }
    events.clear();
    return said;
  };
  for (int i = 0; i < telemetry::Tap::kBurst + 3; ++i) finish(first_, "x");
  controller_->look();
  EXPECT_THAT(left_out(), ElementsAre(R"(sampled {"left_out":3})"));
  finish(first_, "x");
  clock_.advance(900ms);
  controller_->look();
  EXPECT_THAT(left_out(), ElementsAre());
  clock_.advance(100ms);
  controller_->look();
  EXPECT_THAT(left_out(), ElementsAre(R"(sampled {"left_out":1})"));
  clock_.advance(1s);
  controller_->look();
  EXPECT_THAT(left_out(), ElementsAre());
}

TEST_F(TapsTest, ARouteMustBeThere) {
  const auto opened = controller_->tap({std::nullopt, "nowhere", false}, [](const StreamEvent&) {});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(opened.error().context.starts_with("there is no such route; there "))
      << opened.error().context;
  EXPECT_EQ(plane_.taps, nullptr);
}

TEST_F(TapsTest, AFollowerMayOutliveTheController) {
  std::vector<std::string> events;
  auto one = open(events);
  power_off();
  one.reset();
  EXPECT_EQ(plane_.taps->size(), 1U);
}

}  // namespace
}  // namespace canaryd::control::test
