// Rollouts under everything at once: operators, verdicts, reloads, hooks that hang, gates, groups,
// lost and late samples, a data plane that protects itself, a disk that is slow or full, clocks
// that jump, and power that fails. After every step the promises of docs/design.md section 4 hold:
//   - nobody is on the canary by more than the last durable weight;
//   - an end that was acknowledged stays the end until somebody begins again, over crashes too;
//   - abort acts at once, in every state; the data plane only lowers;
//   - while a canary gives its users back bit by bit its weight does not rise;
//   - the hook that ends an old version is called once, and not before that is durable;
//   - once the disk works, what control knows is what the journal says, but for times that a clock
//     which was set has moved since.
//
// CANARYD_SIM_SEED=n repeats one run; it stops at the step at which a promise is broken.
#include "canaryd/base/random.hpp"
#include "sim/fault_world.hpp"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

namespace canaryd::control::test {
namespace {

using namespace std::chrono_literals;
using rollout::Consent;
using rollout::Judgement;
using rollout::Phase;
using rollout::Readings;

// A million steps, in parts that ctest runs side by side. A run under a sanitizer takes ten times
// as long.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSeeds = 50;
constexpr std::uint64_t kParts = 1;
#else
constexpr std::uint64_t kSeeds = 3336;
constexpr std::uint64_t kParts = 4;
#endif
constexpr int kSteps = 300;
static_assert(kSeeds % kParts == 0);

// Two of a group, one of them asking hooks, and one that begins by itself and freezes every night.
std::vector<config::Rollout> rollouts() {
  config::Rollout shop = rollout_of("shop", {10, 50, 100});
  shop.plan.group = "g";
  shop.plan.start = rollout::StartMode::kManual;
  shop.plan.steps[0].gate = "owner";
  shop.plan.steps[0].approvals = {2, {"alice", "bob"}, 10min};
  shop.plan.bake.holdback = BasisPoints(1000);
  config::Rollout cart = rollout_of("cart", {5, 20, 100});
  cart.plan.group = "g";
  cart.plan.asks_before_step = true;
  cart.plan.on_failure = rollout::OnFailure::kStepDown;
  cart.plan.on_inconclusive = rollout::OnInconclusive::kPromote;
  cart.plan.on_stable_down = rollout::OnStableDown::kSpill;
  config::Rollout blog = rollout_of("blog", {1, 100});
  blog.plan.on_failure = rollout::OnFailure::kHold;
  blog.plan.freeze = {{rollout::kEveryDay, 20h, 6h, {}}};
  blog.plan.retire = {.idle_for = 2s, .drain = 1s, .undo = 2s, .hook = true};
  return {shop, cart, blog};
}

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed) : random_(seed), world_(rollouts()) {}

  // The promise that is broken, and at which step; empty: none.
  std::string run() {
    for (int i = 0; i < kSteps; ++i) {
      try {
        act();
      } catch (const std::runtime_error& error) {
        return std::string("it does not start again: ") + error.what() + ", at step " +
               std::to_string(i) + story();
      }
      if (broken_.empty()) check();
      if (!broken_.empty()) return broken_ + ", at step " + std::to_string(i) + story();
      ++phases_.at(static_cast<std::size_t>(subject().runner->state().phase));
    }
    come_to_rest();
    return broken_.empty() ? broken_ : broken_ + ", at the end" + story();
  }
  [[nodiscard]] const std::array<std::uint64_t, rollout::kPhases.size()>& phases() const {
    return phases_;
  }

 private:
  Subject& subject() { return world_.subjects[at_]; }
  Runner& runner() { return *subject().runner; }
  void broken(std::string promise) {
    if (broken_.empty()) broken_ = subject().config.name + ": " + std::move(promise);
  }
  void note(const char* what) { story_.at(noted_++ % story_.size()) = {what, at_}; }
  // What came last, the newest at the end.
  [[nodiscard]] std::string story() const {
    std::string text;
    for (std::size_t i = 0; i < std::min(noted_, story_.size()); ++i) {
      const auto& [what, at] =
          story_.at((noted_ - std::min(noted_, story_.size()) + i) % story_.size());
      text += std::string("\n  ") + what + " " + world_.subjects[at].config.name;
    }
    return text;
  }

