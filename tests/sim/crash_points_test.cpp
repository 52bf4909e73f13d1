// Every phase meets every event, and every two of them in a row, while the disk works, fails or
// hangs, and the power fails at every point of what follows: the real runner and store thread, one
// rollout, no chance.
#include "sim/fault_world.hpp"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace canaryd::control::test {
namespace {

using namespace std::chrono_literals;
using rollout::Judgement;
using rollout::Phase;

enum class DiskDoes : std::uint8_t { kWork, kFail, kHang };
// How far what the event led to has come when the power fails.
enum class Crash : std::uint8_t { kNever, kAtOnce, kWritten, kAnswered, kInForce };
enum class Does : std::uint8_t {
  kStart,
  kRetry,
  kPromote,
  kPromoteFull,
  kPause,
  kResume,
  kAbort,
  kRollBack,
  kRaise,
  kZero,
  kApprove,
  kAccept,
  kHold,
  kBad,
  kCircuit,
  kUnhealthy,
  kReload,
  kRevision,
  kReturn,
  kFreeze,
  kStableDown,
  kBadReading,
  kRetire,
  kUnretire,
  kIdle,
  kHookEnded,
  kHookFailed,
  kHealthy,
  kCircuitClosed,
  kProbesFailed,
  kExposed,
  kBothFailing,
  kNoData,
  kGroupFailed,
  kRefused,
  kNotKept,
  kCount,
};

config::Rollout shop() {
  config::Rollout made = rollout_of("shop", {10, 50, 100});
  made.plan.start = rollout::StartMode::kManual;
  made.plan.steps[1].gate = "owner";
  made.plan.asks_before_step = true;
  made.plan.on_stable_down = rollout::OnStableDown::kSpill;
  made.plan.retire = {.idle_for = 1s, .drain = 1s, .undo = 1s, .hook = true};
  return made;
}

class Case {
 public:
  Case() : world_(std::vector<config::Rollout>{shop()}) {}

  void reach(Phase phase) {
    if (phase == Phase::kIdle) return;
    act(Does::kStart);
    if (phase == Phase::kWaiting) act(Does::kAccept);
    for (const Does each : way_to(phase)) act(each);
    EXPECT_EQ(runner().state().phase, phase) << to_string(phase);
  }
  // Nothing is left under way, but what the disk holds up.
  void act(Does what) {
    begin(what);
    world_.settle();
  }
  void set_disk(DiskDoes does) {
    if (does == DiskDoes::kFail) world_.set_failing(true);
    if (does != DiskDoes::kHang) return;
    world_.catch_up();
    world_.disk.hang(true);
  }
  void begin(Does what) {
    world_.clock.advance(2s);
    if (what == Does::kHold) world_.clock.advance(5min);
    // Once stable is gone there is nothing left to go back to.
    const bool has_stable = !rollout::stable_is_gone(runner().state());
    const bool ends = has_stable && (what == Does::kAbort || what == Does::kRollBack);
    perform(what);
    if (ends && subject().effective() > BasisPoints(0)) broken("an end acts at once");
    check();
  }
  void come_as_far_as(Crash crash) {
    if (crash >= Crash::kWritten) world_.catch_up();
    if (crash >= Crash::kAnswered) world_.answer(100);
    if (crash >= Crash::kInForce) {
      world_.deliver_tables();
      world_.answer(100);
    }
    check();
  }
  void lose_power() {
    world_.lose_power();
    const std::string durable = world_.disk.state_of("shop");
    if (!durable.empty() && durable != serialise(runner().state())) {
      broken("a restart goes on from the journal");
    }
    check();
    world_.announce_restarts();
  }
  // Whatever has happened: what is under way ends well, and an abort ends it.
  void end() {
    world_.set_failing(false);
    come_to_rest();
    const bool has_stable = !rollout::stable_is_gone(runner().state());
    const bool another_waits = runner().postponed() != nullptr;
    begin(Does::kAbort);
    come_to_rest();
    if (has_stable && !ended() && !(another_waits && renewed())) broken("an abort ends it");
    if (!runner().durable()) broken("what is in force becomes durable");
    if (world_.disk.state_of("shop") != serialise(runner().state())) {
      broken("the journal is what control knows");
    }
  }
  [[nodiscard]] bool ended() {
    const Phase phase = runner().state().phase;
    return phase == Phase::kAborted || phase == Phase::kRolledBack;
  }
  // What waited for the end is in force, and waits for its start.
  [[nodiscard]] bool renewed() {
    const rollout::State& state = runner().state();
    return state.phase == Phase::kIdle && state.plan_revision == subject().config.plan.revision;
  }
  // A plan that could not be stored, and rows that could not be written, follow with a tick.
  void come_to_rest() {
    world_.settle();
    runner().tick({});
    world_.settle();
    check();
  }
  [[nodiscard]] const std::string& what_broke() const { return broken_; }

