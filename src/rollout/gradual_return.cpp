// A stable version that has been out of use is cold: its caches are empty, and it may have been
// scaled down. `rollback` over a time brings everybody back to it in tenths instead of at once.
#include "canaryd/base/units.hpp"
#include "rollout/draft.hpp"

#include <algorithm>

namespace canaryd::rollout {
namespace {

constexpr unsigned kFalls = 10;
constexpr Duration kOverMin = std::chrono::seconds(10);
constexpr Duration kOverMax = std::chrono::hours(24);
// Ticks come once a second: a fall is due with the nearest one, lest short ones take twice as long.
constexpr Duration kHalfATick = std::chrono::milliseconds(500);

Transition fall(Draft& draft, Cause cause) {
  const State& state = draft.state;
  if (state.weight <= state.return_by) {
    draft.end(Phase::kRolledBack);
  } else {
    draft.begin_step(BasisPoints(state.weight.value() - state.return_by.value()));
  }
  return draft.commit(cause);
}

}  // namespace

bool is_returning(const State& state) noexcept {
  const bool suspended = state.phase == Phase::kSuspended;
  return (suspended ? state.suspended_hold : state.hold) == HoldReason::kReturning;
}

Transition begin_return(Draft& draft, Duration over, bool stable_up) {
  State& state = draft.state;
  if (over < kOverMin || over > kOverMax) {
    return draft.refuse("cannot go back over " + format_duration(over) + ": it takes 10s to 1d");
  }
  // The first tenth goes now, or when stable is up; the last one when `over` has passed.
  const auto every = std::chrono::ceil<std::chrono::milliseconds>(over / (kFalls - 1));
  if (state.phase == Phase::kSuspended) {
    return draft.refuse("is suspended: everybody is on stable already; `rollback` ends it");
  }
  if (state.phase == Phase::kRetiring) {
    return draft.refuse(
        "is retiring: nobody has been on stable for long; `unretire` first, or `rollback` at once");
  }
  if (is_returning(state)) {
    if (state.return_every == every) return draft.unchanged();
    state.return_every = every;
    return draft.commit(Cause::kOperator);
  }
  draft.hold(HoldReason::kReturning);
  state.return_by = BasisPoints((state.weight.value() + kFalls - 1) / kFalls);
  state.return_every = every;
  if (stable_up) return fall(draft, Cause::kOperator);
  state.step_since = draft.now - every;
  return draft.commit(Cause::kOperator);
}

Transition go_on_returning(Draft& draft) {
  if (draft.in_step() + kHalfATick < draft.state.return_every) return draft.unchanged();
  return fall(draft, Cause::kReturning);
}

}  // namespace canaryd::rollout
