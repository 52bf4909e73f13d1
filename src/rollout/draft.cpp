#include "rollout/draft.hpp"

#include "canaryd/base/text.hpp"
#include "canaryd/base/units.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::rollout {
namespace {

constexpr std::size_t kMaxReason = 1024;
constexpr std::size_t kMaxEvidence = 4096;

// Whether a phase has a step that is going on, whose length says something.
bool has_step(Phase phase) noexcept {
  return phase != Phase::kIdle && phase != Phase::kRolledBack && phase != Phase::kAborted &&
         phase != Phase::kRetired;
}

// While nothing moves, neither does the time that a step or a bake must last.
bool clocks_stand(Phase phase) noexcept {
  return phase == Phase::kPaused || phase == Phase::kSuspended || phase == Phase::kHeld;
}

}  // namespace

Draft::Draft(const Plan& plan_in, const State& before_in, const Event& event_in, WallTime now_in)
    : plan(plan_in),
      before(before_in),
      event(event_in),
      now(std::min(std::max({now_in, before_in.since, before_in.step_since, before_in.timer_since}),
                   kForever)),
      date(std::min(now_in, kForever)),
      state(before_in) {}

void Draft::enter(Phase phase) {
  if (clocks_stand(state.phase)) {
    const auto stood = now - state.since;
    state.step_since = std::min(now, state.step_since + stood);
    state.timer_since = std::min(now, state.timer_since + stood);
  }
  if (state.phase == Phase::kWaiting) {
    // Whether max_duration was over when the wait began stays known.
    state.timer_since = std::min(now, state.timer_since + (now - state.since));
  }
  state.phase = phase;
  state.since = now;
  state.hold = HoldReason::kNone;
  state.spilling = false;
  state.unhealthy = false;
}

void Draft::hold(HoldReason reason) {
  enter(Phase::kHeld);
  state.hold = reason;
}

void Draft::begin_step(BasisPoints weight) {
  forget_gates_below(weight);
  state.weight = weight;
  state.step_since = state.timer_since = now;
  rejudge_step();
}

// A gate belongs to the end of its step, so it is passed by whoever goes to a later one. An
// approval is for one passage.
void Draft::forget_gates_below(BasisPoints weight) {
  for (std::size_t i = step_at(plan, state.weight); i < step_at(plan, weight); ++i) {
    state.approvals.erase(plan.steps[i].gate);
  }
}

void Draft::rejudge_step() {
  state.step = step_at(plan, state.weight);
  state.next_weight = weight_above(plan, state.weight);
  // A bad verdict stays what it is at every weight; an acceptance was for one step.
  if (state.observed == Judgement::kAccept) state.observed = Judgement::kHold;
  step_begun_ = true;
}

void Draft::begin_run(std::string revision) {
  state.stable = plan.stable;
  state.canary = plan.canary;
  state.plan_revision = plan.revision;
  state.revision = std::move(revision);
  state.condemned = false;
  state.keeps_stable = false;
  state.observed = Judgement::kHold;
  state.approvals.clear();
  state.run_since = plan.group.empty() ? WallTime() : now;
  state.run_turn = plan.group.empty() ? 0 : event.turn;
  fresh_ = true;
  begin_step(step_weight(plan, 0));
  enter(Phase::kProgressing);
}

void Draft::advance() {
  const auto next = step_above(plan, state.weight);
  if (!next) return bake_from_here();
  begin_step(step_weight(plan, *next));
  enter(Phase::kProgressing);
}

void Draft::bake_from_here() {
  // Not full_weight() alone: what was set by hand above it is not taken back here.
  const BasisPoints weight = std::max(state.weight, full_weight(plan));
  if (weight != state.weight) begin_step(weight);
  // The gate of the last step too is behind it.
  state.approvals.clear();
  state.timer_since = now;
  enter(Phase::kBaking);
}

