// Whole rollouts in virtual time with the real pieces of control: Runner, Evidence, the machine,
// the block builder and the asynchronous store, over a data plane of three numbers and a disk in
// memory.
//
// One second after the other: traffic by the weight in force, a tick, the operator, and what may go
// wrong: a disk that fails or is slow, workers that take their table late, a daemon that dies
// between any two effects and comes back from the disk. Everything follows from the seed.
#pragma once

#include "canaryd/base/random.hpp"
#include "control/controller_state.hpp"
#include "support/control_loop.hpp"
#include "support/manual_clock.hpp"
#include "support/memory_store.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace canaryd::sim {

struct RolloutScenario {
  double requests_per_second = 1000;
  double stable_rate = 0.01;
  double canary_rate = 0.01;
  std::int64_t horizon_seconds = 900;
  // Chances in each second.
  double disk_fails = 0;
  double disk_is_slow = 0;
  double crashes = 0;
  double operator_meddles = 0;  // Pauses and resumes, reloads.
  double operator_aborts = 0;
};

struct RolloutResult {
  rollout::Phase phase = rollout::Phase::kIdle;
  std::int64_t seconds = 0;          // Until the end of the rollout.
  std::int64_t exposed_seconds = 0;  // With somebody on the canary.
  std::uint64_t canary_requests = 0;
  std::uint64_t canary_failures = 0;
  int crashes = 0;
  bool aborted_by_operator = false;
  std::vector<std::string> violations;  // Of the invariants; empty is good.
};

class RolloutSim {
 public:
  RolloutSim(const RolloutScenario& scenario, Log& log, std::uint64_t seed);
  ~RolloutSim();
  RolloutSim(const RolloutSim&) = delete;
  RolloutSim& operator=(const RolloutSim&) = delete;

  [[nodiscard]] RolloutResult run();

 private:
  void boot();
  void power_off();
  void crash();
  void one_second();
  void traffic();
  void meddle();
  void command(rollout::Event::What what);
  void take_table(std::function<void()> done);
  void deliver_tables();
  void settle();
  // Some of what is under way, then the power goes.
  void settle_in_part();
  void check();
  void check_replay();
  [[nodiscard]] BasisPoints effective() const;
  void violated(const std::string& what);

  RolloutScenario scenario_;
  Log& log_;
  Random random_;
  canaryd::test::ManualClock clock_;
  canaryd::test::Disk disk_;
  canaryd::test::ControlLoop loop_;
  config::Rollout config_;
  std::unique_ptr<store::AsyncStore> store_;
  std::shared_ptr<control::RunnerHost> host_;
  std::shared_ptr<control::Runner> runner_;
  std::optional<stats::BlockBuilder> builder_;
  control::InForce table_;
  std::vector<std::function<void()>> waiting_tables_;
  std::int64_t second_ = 0;
  std::int64_t slow_until_ = 0;
  std::int64_t disk_fails_until_ = 0;
  BasisPoints seen_;  // The effective weight at the last look.
  bool fell_ = false;
  bool abort_acknowledged_ = false;
  RolloutResult result_;
};

}  // namespace canaryd::sim