 private:
  Subject& subject() { return world_.subjects.front(); }
  Runner& runner() { return *subject().runner; }
  void broken(const char* promise) {
    if (broken_.empty()) broken_ = promise;
  }
  void check() {
    if (broken_.empty()) broken_ = world_.broken;
    if (subject().ceiling() > world_.disk.durable("shop")) {
      broken("in force is more than the last durable weight");
    }
    if (subject().acknowledged && subject().effective() > BasisPoints(0)) {
      broken("an acknowledged end was taken back");
    }
  }

  static std::vector<Does> way_to(Phase phase) {
    switch (phase) {
      case Phase::kSuspended:
        return {Does::kCircuit};
      case Phase::kPaused:
        return {Does::kPause};
      case Phase::kWaiting:
        return {Does::kAccept};
      case Phase::kHeld:
        return {Does::kHold};
      case Phase::kBaking:
        return {Does::kPromoteFull};
      case Phase::kPromoted:
        return {Does::kPromoteFull, Does::kPromote};
      case Phase::kRetiring:
        return {Does::kPromoteFull, Does::kPromote, Does::kRetire};
      case Phase::kRetired:
        return {Does::kPromoteFull, Does::kPromote, Does::kRetire, Does::kIdle, Does::kHookEnded};
      case Phase::kRolledBack:
        return {Does::kRollBack};
      case Phase::kAborted:
        return {Does::kAbort};
      default:
        return {};
    }
  }

  template <class What>
  void command(What what) {
    rollout::Event event;
    event.what = std::move(what);
    event.actor = "anna";
    runner().handle(std::move(event), nullptr);
  }
  template <class What>
  void end_by(What what) {
    rollout::Event event;
    event.what = std::move(what);
    event.actor = "anna";
    // What somebody has begun again meanwhile has not ended.
    runner().handle(std::move(event), [this, begun = subject().begun](const auto& answer) {
      if (answer.outcome != rollout::Outcome::kChanged || !answer.durable) return;
      if (subject().begun != begun) return;
      subject().acknowledged = true;
      if (world_.disk.durable("shop") > BasisPoints(0)) broken("an acknowledged end is durable");
    });
  }
  void begin_again(rollout::Event::What what) {
    ++subject().begun;
    subject().acknowledged = false;
    subject().decommissioned = false;
    command(std::move(what));
  }
  void tick(Judgement judgement, rollout::Tick seen = {}) {
    seen.judgement = judgement;
    seen.requests = 1000;
    if (seen.consent == rollout::Consent::kUnknown) seen.consent = rollout::Consent::kGiven;
    runner().tick(seen);
  }
  static rollout::StableUse idle() {
    rollout::StableUse use;
    use.idle = 1h;
    return use;
  }
  // Besides no verdict.
  template <class Seen>
  void tick_with(Seen rollout::Tick::*what, Seen value) {
    rollout::Tick seen;
    seen.*what = value;
    tick(Judgement::kHold, seen);
  }
  void refuse() {
    rollout::Tick seen;
    seen.consent = rollout::Consent::kRefused;
    tick(Judgement::kAccept, seen);
  }
  void freeze() {
    subject().config.plan.freeze = {{rollout::kEveryDay, 0h, 24h, {}}};
    runner().prepare(subject().config.plan);
    runner().replan({subject().config, "anna", "", "freeze: added"}, true);
  }
  // Stable is not to be retired any more, ever.
  void drop_retirement() {
    subject().config.plan.retire.reset();
    runner().prepare(subject().config.plan);
    runner().replan({subject().config, "anna", "", "retire: removed"}, true);
  }
  void reload(const char* revision) {
    config::Rollout next = subject().config;
    next.plan.revision = revision;
    next.plan.steps[2].weight = BasisPoints(9000);
    subject().config = next;
    runner().prepare(next.plan);
    runner().replan({next}, true);
  }

