// One runner over a store in memory and a data plane that only remembers what it was given.
#pragma once

#include "control/controller_state.hpp"
#include "control/runner.hpp"
#include "support/control_loop.hpp"
#include "support/manual_clock.hpp"
#include "support/memory_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <stdlib.h>
#include <string>
#include <utility>
#include <vector>

namespace canaryd::control::test {

using namespace std::chrono_literals;
using canaryd::test::ControlLoop;
using canaryd::test::Disk;
using canaryd::test::ManualClock;
using canaryd::test::MemoryStore;

inline config::Rollout shop(std::vector<unsigned> percents = {10, 50, 100}) {
  config::Rollout rollout;
  rollout.name = "shop";
  rollout.stable = UpstreamId(0);
  rollout.canary = UpstreamId(1);
  rollout.plan.name = "shop";
  rollout.plan.stable = "old";
  rollout.plan.canary = "new";
  rollout.plan.revision = "1";
  rollout.plan.start = rollout::StartMode::kManual;
  rollout.plan.steps.clear();
  for (const unsigned percent : percents) {
    rollout::Step step;
    step.weight = BasisPoints(percent * 100);
    step.min_duration = 1s;
    rollout.plan.steps.push_back(step);
  }
  rollout.plan.bake.duration = 10s;
  return rollout;
}

inline stats::Block block(std::uint64_t stable_bad, std::uint64_t canary_bad) {
  stats::Block made;
  made.seconds = 1;
  made.stable = {1000, stable_bad};
  made.canary = {1000, canary_bad};
  return made;
}

inline rollout::Tick verdict(rollout::Judgement judgement) {
  rollout::Tick tick;
  tick.judgement = judgement;
  tick.requests = 1000;
  return tick;
}

class RunnerRig : public ::testing::Test {
 protected:
  RunnerRig();
  ~RunnerRig() override;

  // The daemon as it starts: from the disk.
  void boot();
  // What was not written is lost.
  void crash();
  void power_off();

  void take_table(std::function<void()> done);
  void deliver_tables();
  // Everything that is under way comes to its end.
  void settle();

  void begin(rollout::Event::What what, std::optional<std::uint64_t> if_match = std::nullopt);
  Runner::Answer send(rollout::Event::What what);
  void tick(rollout::Judgement judgement);
  void climb_to(unsigned percent);

  // What is in force at most, on any worker.
  [[nodiscard]] double effective() const;
  [[nodiscard]] double ceiling() const;
  [[nodiscard]] double durable_weight() const;
  [[nodiscard]] std::size_t logged(const std::string& words);
  [[nodiscard]] rollout::Phase phase() const;

  Disk disk_;
  ControlLoop loop_;
  ManualClock clock_;
  WallTime::duration clock_set_by_{};  // The wall clock alone.
  std::string log_dir_;
  std::unique_ptr<Log> log_;
  config::Rollout config_ = shop();
  std::unique_ptr<store::AsyncStore> store_;
  std::shared_ptr<RunnerHost> host_;
  std::shared_ptr<Runner> runner_;
  InForce table_;
  int tables_ = 0;
  bool tables_at_once_ = false;
  std::function<void()> on_table_;
  std::vector<std::function<void()>> waiting_tables_;
  std::vector<std::optional<Runner::Answer>> answers_;
};

}  // namespace canaryd::control::test