  void check() {
    if (!world_.broken.empty() && broken_.empty()) broken_ = world_.broken;
    const std::size_t acting = at_;
    for (at_ = 0; at_ < world_.subjects.size(); ++at_) {
      if (subject().ceiling() > world_.disk.durable(subject().config.name)) {
        broken("in force is more than the last durable weight");
      }
      // A file that names another revision begins another rollout.
      if (runner().state().plan_revision != subject().ended_revision) {
        subject().acknowledged = false;
      }
      if (subject().acknowledged && subject().effective() > BasisPoints(0)) {
        broken("an acknowledged end was taken back");
      }
      check_return();
    }
    at_ = acting;
  }
  // If more than one thing has happened since the last look, an operator may have raised the weight
  // and begun another return, perhaps at the same time by a wall clock that went back.
  void check_return() {
    const rollout::State& state = runner().state();
    const auto before = subject().returning;
    subject().returning.reset();
    if (!rollout::is_returning(state)) return;
    const bool next = before && state.generation <= before->generation + 1;
    if (next && state.weight > before->weight) {
      broken("a gradual return rises");
    }
    subject().returning = Subject::Return{state.generation, state.weight};
  }

  // ---- Operators

  template <class What>
  void command(const char* name, What what) {
    note(name);
    rollout::Event event;
    event.what = std::move(what);
    event.actor = "anna";
    runner().handle(std::move(event), nullptr);
  }
  template <class What>
  void end(const char* name) {
    note(name);
    rollout::Event event;
    event.what = What{};
    event.actor = "anna";
    const std::size_t mine = at_;
    const std::uint64_t begun = subject().begun;
    // There is nothing left to go back to.
    const bool has_stable = !rollout::stable_is_gone(runner().state());
    runner().handle(std::move(event), [this, mine, begun](const Runner::Answer& answer) {
      Subject& of = world_.subjects[mine];
      const bool done = answer.outcome == rollout::Outcome::kChanged && answer.durable;
      if (!done || answer.failed || of.begun != begun) return;
      of.acknowledged = true;
      of.ended_revision = of.runner->state().plan_revision;
    });
    if (has_stable && subject().effective() > BasisPoints(0)) broken("an end acts at once");
  }
  void begun_again() {
    ++subject().begun;
    subject().acknowledged = false;
    subject().decommissioned = false;
  }
  rollout::StableUse stable_use() {
    rollout::StableUse use;
    if (!random_.chance(0.1)) use.idle = std::chrono::seconds(random_.below(8));
    use.active = random_.chance(0.1);
    use.shared = random_.chance(0.1);
    return use;
  }
  void retire() {
    subject().decommissioned = false;
    command("retire", rollout::Retire{stable_use(), random_.chance(0.2)});
  }
  void operate() {
    switch (random_.below(13)) {
      case 0:
        return end<rollout::Abort>("abort");
      case 1:
        return end<rollout::RollBack>("rollback");
      case 2:
        begun_again();
        return command("start", rollout::Start{});
      case 3:
        begun_again();
        return command("retry", rollout::Retry{});
      case 4:
        return command("promote", rollout::Promote{random_.chance(0.3)});
      case 5:
        return command("pause", rollout::Pause{});
      case 6:
        return command("resume", rollout::Resume{});
      case 7:
        return command("set weight", rollout::SetWeight{BasisPoints(percent() * 100)});
      case 8:
        return command("rollback over a time",
                       rollout::RollBack{std::chrono::seconds(10 * (1 + random_.below(60)))});
      case 9:
        return retire();
      case 10:
        return command("unretire", rollout::Unretire{});
      default:
        return command("approve",
                       rollout::Approve{"owner", {}, random_.chance(0.5) ? "alice" : "bob"});
    }
  }
  unsigned percent() { return static_cast<unsigned>(random_.below(101)); }

  // ---- By itself

