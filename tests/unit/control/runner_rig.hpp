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
  RunnerRig() {
    std::string pattern = ::testing::TempDir() + "canaryd-control-XXXXXX";
    log_dir_ = ::mkdtemp(pattern.data());
    LogOptions options;
    options.file = log_dir_ + "/log";
    log_ = std::move(*Log::open(options, clock_));
    boot();
  }
  ~RunnerRig() override {
    power_off();
    std::error_code ignored;
    std::filesystem::remove_all(log_dir_, ignored);
  }

  // The daemon as it starts: from the disk.
  void boot() {
    store_ =
        std::make_unique<store::AsyncStore>(std::make_unique<MemoryStore>(disk_), loop_.executor());
    host_ = std::make_shared<RunnerHost>();
    host_->store = store_.get();
    host_->log = log_.get();
    host_->now = [this] { return clock_.now(); };
    host_->wall_now = [this] { return clock_.wall_now(); };
    host_->publish = [this](std::function<void()> done) { take_table(std::move(done)); };
    MemoryStore reader(disk_);
    const auto recovered = recover(reader);
    ASSERT_TRUE(recovered.has_value());
    auto made = make_runner(host_, config_, *recovered, clock_.wall_now());
    ASSERT_TRUE(made.has_value()) << describe(made.error());
    runner_ = std::move(*made);
    table_ = runner_->in_force();
  }
  // What was not written is lost.
  void crash() {
    disk_.fail();
    power_off();
    disk_.work();
    boot();
  }
  void power_off() {
    store_.reset();
    loop_.forget();
    waiting_tables_.clear();
    runner_.reset();
  }

  void take_table(std::function<void()> done) {
    ++tables_;
    if (on_table_) on_table_();
    table_ = runner_->in_force();
    if (done == nullptr) return;
    if (tables_at_once_) {
      done();
    } else {
      waiting_tables_.push_back(std::move(done));
    }
  }
  void deliver_tables() {
    for (const auto& done : std::exchange(waiting_tables_, {})) done();
  }
  // Everything that is under way comes to its end.
  void settle() {
    do {
      deliver_tables();
      loop_.settle(*store_);
    } while (!waiting_tables_.empty());
  }

  template <class What>
  void begin(What what, std::optional<std::uint64_t> if_match = std::nullopt) {
    rollout::Event event;
    event.what = std::move(what);
    event.actor = "anna";
    answers_.emplace_back();
    const std::size_t mine = answers_.size() - 1;
    runner_->handle(
        std::move(event),
        [this, mine](const Runner::Answer& answer) { answers_[mine] = answer; },
        if_match);
  }
  template <class What>
  Runner::Answer send(What what) {
    begin(std::move(what));
    settle();
    EXPECT_TRUE(answers_.back().has_value());
    return answers_.back().value_or(Runner::Answer{});
  }
  void tick(rollout::Judgement judgement) {
    clock_.advance(2s);
    runner_->tick(verdict(judgement));
  }
  void climb_to(unsigned percent) {
    if (runner_->state().run == 0) send(rollout::Start{});
    for (int i = 0; i < 10 && runner_->state().weight < BasisPoints(percent * 100); ++i) {
      tick(rollout::Judgement::kAccept);
      settle();
    }
    ASSERT_EQ(effective(), percent);
  }

  // What is in force at most, on any worker.
  [[nodiscard]] double effective() const { return table_.gate->effective(table_.weight).percent(); }
  [[nodiscard]] double ceiling() const { return table_.gate->ceiling().percent(); }
  [[nodiscard]] double durable_weight() const {
    const auto rows = disk_.journal();
    return rows.empty() ? 0 : rows.back().entry.weight_after.percent();
  }
  [[nodiscard]] std::size_t logged(const std::string& words) {
    log_->flush();
    std::ifstream in(log_dir_ + "/log");
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    std::size_t count = 0;
    for (std::size_t at = text.find(words); at != std::string::npos;
         at = text.find(words, at + 1)) {
      ++count;
    }
    return count;
  }
  [[nodiscard]] rollout::Phase phase() const { return runner_->state().phase; }

  Disk disk_;
  ControlLoop loop_;
  ManualClock clock_;
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
