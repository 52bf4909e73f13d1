// Who waits for which table.
#include "control/rise_queue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace canaryd::control {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RiseQueueTest : public ::testing::Test {
 protected:
  void add(const std::string& name) {
    Rise rise;
    rise.commit = [this, name] { did_.push_back("commit " + name); };
    rise.begin_evidence = [this, name] { did_.push_back("begin " + name); };
    rise.arrived = [this, name] {
      did_.push_back("arrived " + name);
      if (name == again_) add(name + "'s next");
    };
    queue_->add(std::move(rise));
  }
  // The workers have the table.
  void arrive() {
    did_.clear();
    const auto done = std::exchange(done_, nullptr);
    done();
  }

  std::vector<std::string> did_;
  std::function<void()> done_;
  bool at_once_ = false;
  std::string again_;
  std::shared_ptr<RiseQueue> queue_ =
      std::make_shared<RiseQueue>([this](std::function<void()> done) {
        did_.emplace_back("table");
        if (at_once_) {
          done();
        } else {
          done_ = std::move(done);
        }
      });
};

TEST_F(RiseQueueTest, OneAloneWaitsForNobody) {
  add("a");
  EXPECT_THAT(did_, ElementsAre("commit a", "table", "begin a"));
  arrive();
  EXPECT_THAT(did_, ElementsAre("arrived a"));
  add("b");
  EXPECT_THAT(did_, ElementsAre("arrived a", "commit b", "table", "begin b"));
}

TEST_F(RiseQueueTest, ThoseThatComeMeanwhileShareTheNextTable) {
  add("a");
  did_.clear();
  add("b");
  add("c");
  EXPECT_THAT(did_, IsEmpty()) << "the first table is still under way";
  arrive();
  EXPECT_THAT(did_,
              ElementsAre("arrived a", "commit b", "commit c", "table", "begin b", "begin c"));
  arrive();
  EXPECT_THAT(did_, ElementsAre("arrived b", "arrived c"));
  EXPECT_EQ(done_, nullptr) << "nobody waits";
}

TEST_F(RiseQueueTest, AThousandNeedTwoTables) {
  int tables = 0;
  for (int i = 0; i < 1000; ++i) add(std::to_string(i));
  for (; done_ != nullptr; ++tables) arrive();
  EXPECT_EQ(tables, 2);
}

TEST_F(RiseQueueTest, ATableThatIsThereAtOnceComesAfterTheEvidenceHasBegun) {
  at_once_ = true;
  add("a");
  EXPECT_THAT(did_, ElementsAre("commit a", "table", "begin a", "arrived a"));
}

TEST_F(RiseQueueTest, WhatFollowsFromArrivingTakesTheNextTable) {
  again_ = "a";
  add("a");
  add("b");
  arrive();
  EXPECT_THAT(
      did_,
      ElementsAre(
          "arrived a", "commit b", "commit a's next", "table", "begin b", "begin a's next"));
}

TEST_F(RiseQueueTest, NothingHappensOnceItIsGone) {
  add("a");
  queue_.reset();
  arrive();
  EXPECT_THAT(did_, IsEmpty());
}

}  // namespace
}  // namespace canaryd::control
