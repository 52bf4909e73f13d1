// One rollout as control runs it: feeds events to the machine and performs what it asks, in its
// order.
//
// Up: persist, then publish; down: publish, then persist (docs/design.md section 4). One transition
// is performed at a time; events that come meanwhile wait. One that brings users back to stable
// does not wait to act: it lowers the gate at once, on every worker, and takes its turn for the
// rest.
//
// Thread rule: the control thread. A runner is held by shared_ptr: completions outlive a reload
// that drops it.
#pragma once

#include "canaryd/analysis/environment.hpp"
#include "canaryd/base/clock.hpp"
#include "canaryd/base/log.hpp"
#include "canaryd/config/config.hpp"
#include "canaryd/rollout/machine.hpp"
#include "canaryd/rollout/protection.hpp"
#include "canaryd/stats/latency.hpp"
#include "canaryd/store/async_store.hpp"
#include "control/clock_watch.hpp"
#include "control/evidence.hpp"
#include "control/queries.hpp"
#include "control/rise_queue.hpp"
#include "control/snapshot.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace canaryd::control {

inline constexpr LogEvent kClockSet{"control", "clock_set"};
// Why a canary is suspended that is down.
inline constexpr std::string_view kNoHealthyEndpoint = "no healthy endpoint";

struct RunnerHost {
  RunnerHost()
      : rises(std::make_shared<RiseQueue>(
            [this](std::function<void()> done) { publish(std::move(done)); })) {}
  RunnerHost(const RunnerHost&) = delete;
  RunnerHost& operator=(const RunnerHost&) = delete;

  // Makes a table of what all runners have in force and posts it; `done` once every worker has it.
  // Before it returns, the evidence that was gathered under the old table has been absorbed.
  std::function<void(std::function<void()> done)> publish;
  std::shared_ptr<RiseQueue> rises;  // By that, several at a time.
  std::function<Monotonic()> now;
  std::function<WallTime()> wall_now;
  // What the wall clock says; that it was set since the last look goes into the log, once for all
  // runners.
  WallTime look_at_clocks();
  ClockWatch clock_watch;
  std::uint64_t turn = 0;  // Of the newest event; see rollout::Event.
  // It serves less, or as much, before the journal has that; may be empty.
  std::function<void(const rollout::Change& change)> fell;
  // After each transition; may be empty.
  std::function<void(const rollout::Change& change, bool durable)> announced;
  // Its old version is to be ended, and that is durable; may be empty.
  std::function<void(const std::string& rollout)> decommission;
  store::AsyncStore* store = nullptr;
  HttpIo* http_io = nullptr;    // See Parts.
  Queries::ReadFile read_file;  // The same.
  Log* log = nullptr;
  // Set by the owner when it goes: completions that come later do nothing.
  bool closed = false;
};

// Who uses stable is to be noted: it is to be retired, or is being.
[[nodiscard]] bool watches_stable(const rollout::Plan& plan, const rollout::State& state) noexcept;

class Runner : public std::enable_shared_from_this<Runner> {
 public:
  struct Answer {
    rollout::Outcome outcome = rollout::Outcome::kUnchanged;
    bool durable = true;  // kChanged: the journal has it.
    bool failed = false;  // A rise that could not be stored: nothing changed.
    bool stale = false;   // `if_match` is not the generation any more: nothing changed.
    std::string refusal;  // kRefused, or why it failed.
  };
  using Done = std::function<void(const Answer&)>;

  // Of the last rollout::kShareSeconds.
  struct Surroundings {
    rollout::FailureShares failures;
    double canary_requests = 0;
    bool stable_slow = false;
    std::optional<Duration> slow_after;  // See CohortGate::slow_after(); not set: as before.
    Duration overdue_after{};            // See CohortGate::overdue_after().
    Duration abandoned_after{};          // The same.
    std::uint64_t latency_cuts = routing::CohortGate::kNoCuts;
  };