  void tick(Judgement judgement) {
    note("tick");
    rollout::Tick seen;
    seen.judgement = judgement;
    seen.requests = random_.chance(0.9) ? 1000 : 0;
    seen.no_data = random_.chance(0.05);
    seen.no_control = runner().state().weight == BasisPoints(BasisPoints::kMax);
    seen.stable_up = !random_.chance(0.03);
    seen.canary_up = !random_.chance(0.03);
    seen.both_failing = random_.chance(0.03);
    if (random_.chance(0.05)) seen.readings = static_cast<Readings>(random_.below(5));
    // A hook that hangs says nothing.
    seen.consent = random_.chance(0.7)
                       ? Consent::kGiven
                       : (random_.chance(0.5) ? Consent::kRefused : Consent::kUnknown);
    seen.group_failed = group_has_ended();
    seen.stable_use = stable_use();
    runner().tick(seen);
  }
  [[nodiscard]] bool group_has_ended() {
    if (subject().config.plan.group.empty()) return false;
    for (const Subject& other : world_.subjects) {
      const Phase phase = other.runner->state().phase;
      const bool ended = phase == Phase::kRolledBack || phase == Phase::kAborted;
      if (&other != &subject() && other.config.plan.group == subject().config.plan.group && ended) {
        return random_.chance(0.2);
      }
    }
    return false;
  }
  // It arrives, or is lost, or comes when the step it is about, or the run, may be over.
  void sample() {
    note("sample");
    stats::Block block;
    block.seconds = 1;
    block.epoch = runner().in_force().epoch;
    block.step = runner().in_force().step;
    block.stable = {1000, random_.below(30)};
    block.canary = {1000, random_.below(60)};
    if (random_.chance(0.1)) return;
    if (random_.chance(0.3)) return late_.at(at_).push_back(std::move(block));
    runner().absorb(block);
  }
  void late_samples() {
    note("late samples");
    for (const stats::Block& block : std::exchange(late_.at(at_), {})) runner().absorb(block);
  }
  void protect() {
    const BasisPoints before = subject().ceiling();
    routing::CohortGate& gate = *subject().table.gate;
    const std::uint64_t run = subject().table.run;
    switch (random_.below(3)) {
      case 0:
        note("failures");
        for (std::uint64_t i = random_.below(8); i > 0; --i) {
          gate.failed(run, 5, world_.clock.now() + 5s);
        }
        break;
      case 1:
        note("exposure");
        for (std::uint64_t i = random_.below(4); i > 0; --i) gate.exposed(run, 5);
        break;
      default:
        note("probes");
        for (std::uint64_t i = random_.below(7); i > 0; --i) gate.probed(run, !random_.chance(0.2));
    }
    if (subject().ceiling() > before) broken("the data plane only lowers");
  }
  void watch() {
    note("watch");
    Runner::Surroundings seen;
    seen.failures = {random_.chance(0.1) ? 0.6 : 0.01, 0.5};
    seen.failures.stable_requests = seen.canary_requests = 100;
    runner().watch(seen);
  }
  void follow_health() {
    note("health");
    const bool up = !random_.chance(0.3);
    runner().follow_health(up, up && random_.chance(0.7));
  }
  void reload() {
    note("reload");
    config::Rollout next = subject().config;
    if (random_.chance(0.5)) std::swap(next.plan.steps.front().weight, shorter_.at(at_));
    if (random_.chance(0.2)) {
      next.plan.revision = std::to_string(random_.below(3));
      begun_again();
    }
    const BasisPoints before = subject().ceiling();
    subject().config = next;
    runner().prepare(next.plan);
    const char* const told = random_.chance(0.5) ? "freeze: added" : "";
    runner().replan({next, "anna", "", told}, !random_.chance(0.1));
    if (subject().ceiling() > before) broken("a reload raises nothing");
  }

  // ---- The machine below

  void lose_power() {
    note("power fails");
    world_.lose_power();
    late_ = {};
    // A fall that was not durable yet is made again.
    for (Subject& each : world_.subjects) each.returning.reset();
    for (const Subject& each : world_.subjects) {
      const std::string durable = world_.disk.state_of(each.config.name);
      if (durable.empty()) continue;
      const auto state = rollout::parse_state(durable);
      if (!state || !goes_on_from(*state, each.runner->state())) {
        broken("a restart goes on from the journal");
      }
    }
    check();
    world_.announce_restarts();
  }
  // As it was written; but what a clock that was ahead has written moves back to now, all by as
  // much.
  [[nodiscard]] bool goes_on_from(rollout::State written, const rollout::State& now) const {
    const WallTime::duration moved = written.since - now.since;
    if (moved < WallTime::duration::zero()) return false;
    for (WallTime* const time :
         {&written.since, &written.step_since, &written.timer_since, &written.run_since}) {
      *time = std::max(*time - moved, WallTime());
      if (moved > WallTime::duration::zero() && *time > world_.wall_now()) return false;
    }
    for (auto& [gate, given] : written.approvals) {
      const auto left = now.approvals.find(gate);
      if (left == now.approvals.end()) return false;
      for (auto& [who, until] : given) {
        const auto one = left->second.find(who);
        if (one != left->second.end()) until = std::min(until, one->second);
      }
    }
    return written == now;
  }
  void jump() {
    note("clock");
    world_.clock.advance(std::chrono::minutes(random_.below(random_.chance(0.1) ? 2000 : 5)));
    if (random_.chance(0.3)) {
      world_.skew += std::chrono::minutes(static_cast<int>(random_.below(240)) - 120);
    }
  }
  void disturb() {
    switch (random_.below(8)) {
      case 0:
        note("disk fails");
        return world_.set_failing(true);
      case 1:
      case 2:
        note("disk works");
        return world_.set_failing(false);
      case 3:
        note("disk hangs");
        world_.catch_up();
        return world_.disk.hang(true);
      case 4:
        note("disk goes on");
        return world_.disk.hang(false);
      case 5:
        return random_.chance(0.5) ? lose_power() : jump();
      case 6:
        return jump();
      default:
        return reload();
    }
  }

