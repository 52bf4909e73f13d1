#include "canaryd/analysis/parity.hpp"

#include "canaryd/base/random.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace canaryd::analysis {
namespace {

using stats::ParityAnswer;
using stats::ParityRead;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

ParityAnswer answer(std::string body, std::uint16_t status = 200) {
  ParityAnswer made;
  made.answered = true;
  made.status = status;
  made.content_type = "application/json";
  made.body = std::move(body);
  return made;
}

// An order as services tell it: an id and times that are new each time, in a list of changing
// length, among fields that mean something. Another second begins between stable's two answers;
// between stable's and the canary's it rarely does.
class Service {
 public:
  explicit Service(std::uint64_t seed) : random_(seed) {}

  std::string order(int total, const std::string& currency = "\"currency\": \"EUR\"") {
    std::string out = "{\"request_id\": \"" + std::to_string(random_.next()) +
                      "\", \"at\": " + std::to_string(second_) +
                      ", \"total\": " + std::to_string(total) + ", " + currency + ", \"hints\": [";
    const std::uint64_t hints = 1 + random_.below(3);
    for (std::uint64_t i = 0; i < hints; ++i) {
      out += (i == 0 ? "" : ", ") + std::string("{\"ad\": ") + std::to_string(random_.below(50)) +
             ", \"kind\": \"ad\"}";
    }
    return out + "]}";
  }

  // `canary` makes the canary's answer from stable's total.
  ParityRead read(const std::function<std::string(Service&, int)>& canary) {
    const int total = static_cast<int>(random_.below(1000));
    ParityRead made;
    made.stable = answer(order(total));
    if (random_.chance(0.02)) ++second_;
    made.canary = answer(canary(*this, total));
    ++second_;
    made.again = answer(order(total));
    return made;
  }
  ParityRead read() {
    return read([](Service& service, int total) { return service.order(total); });
  }

  Random& random() { return random_; }