  void perform(Does what) {
    switch (what) {
      case Does::kStart:
        return begin_again(rollout::Start{});
      case Does::kRetry:
        return begin_again(rollout::Retry{});
      case Does::kPromote:
        return command(rollout::Promote{});
      case Does::kPromoteFull:
        return command(rollout::Promote{true});
      case Does::kPause:
        return command(rollout::Pause{});
      case Does::kResume:
        return command(rollout::Resume{});
      case Does::kAbort:
        return end_by(rollout::Abort{});
      case Does::kRollBack:
        return end_by(rollout::RollBack{});
      case Does::kRaise:
        return command(rollout::SetWeight{BasisPoints(8000)});
      case Does::kZero:
        return command(rollout::SetWeight{BasisPoints(0)});
      case Does::kApprove:
        return command(rollout::Approve{"owner", {}, "anna"});
      case Does::kReload:
        return reload("1");
      case Does::kRevision:
        return reload("2");
      case Does::kReturn:
        return command(rollout::RollBack{100s});
      case Does::kFreeze:
        return freeze();
      case Does::kRetire:
        subject().decommissioned = false;
        return command(rollout::Retire{idle(), false});
      case Does::kUnretire:
        return command(rollout::Unretire{});
      default:
        return happen(what);
    }
  }
  // What nobody has asked for.
  void happen(Does what) {
    switch (what) {
      case Does::kStableDown:
        return tick_with(&rollout::Tick::stable_up, false);
      case Does::kBadReading:
        return tick_with(&rollout::Tick::readings, rollout::Readings::kRollback);
      case Does::kIdle:
        return tick_with(&rollout::Tick::stable_use, idle());
      case Does::kHookEnded:
        return command(rollout::HookEnded{true, "exit code 0"});
      case Does::kUnhealthy:
        return runner().follow_health(false, false);
      case Does::kCircuit:
        for (int i = 0; i < 5; ++i) {
          subject().table.gate->failed(subject().table.run, 5, world_.clock.now() + 5s);
        }
        return runner().look();
      case Does::kAccept:
        return tick(Judgement::kAccept);
      case Does::kHold:
        return tick(Judgement::kHold);
      case Does::kBad:
        return tick(Judgement::kRollback);
      case Does::kHookFailed:
        return command(rollout::HookEnded{false, "exit code 3"});
      case Does::kHealthy:
        return runner().follow_health(true, true);
      case Does::kCircuitClosed:
        return command(rollout::CircuitClosed{});
      case Does::kProbesFailed:
        return command(rollout::ProtectionFailed{rollout::Trip::kCircuit, false});
      case Does::kExposed:
        return command(rollout::ProtectionFailed{rollout::Trip::kExposure, false});
      case Does::kBothFailing:
        return tick_with(&rollout::Tick::both_failing, true);
      case Does::kNoData:
        return tick_with(&rollout::Tick::no_data, true);
      case Does::kGroupFailed:
        return tick_with(&rollout::Tick::group_failed, true);
      case Does::kRefused:
        return refuse();
      case Does::kNotKept:
        return drop_retirement();
      default:
        return;
    }
  }

  FaultWorld world_;
  std::string broken_;
};

// `before` has happened when `what` does, and is under way still.
std::string run(Phase phase, Does before, Does what, DiskDoes disk, Crash crash) {
  Case one;
  one.reach(phase);
  one.set_disk(disk);
  if (before != Does::kCount) one.begin(before);
  one.begin(what);
  one.come_as_far_as(crash);
  if (crash != Crash::kNever) one.lose_power();
  one.end();
  return one.what_broke();
}

struct Trouble {
  DiskDoes disk;
  Crash crash;
};

// While the disk hangs nothing is written before the power fails, whatever point that is.
constexpr std::array kAll{Trouble{DiskDoes::kWork, Crash::kNever},
                          Trouble{DiskDoes::kWork, Crash::kAtOnce},
                          Trouble{DiskDoes::kWork, Crash::kWritten},
                          Trouble{DiskDoes::kWork, Crash::kAnswered},
                          Trouble{DiskDoes::kWork, Crash::kInForce},
                          Trouble{DiskDoes::kFail, Crash::kNever},
                          Trouble{DiskDoes::kFail, Crash::kAtOnce},
                          Trouble{DiskDoes::kFail, Crash::kWritten},
                          Trouble{DiskDoes::kFail, Crash::kAnswered},
                          Trouble{DiskDoes::kFail, Crash::kInForce},
                          Trouble{DiskDoes::kHang, Crash::kNever},
                          Trouble{DiskDoes::kHang, Crash::kAtOnce}};
// One of each kind; for two events in a row, which no sanitizer sees.
[[maybe_unused]] constexpr std::array kSome{Trouble{DiskDoes::kWork, Crash::kNever},
                                            Trouble{DiskDoes::kWork, Crash::kAnswered},
                                            Trouble{DiskDoes::kFail, Crash::kAtOnce},
                                            Trouble{DiskDoes::kHang, Crash::kAtOnce}};

template <std::size_t Count>
void meet(Phase phase, Does before, Does what, const std::array<Trouble, Count>& troubles) {
  for (const auto& [disk, crash] : troubles) {
    ASSERT_EQ(run(phase, before, what, disk, crash), "")
        << to_string(phase) << ", events " << static_cast<int>(before) << " and "
        << static_cast<int>(what) << ", disk " << static_cast<int>(disk) << ", crash "
        << static_cast<int>(crash);
  }
}

class CrashPoints : public ::testing::TestWithParam<Phase> {};

TEST_P(CrashPoints, EveryEventOnEveryDiskWithEveryCrash) {
  for (int what = 0; what < static_cast<int>(Does::kCount); ++what) {
    ASSERT_NO_FATAL_FAILURE(meet(GetParam(), Does::kCount, static_cast<Does>(what), kAll));
  }
}

// Sanitized it would take minutes.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_P(CrashPoints, EveryTwoEventsOnEveryDisk) {
  for (int before = 0; before < static_cast<int>(Does::kCount); ++before) {
    for (int what = 0; what < static_cast<int>(Does::kCount); ++what) {
      ASSERT_NO_FATAL_FAILURE(
          meet(GetParam(), static_cast<Does>(before), static_cast<Does>(what), kSome));
    }
  }
}
#endif

INSTANTIATE_TEST_SUITE_P(Phases, CrashPoints, ::testing::ValuesIn(rollout::kPhases));

}  // namespace
}  // namespace canaryd::control::test