  // Counted since the daemon started, for metrics.
  struct Counts {
    std::map<std::pair<std::string, std::string>, std::uint64_t> transitions;  // (to, cause)
    std::map<std::string, std::uint64_t> rollbacks;                            // cause
  };

  // `state` is durable, or initial; `evidence` is that of state.run.
  Runner(std::shared_ptr<RunnerHost> host,
         config::Rollout config,
         rollout::State state,
         Evidence evidence);

  // `if_match` is looked at when the event's turn has come; of one that acts at once, which ends
  // the canary, before that, and it acts only if it fits.
  void handle(rollout::Event event,
              Done done,
              std::optional<std::uint64_t> if_match = std::nullopt);
  // Once a second, before anything is done with the times of its state: these move with a wall
  // clock that was set. What the wall clock says.
  WallTime follow_clock();
  // Once a second, before tick(): asks the queries, and looks at what they have said.
  void ask_queries(bool stable_up) {
    queries_.round(config_, state_, {attempt_, !stable_up || degraded()}, host_->now());
  }
  // Once a second: one Tick to the machine, unless it is busy. `reason`: what there is to say of
  // it. `evidence`: in place of the figures of its verdict, such as those behind a start.
  // `stable_known`: whether stable is up has been looked at.
  void tick(const rollout::Tick& tick,
            std::string reason = {},
            std::string evidence = {},
            bool stable_known = true);
  // runner_gate.cpp: what only control can know of the gate's surroundings, once a second before
  // tick(); closes a circuit whose probes were good.
  void watch(const Surroundings& surroundings);
  // Several times a second: what the data plane did through the gate becomes a transition.
  void look();
  // What is known of the canary's endpoints; again with each tick. Not `up`: none may be used, so
  // users leave the canary at once, and the rollout is suspended until one is `proven` healthy.
  void follow_health(bool up, bool proven);
  // Before tables are made from a configuration with this plan: if it means another rollout, nobody
  // may come to its canary by the weight of this one. Lifted by replan() or restarted(). One that
  // is promoted goes on until those if the configuration still has the versions that it is of.
  void prepare(const rollout::Plan& next, bool has_versions = false) noexcept;
  // The daemon has started, or the file has this rollout again: a Restart event. A promoted one
  // that would be begun anew on its old stable version goes on until a tick knows that this is up,
  // if the configuration still has the versions that it is of.
  void restarted(std::string why, bool has_versions, Done done = nullptr);
  // A reload that keeps this rollout: a NewPlan event under the new configuration. Also when the
  // plan is the same: what of it could not be stored before is forgotten.
  struct Replanning {
    config::Rollout config;
    std::string actor = "canaryd";  // Who reloaded,
    std::string reason{};           // and why, in their words.
    std::string changes{};          // config::render_rollout_changes().
  };
  void replan(Replanning next, bool stable_up, Done done = nullptr);
  // The plan of another rollout that the file means and that has not begun; null: there is none.
  [[nodiscard]] const rollout::Plan* postponed() const noexcept;
  // For people, with what is in its way; empty: there is none.
  [[nodiscard]] std::string postponed_text() const;

  // After the bake limits are looked at no more.
  void absorb(stats::Block block);
  // Writes the evidence rows that wait; call every few seconds.
  void save_evidence();

  // What the store says without being written to.
  void heed_store(const Result<void>& probed);

