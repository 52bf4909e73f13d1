// A controller over a data plane that only remembers, a store in memory and a file in a string.
#pragma once

#include "canaryd/config/load.hpp"
#include "canaryd/control/controller.hpp"
#include "support/control_loop.hpp"
#include "support/manual_clock.hpp"
#include "support/memory_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace canaryd::control::test {

using namespace std::chrono_literals;
using canaryd::test::ControlLoop;
using canaryd::test::Disk;
using canaryd::test::ManualClock;
using canaryd::test::MemoryStore;

// Two workers that do nothing but hold what they were given.
class FakePlane final : public DataPlane {
 public:
  explicit FakePlane(ControlLoop& loop) : loop_(loop) {}

  [[nodiscard]] std::size_t workers() const override { return 2; }
  void publish(std::vector<proxy::WorkerSnapshot> snapshots, std::function<void()> done) override {
    held = std::move(snapshots);
    did.push_back("publish");
    for (const routing::Rollout& rollout : held[0].shared->table->rollouts()) {
      served[held[0].shared->table->upstreams()[rollout.canary.index()]].push_back(
          rollout.gate->effective(rollout.weight).percent());
    }
    if (done) loop_.post(std::move(done));
  }
  void open(std::shared_ptr<const proxy::ListenerSpec> spec,
            std::function<void(Result<SocketAddress>)> done) override {
    did.push_back("open " + spec->name + " " + to_string(spec->address));
    if (taken.contains(spec->name)) {
      loop_.post([done] { done(fail(ErrorCode::kAddressInUse)); });
      return;
    }
    ListenerStatus status;
    status.name = spec->name;
    status.address = spec->address;
    status.active = 3;
    open_.push_back(status);
    loop_.post([done, address = spec->address] { done(address); });
  }
  void update(std::shared_ptr<const proxy::ListenerSpec> spec) override {
    did.push_back("update " + spec->name);
  }
  void close(const std::string& name, const SocketAddress& configured) override {
    did.push_back("close " + name + " " + to_string(configured));
    std::erase_if(open_, [&](const ListenerStatus& one) {
      return one.name == name && one.address == configured;
    });
  }
  [[nodiscard]] std::vector<ListenerStatus> listeners() const override { return open_; }
  void count_overdue() override { ++overdue_counts; }
  void measure_lag() override { ++lag_questions; }
  [[nodiscard]] stats::DurationReading lag() const override { return waited; }
  void tap(std::shared_ptr<const telemetry::TapList> list) override { taps = std::move(list); }

  // Requests that both workers have finished, half of them each.
  void serve(Cohort cohort, int count, int bad, Duration latency = 5ms) {
    for (int i = 0; i < count; ++i) {
      const bool failed = i < bad;
      finish(cohort, i, failed ? stats::Judgement::kBad : stats::Judgement::kGood, latency);
    }
  }
  void serve_excluded(Cohort cohort, int count) {
    for (int i = 0; i < count; ++i) finish(cohort, i, stats::Judgement::kExcluded, 5ms);
  }

  std::vector<std::string> did;
  std::set<std::string> taken;                        // Listeners whose address is in use.
  std::map<std::string, std::vector<double>> served;  // Canary to the weights published for it.
  std::vector<proxy::WorkerSnapshot> held;
  std::shared_ptr<const telemetry::TapList> taps;
  int overdue_counts = 0;
  int lag_questions = 0;
  stats::DurationReading waited;

 private:
  void finish(Cohort cohort, int number, stats::Judgement judgement, Duration latency) {
    auto& counters = held[static_cast<std::size_t>(number % 2)].counters->at(RouteId(0), cohort);
    counters.begin();
    stats::Outcome outcome;
    outcome.code_class = judgement == stats::Judgement::kBad ? 5 : 2;
    outcome.judgement = judgement;
    outcome.latency = latency;
    counters.finish(outcome);
  }

  ControlLoop& loop_;
  std::vector<ListenerStatus> open_;
};

inline std::string file_with(const std::string& listeners,
                             const std::string& rollout,
                             const std::string& route = "rollout: shop") {
  return "version: 1\nlisteners:\n" + listeners +
         "upstreams:\n  old: {endpoints: [127.0.0.1:9001]}\n"
         "  new: {endpoints: [127.0.0.1:9002]}\n  newer: {endpoints: [127.0.0.1:9003]}\n" +
         rollout + "routes:\n  - {name: all, " + route + "}\n";
}
inline const std::string kListener = "  - {name: public, address: 127.0.0.1:8080}\n";
inline const std::string kRollout =
    "rollouts:\n  shop:\n    stable: old\n    canary: new\n"
    "    steps: [{weight: 10, min_duration: 2s}, {weight: 50, min_duration: 2s}, {weight: 100}]\n";

