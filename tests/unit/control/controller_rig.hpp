// A controller over a data plane that only remembers, a store in memory and a file in a string.
#pragma once

#include "canaryd/config/load.hpp"
#include "canaryd/control/controller.hpp"
#include "support/control_loop.hpp"
#include "support/fake_plane.hpp"
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
using canaryd::test::FakePlane;
using canaryd::test::ManualClock;
using canaryd::test::MemoryStore;

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

// The daemon's: its wall clock alone may be set.
class SetClock final : public Clock {
 public:
  explicit SetClock(const ManualClock& clock) : clock_(clock) {}
  [[nodiscard]] Monotonic now() const noexcept override { return clock_.now(); }
  [[nodiscard]] WallTime wall_now() const noexcept override { return clock_.wall_now() + set_by_; }
  void set(WallTime::duration by) { set_by_ += by; }

 private:
  const ManualClock& clock_;
  WallTime::duration set_by_{};
};

class ControllerRig : public ::testing::Test {
 protected:
  ControllerRig();
  ~ControllerRig() override;

  static config::LoadResult load(const std::string& text);
  Result<void> create();
  Result<void> start();
  void boot();
  void power_off();
  void settle();
  ReloadResult reload(std::string file);
  ActionResult act(Action action, std::optional<std::uint64_t> if_match = std::nullopt);
  // A second with this traffic.
  void second(int bad_of_stable = 0, int bad_of_canary = 0);
  [[nodiscard]] double effective() const;
  [[nodiscard]] RolloutView view() const;

  ManualClock clock_;
  SetClock daemon_clock_{clock_};
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