  // Its plan may be one that has not begun: what it is of say stable() and canary().
  [[nodiscard]] const config::Rollout& config() const noexcept { return config_; }
  [[nodiscard]] const std::string& stable() const noexcept {
    return rollout::stable_of(config_.plan, state_);
  }
  [[nodiscard]] const std::string& canary() const noexcept {
    return rollout::canary_of(config_.plan, state_);
  }
  [[nodiscard]] const rollout::State& state() const noexcept { return state_; }
  [[nodiscard]] const Evidence& evidence() const noexcept { return evidence_; }
  // As of the last ask_queries().
  [[nodiscard]] const QuerySummary& queries() const noexcept { return queries_.summary(); }
  [[nodiscard]] InForce in_force() const;
  // Canary failures that users saw in this run, those left out that stable had as well.
  [[nodiscard]] std::uint64_t exposure_used() const noexcept {
    return gate_->exposure_used(gate_generation_);
  }
  // Before anything is served: what the store knows of this run.
  void recall_exposure(std::uint64_t used) noexcept;
  // As of the last second that it was looked at, under the weight in force: the share is counted
  // anew with each.
  [[nodiscard]] bool sample_ratio_ok() const noexcept {
    return sample_ratio_ok_ || sample_ratio_since_ != state_.step_since;
  }
  // True: it was otherwise so far.
  [[nodiscard]] bool notice_sample_ratio(bool ok) noexcept {
    const bool was_ok = sample_ratio_ok();
    sample_ratio_since_ = state_.step_since;
    sample_ratio_ok_ = ok;
    return was_ok != ok;
  }
  // True: nobody has been told.
  [[nodiscard]] bool notice_withheld_cookies() noexcept {
    return !std::exchange(cookies_told_, true);
  }
  // As of the last watch().
  [[nodiscard]] bool degraded() const noexcept { return environment_.degraded(); }
  // It came back from the journal in trouble, and whether that is over nobody has seen yet.
  [[nodiscard]] bool awaits_surroundings() const noexcept {
    return began_in_trouble_ && environment_.is_new();
  }
  // Requests under way may be counted as slow, or as ones that hang.
  [[nodiscard]] bool counts_overdue() const noexcept { return is_compared(); }
  // From what silence on.
  [[nodiscard]] Duration hangs_after() const noexcept {
    return stats::hangs_after(gate_->slow_after());
  }
  // Requests under way may be silent for longer than the circuit bears.
  [[nodiscard]] bool counts_silence() const noexcept {
    return config_.circuit.consecutive_failures > 0 && served_ > BasisPoints(0) &&
           gate_->slow_after() > Duration::zero();
  }
  // Single probes may be on their way.
  [[nodiscard]] bool circuit_open() const noexcept {
    const routing::GateState seen = gate_->state();
    return seen.open && !seen.spent;
  }
  [[nodiscard]] routing::ProbeCount probes() const noexcept {
    return gate_->probes(gate_generation_);
  }
  // So many in a row that fail roll back.
  [[nodiscard]] std::uint64_t probes_needed() const noexcept {
    return failed_probes_.needed(config_.circuit.probes_failed);
  }
  [[nodiscard]] bool watches_stable() const noexcept;
  // The journal has the state. Not so while the write of a fall that is in force is under way.
  [[nodiscard]] bool durable() const noexcept { return durable_; }
  [[nodiscard]] bool store_failing() const noexcept { return store_failing_; }
  [[nodiscard]] bool busy() const noexcept { return busy_; }
  [[nodiscard]] const Counts& counts() const noexcept { return counts_; }

 private:
  struct Pending {
    rollout::Event event;
    std::unique_ptr<Replanning> replanning;  // Of a NewPlan.
    Done done;
    std::optional<std::uint64_t> if_match;
    std::optional<std::uint64_t> run;  // Of a Tick: whose evidence it speaks of.
  };
  struct Job {
    rollout::Transition transition;
    std::unique_ptr<Replanning> replanning;
    Done done;
    std::vector<store::EvidenceRow> evidence;  // Goes with the journal entry; back if that fails.
  };
  using JobPointer = std::shared_ptr<Job>;