  void act() {
    at_ = random_.below(world_.subjects.size());
    world_.clock.advance(std::chrono::milliseconds(random_.below(3000)));
    const std::uint64_t kind = random_.below(100);
    if (kind < 15) return operate();
    if (kind < 30) return tick(Judgement::kAccept);
    if (kind < 40) return tick(Judgement::kHold);
    if (kind < 42) return tick(Judgement::kRollback);
    if (kind < 48) return sample();
    if (kind < 50) return late_samples();
    if (kind < 53) {
      note("save");
      return runner().save_evidence();
    }
    if (kind < 58) return protect();
    if (kind < 62) {
      note("look");
      return runner().look();
    }
    if (kind < 66) return watch();
    if (kind < 67) return follow_health();
    if (kind < 68) return command("hook ends", rollout::HookEnded{random_.chance(0.6), "so"});
    if (kind < 75) return disturb();
    note(kind < 82 ? "tables" : kind < 90 ? "answers" : "settle");
    if (kind < 82) return world_.deliver_tables();
    if (kind < 90) return world_.answer(1 + random_.below(3));
    world_.settle();
  }

  void come_to_rest() {
    world_.set_failing(false);
    for (int i = 0; i < 2; ++i) {
      world_.settle();
      for (const Subject& each : world_.subjects) each.runner->tick({});
    }
    world_.settle();
    check();
    for (at_ = 0; at_ < world_.subjects.size(); ++at_) {
      if (!runner().durable()) broken("what is in force becomes durable");
      const std::string durable = world_.disk.state_of(subject().config.name);
      if (!durable.empty() && !tells(durable, runner().state())) {
        broken("the journal is what control knows");
      }
    }
    at_ = 0;
  }

  // A clock that was set has moved the times since; the next row has them.
  static bool tells(const std::string& durable, const rollout::State& state) {
    auto known = rollout::parse_state(durable);
    if (!known) return false;
    known->since = state.since;
    known->step_since = state.step_since;
    known->timer_since = state.timer_since;
    known->run_since = state.run_since;
    return *known == state;
  }

  Random random_;
  FaultWorld world_;
  std::size_t at_ = 0;  // Whom the step is about.
  // What the first step of each is changed for by a reload.
  std::array<BasisPoints, 3> shorter_{BasisPoints(700), BasisPoints(1000), BasisPoints(5000)};
  std::array<std::vector<stats::Block>, 3> late_;  // By subject.
  std::string broken_;
  std::array<std::pair<const char*, std::size_t>, 20> story_{};
  std::size_t noted_ = 0;
  std::array<std::uint64_t, rollout::kPhases.size()> phases_{};
};

class FaultSimulationPart : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(FaultSimulationPart, KeepsThePromises) {
  const char* const only = std::getenv("CANARYD_SIM_SEED");
  const std::uint64_t first = only != nullptr ? std::strtoull(only, nullptr, 10) : 1 + GetParam();
  const std::uint64_t last = only != nullptr ? first : kSeeds;
  std::array<std::uint64_t, rollout::kPhases.size()> seen{};
  for (std::uint64_t seed = first; seed <= last; seed += kParts) {
    Simulation simulation(seed);
    const std::string broken = simulation.run();
    ASSERT_EQ(broken, "") << "CANARYD_SIM_SEED=" << seed << " repeats it";
    for (std::size_t i = 0; i < seen.size(); ++i) seen.at(i) += simulation.phases().at(i);
  }
  if (only != nullptr) return;
  for (const Phase phase : rollout::kPhases) {
    EXPECT_GT(seen.at(static_cast<std::size_t>(phase)), 0U)
        << to_string(phase) << " was not simulated";
  }
}

INSTANTIATE_TEST_SUITE_P(Parts, FaultSimulationPart, ::testing::Range(std::uint64_t{0}, kParts));

// The same seed is the same run, or no failure could be repeated.
TEST(FaultSimulation, ASeedIsARun) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    Simulation one(seed);
    Simulation two(seed);
    EXPECT_EQ(one.run(), two.run());
    EXPECT_EQ(one.phases(), two.phases());
  }
}

}  // namespace
}  // namespace canaryd::control::test
