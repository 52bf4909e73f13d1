// Several rollouts as control runs them - the real machine, runner, evidence and store thread -
// over a disk and a data plane that fail in every way, for simulations from a seed.
//
// Deterministic: what the store's thread may do next is decided before it can. While the disk hangs
// nothing is written; before the disk breaks, and before the power goes, everything has been.
// Thread rule: one thread, beside the store's.
#pragma once

#include "canaryd/base/log.hpp"
#include "control/controller_state.hpp"
#include "control/runner.hpp"
#include "support/control_loop.hpp"
#include "support/manual_clock.hpp"
#include "support/memory_store.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace canaryd::control::test {

using canaryd::test::ControlLoop;
using canaryd::test::Disk;
using canaryd::test::ManualClock;
using canaryd::test::MemoryStore;

// A disk that can hang, and that knows the weight of each rollout's last row without being read.
class FaultDisk {
 public:
  Disk rows;

  void hang(bool value) {
    const std::lock_guard lock(mutex_);
    hangs_ = value;
    moves_.notify_all();
  }
  [[nodiscard]] bool hangs() const {
    const std::lock_guard lock(mutex_);
    return hangs_;
  }
  Result<void> write(const store::Batch& batch) {
    std::unique_lock lock(mutex_);
    moves_.wait(lock, [this] { return !hangs_; });
    CANARYD_TRY(rows.write(batch));
    for (const store::JournalEntry& entry : batch.entries) last_[entry.rollout] = entry;
    return {};
  }
  [[nodiscard]] BasisPoints durable(const std::string& rollout) const {
    const std::lock_guard lock(mutex_);
    const auto found = last_.find(rollout);
    return found == last_.end() ? BasisPoints() : found->second.weight_after;
  }
  // Of the last row; empty: there is none.
  [[nodiscard]] std::string state_of(const std::string& rollout) const {
    const std::lock_guard lock(mutex_);
    const auto found = last_.find(rollout);
    return found == last_.end() ? std::string() : found->second.state;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable moves_;
  bool hangs_ = false;
  std::map<std::string, store::JournalEntry> last_;
};

class FaultStore final : public store::Store {
 public:
  explicit FaultStore(FaultDisk& disk) : disk_(disk), memory_(disk.rows) {}

  Result<void> write(const store::Batch& batch) override { return disk_.write(batch); }
  Result<std::vector<store::JournalRow>> latest() override { return memory_.latest(); }
  Result<std::vector<store::JournalRow>> history(const store::HistoryQuery& query) override {
    return memory_.history(query);
  }
  Result<std::vector<store::EvidenceRow>> evidence(const store::EvidenceQuery& query) override {
    return memory_.evidence(query);
  }
  Result<std::uint64_t> exposure_used(const std::string& rollout, std::uint64_t run) override {
    return memory_.exposure_used(rollout, run);
  }
  Result<std::uint64_t> stable_idle(const std::string& rollout, std::uint64_t run) override {
    return memory_.stable_idle(rollout, run);
  }
  Result<std::vector<store::Comment>> comments(const std::string& rollout,
                                               std::size_t limit) override {
    return memory_.comments(rollout, limit);
  }
  Result<std::uint64_t> open_cursor(const std::string& reader) override {
    return memory_.open_cursor(reader);
  }
  Result<store::Verification> verify_some(store::Verification so_far, std::size_t rows) override {
    return memory_.verify_some(std::move(so_far), rows);
  }
  Result<store::Pruned> prune(const store::PruneRule& rule, std::uint64_t from_id) override {
    return memory_.prune(rule, from_id);
  }

 private:
  FaultDisk& disk_;
  MemoryStore memory_;
};

// Of two versions, with steps of these percentages.
inline config::Rollout rollout_of(std::string name, std::vector<unsigned> percents) {
  config::Rollout made;
  made.name = made.plan.name = std::move(name);
  made.stable = UpstreamId(0);
  made.canary = UpstreamId(1);
  made.plan.stable = "old";
  made.plan.canary = "new";
  made.plan.revision = "1";
  made.plan.steps.clear();
  for (const unsigned percent : percents) {
    rollout::Step step;
    step.weight = BasisPoints(percent * 100);
    step.min_duration = std::chrono::seconds(1);
    step.max_duration = std::chrono::minutes(1);
    made.plan.steps.push_back(step);
  }
  made.plan.bake.duration = std::chrono::seconds(10);
  made.exposure.max_failed_requests = 5;
  return made;
}

// One rollout, and what was promised about it.
struct Subject {
  config::Rollout config;
  std::shared_ptr<Runner> runner{};
  InForce table{};               // As every worker has it.
  bool acknowledged = false;     // Its end was, and nobody has begun it again.
  std::string ended_revision{};  // What it was the end of.
  std::uint64_t begun = 0;       // How often somebody has.
  // At the last look it was giving its users back bit by bit.
  struct Return {
    std::uint64_t generation = 0;
    BasisPoints weight;
  };
  std::optional<Return> returning{};
  // The hook that ends the old version was called, and nobody has asked for it again.
  bool decommissioned = false;

