// What can happen to a rollout. Each event is handled in each phase (docs/rollout-states.md).
//
// Plain values; pure; any thread.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/rollout/plan.hpp"
#include "canaryd/rollout/state.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace canaryd::rollout {

// ---- Operator commands. Each but Retry is idempotent: what is so already is no change.

struct Start {
  std::optional<std::string> revision;  // Other than the one in force: a new rollout.
  bool stable_up = true;                // A new revision needs a stable to go back to.
};
struct Retry {
  bool stable_up = true;  // Who begins again sends users back there.
};
struct Promote {
  bool full = false;  // Straight to the end instead of the next step.
};
struct Pause {};
struct Resume {};
struct Abort {};
struct RollBack {
  // Not at once but in ten falls over so long, 10 s to a day, for a stable that is cold. Nothing:
  // at once; no time at all is refused like any that is too short, for who gave it wants it slow.
  std::optional<Duration> over{};
  bool stable_up = true;  // With `over`: until it is, nobody goes there.
};
struct SetWeight {
  BasisPoints weight;
};
struct Approve {
  std::string gate;
  std::optional<WallTime> expires;
  std::string by{};  // Who approves; empty: the actor of the event.
};
// The old version out of use, as control knows it now.
struct StableUse {
  std::optional<Duration> idle{};  // So long without a request; not set: nobody has looked.
  bool active = false;             // Requests or tunnels are open.
  bool shared = false;             // Somebody else in the configuration needs it.
  friend bool operator==(const StableUse&, const StableUse&) = default;
};
// Once it has been idle for long enough. What a hook did not do is tried again, or taken as done.
struct Retire {
  StableUse use;
  bool skip_hook = false;
};
// The old version is back, and stays until the next Retire.
struct Unretire {};

// ---- The world

// What the queries of a rollout say: the worst of them, and later ones are worse.
enum class Readings : std::uint8_t {
  kGood,      // Each has a fresh reading, which is good; or there is no query.
  kOpen,      // Not all have: no step passes, and nothing else happens yet.
  kNone,      // One has had no reading for too long: the weight is held.
  kBad,       // One says no, and wants that held.
  kRollback,  // One says no, and wants the canary rolled back.
};

// Of Plan::asks_before_step: what those who are asked, hooks and the others of a group, say of the
// step that is next.
enum class Consent : std::uint8_t { kUnknown, kGiven, kRefused };

// Sent once a second or so, and with each new verdict. Everything in it is the level now, not a
// change, so that a lost one does no harm.
struct Tick {
  Judgement judgement = Judgement::kHold;
  std::uint64_t requests = 0;  // Of the canary, in this step.
  // More of the canary's than is tolerated hang, and nobody judges that: no step is accepted yet.
  bool canary_hangs = false;
  bool no_data = false;     // The analysis has nothing to judge by, or nothing of one metric.
  bool no_control = false;  // Everybody is on the canary: there is no stable to compare with.
  bool stable_up = true;    // Has healthy endpoints.
  // Somebody has looked since the daemon started. Until then stable counts as up, but nothing
  // rises, returns or retires on the strength of that.
  bool stable_known = true;
  bool canary_up = true;
  // Both versions fail much more than stable used to, or stable is much slower.
  bool both_failing = false;
  Readings readings = Readings::kGood;
  bool after_promoted = false;  // Of StartMode::kAfter: the other rollout is.
  Consent consent = Consent::kUnknown;
  bool group_failed = false;  // Another rollout of the group has ended since this step began.
  StableUse stable_use{};
};

// From the data plane's gate, which has lowered itself already (docs/statistics.md).
enum class Trip : std::uint8_t { kCircuit, kUnhealthy, kExposure };
[[nodiscard]] std::string_view to_string(Trip trip) noexcept;

struct CircuitOpened {
  Trip why = Trip::kCircuit;
};
struct CircuitClosed {};  // Enough probes succeeded.
// The probes failed, or the exposure budget is used up. stable_failing: so does stable, therefore
// the canary is not blamed.
struct ProtectionFailed {
  Trip why = Trip::kCircuit;
  bool stable_failing = false;
};

// The call that Decommission asked for is over.
struct HookEnded {
  bool ok = false;
  std::string said;    // "exit code 0"; untrusted text.
  bool called = true;  // False: something came first, and nobody has been called.
};

// A reload. The plan given to step() with it is the new one.
struct NewPlan {
  bool stable_up = true;
  // Anything at all is different, be it only a gate, a freeze or a hook: that is told in the
  // journal even if it changes nothing now.
  bool changed = false;
};
// The daemon has read this state from the journal. The plan may have changed meanwhile.
struct Restart {
  bool stable_up = true;
};

struct Event {
  using What = std::variant<Start,
                            Retry,
                            Promote,
                            Pause,
                            Resume,
                            Abort,
                            RollBack,
                            SetWeight,
                            Approve,
                            Retire,
                            Unretire,
                            Tick,
                            CircuitOpened,
                            CircuitClosed,
                            ProtectionFailed,
                            HookEnded,
                            NewPlan,
                            Restart>;
  What what;
  std::string actor = "canaryd";  // Who; "canaryd" for what happens by itself.
  std::string reason;             // The operator's words. Untrusted text; at most 1 KiB is kept.
  std::string evidence;  // For people: "errors canary 4.1 % vs stable 0.2 %, tolerated 0.32 %".
  // Rises with each event of any rollout: the order they came in.
  std::uint64_t turn = 0;
};

// "start", "set_weight", "tick": for the journal.
[[nodiscard]] std::string_view name_of(const Event& event) noexcept;
// Commands come from an operator; all others happen by themselves.
[[nodiscard]] bool is_command(const Event& event) noexcept;

}  // namespace canaryd::rollout