  void enqueue(Pending pending);
  void run_queue();
  [[nodiscard]] bool is_void(const Pending& pending) const;
  void answer_unchanged(Pending& pending, const rollout::Transition& transition);
  [[nodiscard]] std::string evidence_text(const rollout::Tick& tick) const;
  [[nodiscard]] std::string idle_text(const rollout::StableUse& use) const;
  [[nodiscard]] std::string recorded(const std::string& evidence) const;
  [[nodiscard]] bool is_over() const noexcept;
  [[nodiscard]] bool is_compared() const noexcept;
  void brake() noexcept;
  void release_brake() noexcept;
  void happened(rollout::Event::What what, std::string evidence);
  void follow(const rollout::GateDecision& decision, routing::GateState seen, std::string evidence);
  [[nodiscard]] rollout::GateLevel gate_level(routing::GateState seen) const noexcept;
  [[nodiscard]] std::string why(const rollout::GateDecision& decision) const;
  [[nodiscard]] std::string exposure_text() const;
  void settle_exposure() noexcept;
  void judge_exposure();
  void save_exposure();
  void forget_circuit() noexcept;
  void keep_open(routing::GateState seen) noexcept;
  void lift_gate(const rollout::Change& change, routing::GateState seen) noexcept;
  void perform(JobPointer job);
  void rise(const JobPointer& job);
  [[nodiscard]] Rise rise_of(const JobPointer& job);
  void fall_or_stay(const JobPointer& job);
  void commit(Job& job);
  void update_evidence(const Job& job);
  [[nodiscard]] store::Batch batch_of(Job& job);
  [[nodiscard]] bool ends_watch(const Job& job) const noexcept;
  void rise_failed(const JobPointer& job, const Error& error);
  void finish(const JobPointer& job, bool durable);
  void forget_old_evidence(const Job& job);
  void announce(const rollout::Change& change, bool durable);
  void begin_postponed(bool stable_up);
  using Written = std::function<void(const Result<void>&)>;
  // To the store, and notes for look_at_writes() that it is under way.
  void write(store::Batch batch, store::Keep keep, Written done);
  void look_at_writes();
  void store_failed(const Error& error);
  void store_works(std::string_view what = "the journal is written again");
  void settle_durable(const Result<void>& written);
  void retry_store();

  std::shared_ptr<RunnerHost> host_;
  config::Rollout config_;
  rollout::State state_;
  WallTime::duration clock_seen_{};  // By how much the times of state_ have moved; see ClockWatch.
  Evidence evidence_;
  Queries queries_;
  std::shared_ptr<routing::CohortGate> gate_;
  std::uint64_t gate_generation_;  // Another one for each run, always a later one.
  BasisPoints served_;             // What the next table says; follows state_ except in a rise.
  rollout::Admission admission_;
  std::uint64_t epoch_ = 1;
  std::uint64_t attempt_ = 0;  // InForce::attempt.
  std::deque<Pending> queue_;
  std::unique_ptr<Replanning> postponed_;  // A NewPlan that cannot be stored, or begin, yet.
  const char* in_the_way_ = nullptr;       // Of that, as of the last tick; see why_not_anew().
  bool busy_ = false;
  bool braked_ = false;  // The gate is down for an event that still waits in the queue.
  bool durable_ = true;
  std::shared_ptr<const store::Batch> unwritten_;  // What would make the state durable.
  // Looks, a second apart, while a write is under way and none is answered: then the disk hangs.
  static constexpr int kHangsAfter = 5;
  int writes_ = 0;  // Under way.
  int unanswered_for_ = 0;
  bool saving_ = false;
  bool retrying_ = false;
  bool store_failing_ = false;
  bool store_missing_ = false;  // What says so is not a write that failed.
  Surroundings surroundings_;
  analysis::Environment environment_;
  bool began_in_trouble_;  // Held because stable failed too, or on the way back to it.
  bool sample_ratio_ok_ = true;
  WallTime sample_ratio_since_;  // Of the step that this is of.
  bool cookies_told_ = false;
  rollout::ExposureSettling exposure_;
  rollout::CircuitTrips trips_;
  rollout::FailedProbes failed_probes_;
  std::uint64_t exposure_stored_ = 0;  // What the store knows or is being told.
  bool saving_exposure_ = false;
  Counts counts_;
};

}  // namespace canaryd::control
