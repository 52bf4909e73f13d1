// How a promoted rollout gives up its old version: idle for long enough, out of use, gone.
//
// Until the hook is called nothing is lost, and whatever needs the old version brings it back. The
// call is journalled before it is made and its end after, so it is made once; what became of one
// that a crash cut off is for the operator to find out.
#include "rollout/draft.hpp"

namespace canaryd::rollout {
namespace {

// Whether the hook is to be called, now that the old version is given up.
bool wants_hook(const Draft& draft, const StableUse& use) {
  return draft.plan.retire && draft.plan.retire->hook && !use.shared;
}

void give_up(Draft& draft, const StableUse& use) {
  if (wants_hook(draft, use)) return draft.call_hook();
  const bool left_out = draft.plan.retire && draft.plan.retire->hook;
  draft.state.retire_hook = left_out ? RetireHook::kLeftOut : RetireHook::kNone;
  draft.enter(Phase::kRetired);
}

// Mode observe only watches, and a plan of another rollout, which cannot begin before, has the
// version that is given up as its stable one: both leave the end of it to the operator.
bool ends_by_itself(const Draft& draft) {
  return draft.plan.mode == Mode::kEnforce && !is_another_rollout(draft.plan, draft.state);
}

// Nobody is there any more, and the time to bring it back has passed. The calendar alone does not
// say that: while the rollout was not in the file, others may have gone there.
bool is_undo_over(const Draft& draft, const StableUse& use) {
  const RetirePlan& plan = *draft.plan.retire;
  return draft.is_idle(use) && draft.now - draft.state.since >= plan.drain + plan.undo;
}

std::string not_idle(const Draft& draft, const Retire& retire) {
  if (draft.plan.retire == std::nullopt) return "has no `retire` in its configuration";
  const std::string is = "is not retirable: " + draft.state.stable + " ";
  if (retire.use.active) return is + "has requests or tunnels open";
  return is + "has not been without requests for long enough";
}

// A version that was ended does not come back, so by hand too that is left to hours in which
// somebody is there for what comes of it.
constexpr const char* kNotInAFreeze = "nothing is retired before that";

Transition begin(Draft& draft, const Retire& retire) {
  if (draft.is_idle(retire.use)) {
    if (const auto until = draft.frozen_until()) return draft.refuse_frozen(*until, kNotInAFreeze);
    draft.retire();
    return draft.commit(Cause::kOperator);
  }
  if (!draft.plan.retire || !draft.state.keeps_stable) {
    return draft.refuse(not_idle(draft, retire));
  }
  draft.state.keeps_stable = false;
  return draft.commit(Cause::kOperator);
}

// What the hook has not done, or nobody knows. That the file has it no more does not say that it
// was done.
Transition try_again(Draft& draft, const Retire& retire) {
  if (const auto until = draft.frozen_until()) return draft.refuse_frozen(*until, kNotInAFreeze);
  const bool has_hook = draft.plan.retire && draft.plan.retire->hook;
  if (!has_hook && !retire.skip_hook) {
    const std::string what = draft.plan.retire ? "decommission hook" : "`retire`";
    return draft.refuse("has no " + what +
                        " in its configuration; `retire --skip-hook` takes its hook as done");
  }
  if (retire.skip_hook) {
    draft.enter(Phase::kRetired);
  } else {
    if (draft.state.phase == Phase::kRetired) draft.enter(Phase::kRetiring);
    give_up(draft, retire.use);
  }
  return draft.commit(Cause::kOperator);
}

// What nobody has ended by itself: see ends_by_itself().
Transition end_by_hand(Draft& draft, const Retire& retire) {
  if (!draft.plan.retire || ends_by_itself(draft)) return draft.unchanged();
  if (is_another_rollout(draft.plan, draft.state)) {
    return draft.refuse("is to have " + draft.state.stable +
                        " as its stable version by its configuration: `unretire` keeps it; to give "
                        "it up, name another one there");
  }
  if (!is_undo_over(draft, retire.use)) return draft.unchanged();
  if (const auto until = draft.frozen_until()) return draft.refuse_frozen(*until, kNotInAFreeze);
  if (retire.skip_hook) {
    return draft.refuse(
        "has not called its decommission hook: `--skip-hook` is for one that has "
        "failed or may have run");
  }
  give_up(draft, retire.use);
  return draft.commit(Cause::kOperator);
}

}  // namespace

Transition retire_when_idle(Draft& draft, const Tick& tick) {
  const bool held_up = draft.state.keeps_stable || is_degraded(tick) || !tick.stable_known ||
                       !tick.canary_up || tick.readings != Readings::kGood || draft.frozen_until();
  if (held_up || !draft.is_idle(tick.stable_use)) return draft.unchanged();
  draft.retire();
  return draft.commit(Cause::kIdle);
}

Transition go_on_retiring(Draft& draft, const Tick& tick) {
  if (!draft.plan.retire || draft.state.retire_hook != RetireHook::kNone) {
    return draft.unchanged();
  }
  const Duration so_far = draft.now - draft.state.since;
  if (tick.stable_use.active && so_far >= draft.plan.retire->drain) {
    draft.put_stable_back();
    return draft.commit(Cause::kStraggler);
  }
  const bool over = is_undo_over(draft, tick.stable_use) && ends_by_itself(draft);
  if (!over || !tick.canary_up || draft.frozen_until()) return draft.unchanged();
  give_up(draft, tick.stable_use);
  return draft.commit(Cause::kUndoOver);
}

Transition handle(Draft& draft, const Retire& retire) {
  const State& state = draft.state;
  const bool left_out = state.phase == Phase::kRetired && state.retire_hook == RetireHook::kLeftOut;
  if (state.phase == Phase::kPromoted) return begin(draft, retire);
  if (left_out && wants_hook(draft, retire.use) && !retire.skip_hook) {
    return try_again(draft, retire);
  }
  if (state.phase == Phase::kRetired) return draft.unchanged();
  if (state.phase != Phase::kRetiring) {
    return draft.refuse("is not promoted: only then its old version is retired");
  }
  const bool stuck =
      state.retire_hook == RetireHook::kFailed || state.retire_hook == RetireHook::kUnknown;
  if (stuck) return try_again(draft, retire);
  return state.retire_hook == RetireHook::kNone ? end_by_hand(draft, retire) : draft.unchanged();
}

Transition handle(Draft& draft, const Unretire&) {
  State& state = draft.state;
  if (stable_is_gone(state)) {
    return draft.refuse(state.phase == Phase::kRetired
                            ? "is retired: its old version is gone"
                            : "has called its decommission hook: the old version may be gone");
  }
  if (state.phase == Phase::kRetiring) {
    draft.put_stable_back();
  } else if (state.phase != Phase::kPromoted) {
    return draft.refuse("is not being retired");
  } else if (state.keeps_stable) {
    return draft.unchanged();
  }
  state.keeps_stable = true;
  return draft.commit(Cause::kOperator);
}

Transition handle(Draft& draft, const HookEnded& ended) {
  State& state = draft.state;
  const bool awaited =
      state.phase == Phase::kRetiring &&
      (state.retire_hook == RetireHook::kCalled || state.retire_hook == RetireHook::kUnknown);
  if (!awaited) return draft.unchanged();
  state.retire_said = tidy_text(ended.said, kMaxText);
  if (!ended.called) {
    state.retire_hook = RetireHook::kNone;
    return draft.commit(Cause::kDecommission);
  }
  state.retire_hook = ended.ok ? RetireHook::kDone : RetireHook::kFailed;
  if (ended.ok) draft.enter(Phase::kRetired);
  return draft.commit(Cause::kDecommission);
}

}  // namespace canaryd::rollout
