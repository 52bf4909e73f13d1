// Every phase meets every event while the disk works, fails or hangs, and the power fails at every
// point of what follows: the real runner and store thread, one rollout, no chance.
#include "sim/fault_world.hpp"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
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
  kCount,
};

// Those that are entered, which leaves out retirement.
constexpr std::array kEntered{Phase::kIdle,
                              Phase::kProgressing,
                              Phase::kSuspended,
                              Phase::kPaused,
                              Phase::kWaiting,
                              Phase::kHeld,
                              Phase::kBaking,
                              Phase::kPromoted,
                              Phase::kRolledBack,
                              Phase::kAborted};

config::Rollout shop() {
  config::Rollout made = rollout_of("shop", {10, 50, 100});
  made.plan.start = rollout::StartMode::kManual;
  made.plan.steps[1].gate = "owner";
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
    perform(what);
    const bool ends = what == Does::kAbort || what == Does::kRollBack;
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
    begin(Does::kAbort);
    come_to_rest();
    const Phase phase = runner().state().phase;
    if (phase != Phase::kAborted && phase != Phase::kRolledBack) broken("an abort ends it");
    if (!runner().durable()) broken("what is in force becomes durable");
    if (world_.disk.state_of("shop") != serialise(runner().state())) {
      broken("the journal is what control knows");
    }
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
    runner().handle(std::move(event), [this](const Runner::Answer& answer) {
      if (answer.outcome != rollout::Outcome::kChanged || !answer.durable) return;
      subject().acknowledged = true;
      if (world_.disk.durable("shop") > BasisPoints(0)) broken("an acknowledged end is durable");
    });
  }
  void begin_again(rollout::Event::What what) {
    subject().acknowledged = false;
    command(std::move(what));
  }
  void tick(Judgement judgement) {
    rollout::Tick seen;
    seen.judgement = judgement;
    seen.requests = 1000;
    runner().tick(seen);
  }
  void reload(const char* revision) {
    config::Rollout next = subject().config;
    next.plan.revision = revision;
    next.plan.steps[2].weight = BasisPoints(9000);
    subject().config = next;
    runner().prepare(next.plan);
    runner().replan(next, true);
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
      case Does::kAccept:
        return tick(Judgement::kAccept);
      case Does::kHold:
        return tick(Judgement::kHold);
      case Does::kBad:
        return tick(Judgement::kRollback);
      case Does::kCircuit:
        for (int i = 0; i < 5; ++i) {
          subject().table.gate->failed(subject().table.run, 5, world_.clock.now() + 5s);
        }
        return runner().look();
      case Does::kUnhealthy:
        return runner().follow_health(false, false);
      case Does::kReload:
        return reload("1");
      case Does::kRevision:
        return reload("2");
      case Does::kCount:
        break;
    }
  }

  FaultWorld world_;
  std::string broken_;
};

std::string run(Phase phase, Does what, DiskDoes disk, Crash crash) {
  Case one;
  one.reach(phase);
  one.set_disk(disk);
  one.begin(what);
  one.come_as_far_as(crash);
  if (crash != Crash::kNever) one.lose_power();
  one.end();
  return one.what_broke();
}

TEST(CrashPoints, EveryPhaseMeetsEveryEventOnEveryDiskWithEveryCrash) {
  for (const Phase phase : kEntered) {
    for (int what = 0; what < static_cast<int>(Does::kCount); ++what) {
      for (const DiskDoes disk : {DiskDoes::kWork, DiskDoes::kFail, DiskDoes::kHang}) {
        for (const Crash crash :
             {Crash::kNever, Crash::kAtOnce, Crash::kWritten, Crash::kAnswered, Crash::kInForce}) {
          // The power fails before anything was written, whatever point that is.
          if (disk == DiskDoes::kHang && crash > Crash::kAtOnce) continue;
          ASSERT_EQ(run(phase, static_cast<Does>(what), disk, crash), "")
              << to_string(phase) << ", event " << what << ", disk " << static_cast<int>(disk)
              << ", crash " << static_cast<int>(crash);
        }
      }
    }
  }
}

}  // namespace
}  // namespace canaryd::control::test
