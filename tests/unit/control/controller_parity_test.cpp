// Read parity as the controller uses it: workers ask again, what they bring is compared, and the
// first step waits for what comes of it.
#include "controller_rig.hpp"

#include <memory>
#include <string>
#include <utility>

namespace canaryd::control::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

stats::ParityAnswer answer(std::string body) {
  stats::ParityAnswer made;
  made.answered = true;
  made.status = 200;
  made.content_type = "application/json";
  made.body = std::move(body);
  return made;
}

class ControllerParityTest : public ControllerRig {
 protected:
  // A fifth of the reads may differ: 50 to learn, and 23 without a difference show parity.
  void boot_with(const std::string& keys, const std::string& revision = "1") {
    file_ = text_with(keys, revision);
    boot();
  }
  static std::string text_with(const std::string& keys, const std::string& revision = "1") {
    return file_with(kListener, kRollout + "    revision: \"" + revision + "\"\n" + keys);
  }

  [[nodiscard]] proxy::ParityPolicy policy() const {
    const auto& policies = plane_.held.at(0).shared->parities;
    return policies.empty() ? proxy::ParityPolicy() : policies.at(0);
  }
  // What the workers have asked, half of it each.
  void compare(int reads, const std::string& canary, std::uint64_t watch) {
    for (int i = 0; i < reads; ++i) {
      auto read = std::make_unique<stats::ParityRead>();
      read->watch = watch;
      read->path = "/orders/{id}";
      read->stable = answer("{\"id\": " + std::to_string(3 * i) + ", \"total\": 1}");
      read->again = answer("{\"id\": " + std::to_string(3 * i + 1) + ", \"total\": 1}");
      read->canary = answer("{\"id\": " + std::to_string(3 * i + 2) + ", " + canary + "}");
      const auto& queue = plane_.held.at(static_cast<std::size_t>(i % 2)).parity;
      ASSERT_NE(queue, nullptr);
      ASSERT_TRUE(queue->push(std::move(read)));
      if (i % 16 == 15) controller_->look();
    }
    controller_->look();
  }
  void compare(int reads, const std::string& canary) { compare(reads, canary, policy().watch); }
  [[nodiscard]] std::string last_sentence() const { return disk_.journal().back().entry.sentence; }
};

const std::string kParity = "    parity: {sample: 5, max_diff: 20, min_requests: 20}\n";
const std::string kAgrees = "\"total\": 1";
const std::string kDiffers = "\"total\": 2";

TEST_F(ControllerParityTest, WithoutItNothingIsAskedAndNothingWaits) {
  boot();
  EXPECT_THAT(plane_.held.at(0).shared->parities, IsEmpty());
  EXPECT_EQ(plane_.held.at(0).parity, nullptr);
  EXPECT_FALSE(view().parity.has_value());
  second();
  EXPECT_EQ(view().state, "progressing");
}

TEST_F(ControllerParityTest, TheFirstStepWaitsForIt) {
  boot_with(kParity);
  ASSERT_TRUE(policy().on());
  EXPECT_NE(plane_.held.at(0).parity, plane_.held.at(1).parity);
  for (int i = 0; i < 10; ++i) second();
  EXPECT_EQ(view().state, "idle");
  EXPECT_EQ(view().reason, "parity");
  EXPECT_EQ(view().next,
            "starts by itself once the versions answer reads alike: no read has been compared yet");
  compare(60, kAgrees);
  second();
  EXPECT_EQ(view().state, "idle");
  EXPECT_EQ(view().parity->now.compared, 10U);
  EXPECT_THAT(*view().next, HasSubstr("0 of 10 reads differ, at most 20 % may; about "));
  compare(30, kAgrees);
  EXPECT_EQ(view().parity->state, "shown");
  second();
  EXPECT_EQ(view().state, "progressing");
  EXPECT_EQ(view().reason, std::nullopt);
  EXPECT_EQ(effective(), 10);
  EXPECT_THAT(last_sentence(), HasSubstr("reads agree: 0 of 2"));
  EXPECT_FALSE(policy().on()) << "nothing is compared once it has begun";
  EXPECT_EQ(view().parity->state, "shown") << "but what was known stays";
  for (int i = 0; i < 60 && effective() < 50; ++i) second();
  EXPECT_EQ(effective(), 50) << "later steps ask nobody";
}

