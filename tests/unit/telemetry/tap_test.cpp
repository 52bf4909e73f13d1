#include "canaryd/telemetry/tap.hpp"

#include "support/manual_clock.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace canaryd::telemetry {
namespace {

using namespace std::chrono_literals;

class TapTest : public testing::Test {
 protected:
  std::shared_ptr<Tap> open(TapFilter filter = {}) {
    auto tap = std::make_shared<Tap>(std::move(filter), 2);
    list_.push_back(tap);
    first_.use(std::make_shared<TapList>(list_));
    second_.use(std::make_shared<TapList>(list_));
    return tap;
  }
  AccessRecord record(std::string_view id) const {
    AccessRecord record;
    record.id = id;
    record.path = "/a";
    record.status = 200;
    record.started_at = clock_.now();
    record.ended_at = record.started_at + 2ms;
    return record;
  }
  static std::vector<std::string> drain(Tap& tap) {
    std::vector<std::string> lines;
    tap.drain([&lines](std::string_view line) { lines.emplace_back(line); });
    return lines;
  }

  canaryd::test::ManualClock clock_;
  TapList list_;
  TapSink first_{0, clock_};
  TapSink second_{1, clock_};
};

TEST_F(TapTest, IsOffWhileNobodyWatches) {
  EXPECT_FALSE(first_.on());
  open();
  EXPECT_TRUE(first_.on());
  first_.use(std::make_shared<TapList>());
  EXPECT_FALSE(first_.on());
  first_.use(nullptr);
  EXPECT_FALSE(first_.on());
}

TEST_F(TapTest, HandsOnWhatAllWorkersWrite) {
  const auto tap = open();
  first_.write(record("one"));
  second_.write(record("two"));
  EXPECT_EQ(
      drain(*tap),
      (std::vector<std::string>{
          R"({"ts":"2026-01-05T09:59:59.998Z","id":"one","path":"/a","status":200,"bytes_in":0,)"
          R"("bytes_out":0,"t_end":1767607200.000000,"t_total":0.002000})",
          R"({"ts":"2026-01-05T09:59:59.998Z","id":"two","path":"/a","status":200,"bytes_in":0,)"
          R"("bytes_out":0,"t_end":1767607200.000000,"t_total":0.002000})"}));
  EXPECT_TRUE(drain(*tap).empty());
  EXPECT_EQ(tap->left_out(), 0U);
}

TEST_F(TapTest, EachWatcherGetsWhatItAskedFor) {
  const auto canary = open({Cohort::kCanary, "", false});
  const auto shop = open({std::nullopt, "shop", false});
  const auto errors = open({std::nullopt, "", true});
  const auto both = open({Cohort::kCanary, "shop", true});
  AccessRecord one = record("1");
  one.route = "shop";
  first_.write(one);  // Only of the route.
  one.cohort = Cohort::kCanary;
  first_.write(one);
  one.status = 500;
  first_.write(one);
  one.route = "shopping";
  one.status = 404;
  one.error = "no_route";
  first_.write(one);
  one.error = {};
  one.status = 200;
  one.upstream_status = 503;  // Stable answered for it.
  first_.write(one);
  EXPECT_EQ(drain(*canary).size(), 4U);
  EXPECT_EQ(drain(*shop).size(), 3U);
  EXPECT_EQ(drain(*errors).size(), 3U);
  EXPECT_EQ(drain(*both).size(), 1U);
}

TEST_F(TapTest, TakesASampleAndCountsTheRest) {
  const auto tap = open();
  for (int i = 0; i < 1000; ++i) first_.write(record("x"));
  EXPECT_EQ(drain(*tap).size(), static_cast<std::size_t>(Tap::kBurst));
  EXPECT_EQ(tap->left_out(), static_cast<std::uint64_t>(1000 - Tap::kBurst));
  // A worker's share is its own.
  second_.write(record("x"));
  EXPECT_EQ(drain(*tap).size(), 1U);
  std::size_t seen = 0;
  for (int i = 0; i < 2000; ++i) {
    clock_.advance(1ms);
    first_.write(record("x"));
    if (i % 100 == 0) seen += drain(*tap).size();
  }
  seen += drain(*tap).size();
  EXPECT_EQ(seen, static_cast<std::size_t>(2 * Tap::kPerSecond));
}

// What does not match takes nothing of the sample.
TEST_F(TapTest, RareRequestsAreSeenAmongMany) {
  const auto tap = open({std::nullopt, "", true});
  for (int i = 0; i < 1000; ++i) first_.write(record("fine"));
  AccessRecord bad = record("bad");
  bad.error = "timeout";
  first_.write(bad);
  ASSERT_EQ(drain(*tap).size(), 1U);
  EXPECT_EQ(tap->left_out(), 0U);
}

TEST_F(TapTest, AFullRingDropsAndCounts) {
  const auto tap = open();
  const std::string path(2000, 'p');
  int written = 0;
  for (int i = 0; i < 200; ++i) {
    AccessRecord one = record("x");
    one.path = path;
    first_.write(one);
    clock_.advance(20ms);
    ++written;
  }
  const auto lines = drain(*tap);
  EXPECT_GT(tap->left_out(), 0U);
  EXPECT_EQ(lines.size() + tap->left_out(), static_cast<std::size_t>(written));
  for (const std::string& line : lines) {
    EXPECT_TRUE(line.starts_with("{\"ts\":") && line.ends_with("}")) << line;
  }
}

// Under a sanitizer this shows that nothing is shared that should not be.
TEST_F(TapTest, WorkersWriteWhileControlReads) {
  const auto tap = open();
  constexpr int kRequests = 2000;
  const auto work = [this](TapSink& sink) {
    AccessRecord one = record("x");
    for (int i = 0; i < kRequests; ++i) {
      one.ended_at += 10ms;
      sink.write(one);
    }
  };
  std::thread one(work, std::ref(first_));
  std::thread two(work, std::ref(second_));
  std::size_t seen = 0;
  for (int i = 0; i < 1000; ++i) seen += drain(*tap).size();
  one.join();
  two.join();
  seen += drain(*tap).size();
  EXPECT_EQ(seen + tap->left_out(), static_cast<std::size_t>(2 * kRequests));
}

}  // namespace
}  // namespace canaryd::telemetry
