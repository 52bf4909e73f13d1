// What the queries ask for beside keeping the step: to be held, or rolled back. A query has no
// statistics behind it; how often it must say so is counted before it gets here.
#include "rollout/draft.hpp"

namespace canaryd::rollout {
namespace {

bool is_about_readings(HoldReason reason) noexcept {
  return reason == HoldReason::kNoReading || reason == HoldReason::kBadReading;
}

}  // namespace

std::optional<Transition> heed_readings(Draft& draft, const Tick& tick) {
  // With stable in trouble too, nobody is blamed.
  if (is_degraded(tick) || draft.plan.mode != Mode::kEnforce) return std::nullopt;
  if (tick.readings == Readings::kRollback) {
    draft.end(Phase::kRolledBack);
    return draft.commit(Cause::kBadReading);
  }
  const bool bad = tick.readings == Readings::kBad;
  if (!bad && tick.readings != Readings::kNone) return std::nullopt;
  const HoldReason reason = bad ? HoldReason::kBadReading : HoldReason::kNoReading;
  const State& state = draft.state;
  const bool moves = state.phase == Phase::kProgressing || state.phase == Phase::kWaiting;
  const bool changes =
      state.phase == Phase::kHeld && is_about_readings(state.hold) && state.hold != reason;
  if (!moves && !changes) return std::nullopt;
  draft.hold(reason);
  return draft.commit(bad ? Cause::kBadReading : Cause::kNoReading);
}

std::optional<Transition> recover_by_readings(Draft& draft, const Tick& tick) {
  if (!is_about_readings(draft.state.hold) || tick.readings != Readings::kGood) return std::nullopt;
  draft.enter(Phase::kProgressing);
  return draft.commit(Cause::kGoodReading);
}

}  // namespace canaryd::rollout