void Draft::promote() {
  constexpr BasisPoints kEverybody{BasisPoints::kMax};
  if (state.weight < kEverybody) begin_step(kEverybody);
  enter(Phase::kPromoted);
}

void Draft::wait_for_thaw() {
  enter(Phase::kWaiting);
  state.hold = HoldReason::kFreeze;
}

void Draft::retire() {
  state.keeps_stable = false;
  state.retire_said.clear();
  enter(Phase::kRetiring);
}

void Draft::put_stable_back() {
  state.retire_hook = RetireHook::kNone;
  state.retire_said.clear();
  enter(Phase::kPromoted);
}

void Draft::call_hook() {
  state.retire_hook = RetireHook::kCalled;
  state.retire_said.clear();
  calls_hook_ = true;
}

void Draft::end(Phase phase) {
  state.keeps_stable = false;
  state.retire_hook = RetireHook::kNone;
  state.retire_said.clear();
  state.weight = BasisPoints();
  state.next_weight = BasisPoints();
  state.step = 0;
  state.condemned = false;
  state.observed = Judgement::kHold;
  state.approvals.clear();
  enter(phase);
}

// Whoever joins a group, leaves mode observe or goes back among the steps begins there: what ended
// before that is not its end. Who ends by its group has no part in who began since: the others are
// bound to the one that ended first.
void Draft::bind(Cause cause) {
  const bool ends = has_ended(state);
  if (ends && (has_ended(before) || before.phase == Phase::kIdle)) return;
  const bool bound =
      ends ? cause != Cause::kGroup
           : state.phase != Phase::kIdle && plan.mode == Mode::kEnforce && !stable_is_gone(state);
  if (plan.group.empty() || !bound) {
    state.group.clear();
    state.group_turn = 0;
    return;
  }
  const bool back = is_past_the_bake(before) && !is_past_the_bake(state);
  if (!ends && !fresh_ && !back && state.group == plan.group) return;
  // Of one that joins in its midst; see run_since.
  if (!ends && state.run_since == WallTime()) {
    state.run_since = now;
    state.run_turn = event.turn;
  }
  state.group = plan.group;
  state.group_turn = event.turn;
}

// Of one that joins a group later, only the time is known.
void Draft::note_bake() {
  if (plan.group.empty() || !is_past_all_steps(state)) {
    state.bake_turn = 0;
  } else if (!is_past_all_steps(before)) {
    state.bake_turn = event.turn;
  }
}

const Step& Draft::current_step() const {
  return plan.steps[step_at(plan, state.weight)];
}

Duration Draft::in_step() const {
  return now - state.step_since;
}

Duration Draft::on_timer() const {
  return now - state.timer_since;
}

bool Draft::gate_open() const {
  const Step& step = current_step();
  return step.gate.empty() || approvals_given(step, state, date) >= step.approvals.needed;
}

std::optional<WallTime> Draft::frozen_until() const {
  return rollout::frozen_until(plan.freeze, date);
}

bool Draft::must_thaw() const {
  return state.weight < full_weight(plan) && frozen_until().has_value();
}

bool Draft::is_idle(const StableUse& use) const {
  return plan.retire && !use.active && use.idle && *use.idle >= plan.retire->idle_for;
}

bool Draft::must_ask() const {
  return plan.asks_before_step && state.weight < full_weight(plan);
}

// Whatever else happens meanwhile does not suspend it anew.
bool Draft::stays_suspended() const noexcept {
  return before.phase == Phase::kSuspended && state.phase == Phase::kSuspended;
}

bool Draft::stays_paused() const noexcept {
  const bool moved_by_hand = std::holds_alternative<SetWeight>(event.what);
  return before.phase == Phase::kPaused && state.phase == Phase::kPaused && !moved_by_hand;
}

void Draft::pause_beneath() {
  state.suspended_from = Phase::kPaused;
  state.suspended_hold = HoldReason::kNone;
  state.paused_reason = tidy_text(event.reason, kMaxReason);
}