TEST_F(ControllerParityTest, ADifferenceKeepsItWaiting) {
  boot_with(kParity);
  compare(90, kDiffers);
  for (int i = 0; i < 5; ++i) second();
  const RolloutView now = view();
  EXPECT_EQ(now.state, "idle");
  EXPECT_EQ(now.parity->state, "different");
  ASSERT_EQ(now.parity->fields.size(), 1U);
  EXPECT_EQ(now.parity->fields[0].kind + " " + now.parity->fields[0].field, "value /total");
  ASSERT_EQ(now.parity->noise.size(), 1U);
  EXPECT_EQ(now.parity->noise[0].field, "/id");
  EXPECT_EQ(now.parity->noise[0].path, "/orders/{id}");
  EXPECT_THAT(*now.next, HasSubstr("at most 20 % may; value /total of /orders/{id}"));
  EXPECT_THAT(controller_->metrics_text(),
              HasSubstr("canaryd_parity_state{rollout=\"shop\"} -1\n"));
  EXPECT_THAT(controller_->metrics_text(),
              HasSubstr("canaryd_parity_reads_total{rollout=\"shop\",result=\"different\"} 40\n"));
}

TEST_F(ControllerParityTest, TheOperatorsWordIsEnoughAndTheJournalHasTheFigures) {
  boot_with(kParity);
  compare(90, kDiffers);
  EXPECT_EQ(act(Action::kStart).status, ActionStatus::kOk);
  EXPECT_EQ(effective(), 10);
  EXPECT_THAT(last_sentence(), HasSubstr("reads differ: "));
  EXPECT_THAT(last_sentence(), HasSubstr("value /total"));
}

TEST_F(ControllerParityTest, WithAManualStartItIsOnlyShown) {
  boot_with(kParity + "    start: manual\n");
  ASSERT_TRUE(policy().on());
  compare(90, kAgrees);
  for (int i = 0; i < 3; ++i) second();
  EXPECT_EQ(view().state, "idle");
  EXPECT_EQ(view().reason, std::nullopt);
  EXPECT_EQ(view().parity->state, "shown");
}

TEST_F(ControllerParityTest, AnotherRevisionBeginsAnew) {
  boot_with(kParity);
  compare(90, kDiffers);
  const std::uint64_t before = policy().watch;
  EXPECT_TRUE(reload(text_with(kParity)).ok);
  EXPECT_EQ(policy().watch, before) << "the same question";
  EXPECT_EQ(view().parity->state, "different");
  EXPECT_TRUE(reload(text_with(kParity, "2")).ok);
  EXPECT_NE(policy().watch, before);
  EXPECT_EQ(view().parity->state, "gathering");
  compare(90, kAgrees, before);
  EXPECT_EQ(view().parity->learnt_from, 0U) << "answers of the revision before";
  compare(90, kAgrees);
  second();
  EXPECT_EQ(view().state, "progressing");
}

TEST_F(ControllerParityTest, AReloadWithoutItLetsItBegin) {
  boot_with(kParity);
  second();
  EXPECT_EQ(view().state, "idle");
  EXPECT_TRUE(reload(text_with("")).ok);
  EXPECT_FALSE(policy().on());
  second();
  EXPECT_EQ(view().state, "progressing");
}

TEST_F(ControllerParityTest, ARestartBeginsAnew) {
  boot_with(kParity);
  compare(60, kAgrees);
  power_off();
  boot();
  EXPECT_EQ(view().parity->learnt_from, 0U);
  compare(60, kAgrees);
  second();
  EXPECT_EQ(view().state, "idle");
  compare(30, kAgrees);
  second();
  EXPECT_EQ(view().state, "progressing");
}

TEST_F(ControllerParityTest, WhatWorkersLeftOutIsTold) {
  boot_with(kParity);
  policy().counts->count_busy();
  policy().counts->count_unanswered();
  policy().counts->count_unanswered();
  EXPECT_EQ(view().parity->busy, 1U);
  EXPECT_EQ(view().parity->unanswered, 2U);
}

}  // namespace
}  // namespace canaryd::control::test