class ControllerRig : public ::testing::Test {
 protected:
  ControllerRig() {
    LogOptions options;
    options.level = LogLevel::kError;
    options.file = "/dev/null";
    log_ = std::move(*Log::open(options, clock_));
  }
  ~ControllerRig() override { power_off(); }

  static config::LoadResult load(const std::string& text) {
    config::LoadInput input;
    input.file_name = "canaryd.yaml";
    input.text = text;
    return config::load(input);
  }
  Result<void> create() {
    store_ =
        std::make_unique<store::AsyncStore>(std::make_unique<MemoryStore>(disk_), loop_.executor());
    collector_ = std::make_unique<telemetry::Collector>();
    Parts parts;
    parts.clock = &clock_;
    parts.log = log_.get();
    parts.data_plane = &plane_;
    parts.collector = collector_.get();
    parts.store = store_.get();
    parts.load_config = [this] { return load(file_); };
    parts.health_io = health_io_;
    parts.http_io = http_io_;
    parts.exec_io = exec_io_;
    parts.read_file = read_file_;
    parts.resolve = resolve_;
    parts.drain = [this] { ++drains_; };
    parts.build = {"1.2.3", "abc"};
    auto loaded = load(file_);
    if (!loaded.config) return fail(ErrorCode::kMalformed, loaded.problems.at(0).message);
    MemoryStore reader(disk_);
    auto recovered = recover(reader);
    if (!recovered) return fail(recovered.error());
    auto made = Controller::create(parts, std::move(*loaded.config), std::move(*recovered));
    if (!made) return fail(made.error());
    controller_ = std::move(*made);
    return {};
  }
  Result<void> start() {
    std::optional<Result<void>> started;
    controller_->start([&](Result<void> result) { started = std::move(result); });
    settle();
    return started.value_or(fail(ErrorCode::kTimeout));
  }
  void boot() {
    ASSERT_TRUE(create().has_value());
    ASSERT_TRUE(start().has_value());
  }
  void power_off() {
    controller_.reset();
    store_.reset();
    loop_.forget();
  }
  void settle() { loop_.settle(*store_); }
  ReloadResult reload(std::string file) {
    file_ = std::move(file);
    std::optional<ReloadResult> reloaded;
    controller_->reload([&](ReloadResult result) { reloaded = std::move(result); });
    settle();
    EXPECT_TRUE(reloaded.has_value());
    return reloaded.value_or(ReloadResult{});
  }
  ActionResult act(Action action, std::optional<std::uint64_t> if_match = std::nullopt) {
    ActionRequest request;
    request.rollout = "shop";
    request.action = action;
    request.actor = "anna";
    request.if_match = if_match;
    std::optional<ActionResult> result;
    controller_->act(request, [&](ActionResult answer) { result = std::move(answer); });
    settle();
    EXPECT_TRUE(result.has_value());
    return result.value_or(ActionResult{});
  }
  // A second with this traffic.
  void second(int bad_of_stable = 0, int bad_of_canary = 0) {
    clock_.advance(1s);
    const double weight = effective() / 100;
    plane_.serve(Cohort::kCanary, static_cast<int>(2000 * weight), bad_of_canary, canary_takes_);
    plane_.serve(Cohort::kStable, static_cast<int>(2000 * (1 - weight)), bad_of_stable);
    controller_->tick();
    settle();
  }
  [[nodiscard]] double effective() const {
    const routing::Rollout& rollout = plane_.held.at(0).shared->table->rollouts().at(0);
    return rollout.gate->effective(rollout.weight).percent();
  }
  [[nodiscard]] RolloutView view() const { return controller_->rollout("shop").value(); }

  ManualClock clock_;
  std::unique_ptr<Log> log_;
  Disk disk_;
  ControlLoop loop_;
  FakePlane plane_{loop_};
  std::unique_ptr<telemetry::Collector> collector_;
  std::unique_ptr<store::AsyncStore> store_;
  std::unique_ptr<Controller> controller_;
  HealthIo* health_io_ = nullptr;
  HttpIo* http_io_ = nullptr;
  ExecIo* exec_io_ = nullptr;
  std::string file_ = file_with(kListener, kRollout);
  ReadFile read_file_;  // Of create(); none unless a test sets them.
  Resolve resolve_;
  int drains_ = 0;
  Duration canary_takes_ = 5ms;  // As long as stable.
};

}  // namespace canaryd::control::test