  [[nodiscard]] BasisPoints effective() const { return table.gate->effective(table.weight); }
  [[nodiscard]] BasisPoints ceiling() const { return table.gate->ceiling(); }
};

class FaultWorld {
 public:
  explicit FaultWorld(std::vector<config::Rollout> rollouts) {
    LogOptions options;
    options.level = LogLevel::kOff;
    options.file = "/dev/null";
    log_ = std::move(*Log::open(options, clock));
    for (config::Rollout& each : rollouts) subjects.push_back({std::move(each)});
    boot();
  }
  FaultWorld(const FaultWorld&) = delete;
  FaultWorld& operator=(const FaultWorld&) = delete;
  ~FaultWorld() { power_off(); }

  // From what is on the disk; throws what keeps a daemon from starting.
  void boot() {
    store_ =
        std::make_unique<store::AsyncStore>(std::make_unique<FaultStore>(disk), loop_.executor());
    host_ = std::make_shared<RunnerHost>();
    host_->store = store_.get();
    host_->log = log_.get();
    host_->now = [this] { return clock.now(); };
    host_->wall_now = [this] { return wall_now(); };
    host_->publish = [this](std::function<void()> done) { publish(std::move(done)); };
    host_->decommission = [this](const std::string& name) { decommission(name); };
    MemoryStore reader(disk.rows);
    const auto recovered = recover(reader);
    if (!recovered) throw std::runtime_error(describe(recovered.error()));
    for (Subject& each : subjects) {
      auto made = make_runner(host_, each.config, *recovered, wall_now());
      if (!made) throw std::runtime_error(describe(made.error()));
      each.runner = std::move(*made);
    }
    publish(nullptr);
  }
  void announce_restarts() {
    for (const Subject& each : subjects) announce_restart(*each.runner, "daemon started");
  }
  // What has not been written is lost, and so is every answer that is under way.
  void lose_power() {
    if (disk.hangs()) {
      disk.rows.fail();
      disk.hang(false);
    } else {
      catch_up();
      disk.rows.fail();
    }
    power_off();
    disk.rows.work();
    boot();
  }

  // Makes the disk fail or work for what comes from now on.
  void set_failing(bool value) {
    catch_up();
    value ? disk.rows.fail() : disk.rows.work();
  }
  void catch_up() {
    if (!disk.hangs()) disk.rows.catch_up(*store_);
  }
  // So many of the store's answers reach control.
  void answer(std::uint64_t count) {
    catch_up();
    while (count-- > 0 && !loop_.empty()) loop_.run_one();
  }
  void deliver_tables() {
    for (const auto& done : std::exchange(tables_under_way_, {})) done();
  }
  // Everything that is under way comes to its end.
  void settle() {
    disk.hang(false);
    do {
      deliver_tables();
      loop_.settle(*store_);
    } while (!tables_under_way_.empty());
  }
  [[nodiscard]] WallTime wall_now() const { return clock.wall_now() + skew; }

  FaultDisk disk;
  ManualClock clock;
  WallTime::duration skew{};  // The wall clock is set, the other one is not.
  std::vector<Subject> subjects;
  std::string broken;  // A promise about the hook.

 private:
  // It is called once, and not before the journal says so.
  void decommission(const std::string& name) {
    for (Subject& each : subjects) {
      if (each.config.name != name) continue;
      if (each.decommissioned) broken = name + ": the hook is called twice by itself";
      if (disk.state_of(name).find("called") == std::string::npos) {
        broken = name + ": the hook is called before that is durable";
      }
      each.decommissioned = true;
    }
  }
  void publish(std::function<void()> done) {
    for (Subject& each : subjects) {
      if (each.runner != nullptr) each.table = each.runner->in_force();
    }
    if (done != nullptr) tables_under_way_.push_back(std::move(done));
  }
  void power_off() {
    disk.hang(false);
    store_.reset();
    loop_.forget();
    tables_under_way_.clear();
    for (Subject& each : subjects) each.runner.reset();
    host_.reset();
  }

  ControlLoop loop_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<store::AsyncStore> store_;
  std::shared_ptr<RunnerHost> host_;
  std::vector<std::function<void()>> tables_under_way_;
};

}  // namespace canaryd::control::test