Transition Draft::commit(Cause cause) {
  state.generation = before.generation + 1;
  if (state.phase != Phase::kSuspended || state.suspended_from != Phase::kPaused) {
    state.paused_reason.clear();
  }
  if (!is_returning(state)) {
    state.return_by = BasisPoints();
    state.return_every = {};
  }
  if (fresh_) state.run = state.generation;
  bind(cause);
  note_bake();
  state.actor = tidy_text(event.actor, kMaxText);
  state.reason = tidy_text(event.reason, kMaxReason);

  Transition result;
  result.outcome = Outcome::kChanged;
  result.change = change(cause);
  std::vector<Effect>& effects = result.effects;
  const Publish publish{served_weight(state), admission(state)};
  const bool visible = result.change.direction != Direction::kSame;
  const bool falls = result.change.direction == Direction::kDown;
  if (visible && falls) effects.emplace_back(publish);
  effects.emplace_back(Persist{});
  if (fresh_) effects.emplace_back(FreshEvidence{state.run});
  if (step_begun_) effects.emplace_back(BeginStep{state.step, state.weight, state.next_weight});
  if (visible && !falls) effects.emplace_back(publish);
  if (calls_hook_) effects.emplace_back(Decommission{});
  effects.emplace_back(Announce{sentence(result.change)});
  if (stays_suspended() || stays_paused()) {
    state.actor = before.actor;
    state.reason = before.reason;
  }
  result.state = std::move(state);
  return result;
}

Transition Draft::unchanged() const {
  Transition result;
  result.state = before;
  return result;
}

Transition Draft::refuse(std::string why) const {
  Transition result;
  result.state = before;
  result.outcome = Outcome::kRefused;
  result.refusal = plan.name + " " + std::move(why);
  return result;
}

Transition Draft::refuse_frozen(WallTime until, const char* what) const {
  return refuse("is frozen until " + format_time(until) + ": " + what);
}

Change Draft::change(Cause cause) const {
  Change result;
  result.rollout = plan.name;
  result.generation = state.generation;
  result.at = now;
  result.event = name_of(event);
  result.actor = state.actor;
  result.reason = state.reason;
  result.evidence = tidy_text(event.evidence.empty() ? evidence : event.evidence, kMaxEvidence);
  result.revision = state.revision;
  result.from = before.phase;
  result.to = state.phase;
  result.hold = state.hold;
  result.hold_before = before.hold;
  result.cause = cause;
  result.direction = direction();
  result.step = state.step;
  result.step_count = plan.steps.size();
  result.weight_before = served_weight(before);
  result.weight_after = served_weight(state);
  result.weight_set = state.weight;
  result.stable = before.stable;
  // An end forgets it, but not what it meant.
  result.retire_hook =
      state.retire_hook == RetireHook::kNone ? before.retire_hook : state.retire_hook;
  result.gate = gate;
  result.approvals = approvals;
  if (state.phase == Phase::kWaiting && state.hold == HoldReason::kFreeze) {
    result.until = frozen_until();
  }
  if (const Tick* tick = std::get_if<Tick>(&event.what)) {
    result.requests = tick->requests;
    result.judgement = tick->judgement;
    result.stable_down = !tick->stable_up;
  } else {
    result.stable_down = before.spilling;
  }
  if (has_step(before.phase)) result.elapsed = now - before.step_since;
  result.return_every = state.return_every;
  return result;
}

Direction Draft::direction() const {
  const auto order = [](const State& s) { return std::pair(served_weight(s), admission(s)); };
  if (order(state) == order(before)) return Direction::kSame;
  return order(state) > order(before) ? Direction::kUp : Direction::kDown;
}

std::string tidy_text(const std::string& text, std::size_t limit) {
  std::string result;
  append_printable(result, text);
  if (result.size() <= limit) return result;
  std::size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(result[end]) & 0xc0U) == 0x80U) --end;
  result.resize(end);
  return result;
}

}  // namespace canaryd::rollout