 private:
  Random random_;
  std::uint64_t second_ = 1'800'000'000;
};

ParitySettings settings(double max_diff, std::uint64_t min_requests) {
  ParitySettings made;
  made.max_diff = max_diff;
  made.min_requests = min_requests;
  return made;
}

std::vector<std::string> names(const std::vector<ParityTally>& tallies) {
  std::vector<std::string> out;
  for (const ParityTally& tally : tallies) out.push_back(text_of(tally.field));
  return out;
}

TEST(ParityTest, NothingIsKnownWithoutReads) {
  const Parity parity(settings(0.01, 100));
  const ParityReport report = parity.report();
  EXPECT_EQ(report.state, ParityState::kGathering);
  EXPECT_EQ(report.evidence, 0);
  EXPECT_FALSE(report.needs_requests.has_value());
}

TEST(ParityTest, OfStableAgainstStableNothingDiffers) {
  constexpr std::uint64_t kReads = 10'000;
  Service service(1);
  Parity parity(settings(0.005, 1000));
  for (std::uint64_t i = 0; i < kReads; ++i) parity.absorb(service.read());
  const ParityReport report = parity.report();
  EXPECT_EQ(report.state, ParityState::kShown);
  EXPECT_EQ(report.total.different, 0U);
  EXPECT_EQ(report.total.compared, kReads - Parity::kLearning);
  EXPECT_THAT(report.fields, IsEmpty());
  EXPECT_THAT(names(report.noise), Contains("value /request_id"));
  EXPECT_THAT(names(report.noise), Contains("value /at"));
  EXPECT_THAT(names(report.noise), Contains("length /hints"));
}

TEST(ParityTest, AFieldThatChangedIsFoundAndNamedAmongTheNoise) {
  const std::vector<std::pair<std::string, std::function<std::string(Service&, int)>>> changes = {
      {"value /total", [](Service& service, int total) { return service.order(total + 1); }},
      {"value /currency",
       [](Service& s, int total) { return s.order(total, "\"currency\": \"USD\""); }},
      {"type /currency", [](Service& s, int total) { return s.order(total, "\"currency\": 1"); }},
      {"presence /currency",
       [](Service& s, int total) { return s.order(total, "\"currencies\": 1"); }},
  };
  for (const auto& [name, change] : changes) {
    Service service(7);
    Parity parity(settings(0.005, 1000));
    for (std::uint64_t i = 0; i < Parity::kLearning + 20; ++i) parity.absorb(service.read(change));
    const ParityReport report = parity.report();
    EXPECT_EQ(report.state, ParityState::kDifferent) << name;
    EXPECT_EQ(report.now.different, 20U) << name;
    EXPECT_LE(report.concluded.compared, 20U) << name;
    EXPECT_THAT(names(report.fields), Contains(name));
    EXPECT_LE(report.fields.size(), 2U) << name;
  }
}

// One read in fifty, and fifty times as many as are allowed.
TEST(ParityTest, ARareChangeIsFoundToo) {
  Service service(8);
  Parity parity(settings(0.0004, 1000));
  for (int i = 0; i < 2000 && parity.state() == ParityState::kGathering; ++i) {
    parity.absorb(service.read([](Service& s, int total) {
      return s.order(s.random().chance(0.02) ? total + 1 : total);
    }));
  }
  EXPECT_EQ(parity.state(), ParityState::kDifferent);
  EXPECT_THAT(names(parity.report().fields), ElementsAre("value /total"));
}

// Noise excuses only as much as there is of it.
TEST(ParityTest, AChangeInANoisyFieldIsFound) {
  Random random(9);
  Parity parity(settings(0.01, 100));
  const auto body = [&random](bool other) {
    const bool noisy = random.chance(0.1);
    return answer(noisy ? R"({"node": "b"})" : other ? R"({"node": "c"})" : R"({"node": "a"})");
  };
  for (int i = 0; i < 300; ++i) {
    ParityRead read;
    read.stable = body(false);
    read.again = body(false);
    read.canary = body(true);
    parity.absorb(read);
  }
  EXPECT_EQ(parity.state(), ParityState::kDifferent);
}

// An id that is drawn for each answer in one resource is the point of the next one.
TEST(ParityTest, NoiseOfOnePathIsNoneOfAnother) {
  Random random(14);
  Parity parity(settings(0.01, 100));
  for (int i = 0; i < 400; ++i) {
    ParityRead read;
    const bool user = i % 10 == 0;
    read.path = user ? "/users/{id}" : "/draws";
    const auto body = [&](int id) {
      const auto drawn = static_cast<int>(random.below(1'000'000));
      return answer("{\"id\": " + std::to_string(user ? id : drawn) + "}");
    };
    read.stable = body(1);
    read.again = body(1);
    read.canary = body(2);
    parity.absorb(read);
  }
  EXPECT_EQ(parity.state(), ParityState::kDifferent);
  EXPECT_THAT(names(parity.report().fields), ElementsAre("value /id of /users/{id}"));
  EXPECT_THAT(names(parity.report().noise), ElementsAre("value /id of /draws"));
}

TEST(ParityTest, MorePathsThanCanBeToldApartAreOne) {
  Parity parity(settings(0.01, 5000));
  for (std::size_t i = 0; i < 2 * Parity::kPathsMax; ++i) {
    ParityRead read;
    read.path = "/" + std::string(1 + i, 'a');
    read.stable = read.again = answer("1");
    read.canary = answer("2");
    parity.absorb(read);
  }
  EXPECT_EQ(text_of(parity.report().fields.front().field), "value of (other paths)");
}

TEST(ParityTest, NoAnswerWhereStableAnswersIsADifference) {
  Service service(10);
  Parity parity(settings(0.01, 100));
  for (int i = 0; i < 80; ++i) {
    ParityRead read = service.read();
    read.canary = ParityAnswer();
    parity.absorb(read);
  }
  EXPECT_EQ(parity.state(), ParityState::kDifferent);
  EXPECT_THAT(names(parity.report().fields), ElementsAre("answer"));
}

TEST(ParityTest, WhatIsNotComparedIsNoEvidence) {
  Service service(11);
  Parity parity(settings(0.01, 100));
  for (int i = 0; i < 1000; ++i) {
    ParityRead read = service.read();
    for (ParityAnswer* const longer : {&read.stable, &read.again, &read.canary}) {
      longer->body.clear();
      longer->whole = false;
    }
    parity.absorb(read);
  }
  const ParityReport report = parity.report();
  EXPECT_EQ(report.state, ParityState::kGathering);
  EXPECT_EQ(report.not_compared, 1000U);
  EXPECT_EQ(report.total.compared, 0U);
}

TEST(ParityTest, AMendedCanaryIsSeenToBe) {
  Service service(12);
  Parity parity(settings(0.01, 200));
  for (int i = 0; i < 3000; ++i) {
    parity.absorb(service.read([](Service& s, int total) { return s.order(total + 1); }));
  }
  ASSERT_EQ(parity.state(), ParityState::kDifferent);
  int reads = 0;
  while (parity.state() != ParityState::kShown && reads < 5000) {
    parity.absorb(service.read());
    ++reads;
  }
  EXPECT_EQ(parity.state(), ParityState::kShown);
  EXPECT_LT(reads, 2000);
  while (reads++ < 3000) parity.absorb(service.read());
  EXPECT_THAT(parity.report().fields, IsEmpty()) << "of what has been";
  // And one that turns bad again as well.
  reads = 0;
  while (parity.state() != ParityState::kDifferent && reads < 5000) {
    parity.absorb(service.read([](Service& s, int total) { return s.order(total + 1); }));
    ++reads;
  }
  EXPECT_LT(reads, 1000);
}

TEST(ParityTest, TheForecastOfReadsIsAboutRight) {
  Service service(13);
  Parity parity(settings(0.01, 10));
  for (std::uint64_t i = 0; i < Parity::kLearning + 100; ++i) parity.absorb(service.read());
  const auto needed = parity.report().needs_requests;
  ASSERT_TRUE(needed.has_value());
  std::uint64_t reads = 0;
  while (parity.state() != ParityState::kShown) {
    ASSERT_LT(++reads, 5000U);
    parity.absorb(service.read());
  }
  EXPECT_NEAR(static_cast<double>(reads), static_cast<double>(*needed), 200.0);
}

// docs/statistics.md, "Read parity"; the help of parity.max_diff.
TEST(ParityTest, TheReadsThatTheManualNames) {
  for (const auto& [max_diff, named] :
       {std::pair(0.01, 500), std::pair(0.005, 1000), std::pair(0.001, 5000)}) {
    Parity parity(settings(max_diff, 1));
    ParityRead read;
    read.stable = read.again = read.canary = answer("");
    int reads = -static_cast<int>(Parity::kLearning);
    for (; parity.state() != ParityState::kShown; ++reads) parity.absorb(read);
    EXPECT_NEAR(reads, named, named / 50.0);
  }
}

// A canary that differs as often as is no longer allowed, or stops differing only now and then.
TEST(ParityTest, TheOddsOfBeingLetThroughAreKept) {
  constexpr int kRuns = 100;
  int shown = 0;
  for (int run = 0; run < kRuns; ++run) {
    Random random(static_cast<std::uint64_t>(run));
    Parity parity(settings(0.2, 20));
    ParityRead read;
    read.stable = read.again = answer("", 200);
    bool let_through = false;
    for (int i = 0; i < 500 && !let_through; ++i) {
      read.canary = answer("", random.chance(0.2) ? 500 : 200);
      parity.absorb(read);
      let_through = parity.state() == ParityState::kShown;
    }
    if (let_through) ++shown;
  }
  EXPECT_LE(shown, kRuns * Parity::kShownAlpha);
}

TEST(ParityTest, MoreFieldsThanCanBeToldApartAreOne) {
  Parity parity(settings(0.01, 5000));
  const auto body = [](int i, int value) {
    std::string name;
    for (int n = i; name.empty() || n > 0; n /= 20) name += static_cast<char>('a' + n % 20);
    return answer("{\"" + name + "\": " + std::to_string(value) + "}");
  };
  for (int i = 0; i < 2000; ++i) {
    ParityRead read;
    read.stable = body(i, 1);
    read.again = body(i, 1);
    read.canary = body(i, 2);
    parity.absorb(read);
  }
  const ParityReport report = parity.report();
  EXPECT_EQ(report.state, ParityState::kDifferent);
  EXPECT_EQ(report.fields.size(), Parity::kTold);
  EXPECT_EQ(text_of(report.fields.front().field), "value (other fields) of (other paths)");
}

}  // namespace
}  // namespace canaryd::analysis
