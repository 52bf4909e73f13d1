// What a reload changes, key by key, and which of it waits for a restart. Pure.
#pragma once

#include "canaryd/config/config.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::config {

struct Change {
  enum class Kind : std::uint8_t { kAdded, kRemoved, kChanged };
  Kind kind = Kind::kChanged;
  std::string path;  // "rollouts.checkout.steps[1].weight", "listeners[public]" for a whole one.
  // As in the file, but with a mask in place of what may be a secret (schema.hpp), so that what has
  // changed behind a mask alone is the same in both. Empty for kAdded.
  std::string before;
  std::string after;  // Empty for kRemoved.
  bool needs_restart = false;
  friend bool operator==(const Change&, const Change&) = default;
};

// In the order of the file; empty when nothing changed.
[[nodiscard]] std::vector<Change> diff(const Config& before, const Config& after);
// Where `before` is known by its masked dump: what has changed behind a mask alone is left out.
[[nodiscard]] std::vector<Change> diff_masked(const Config& before, const Config& after);

// What a reload does to a rollout that is under way.
struct RolloutChange {
  enum class Fate : std::uint8_t {
    kAdded,      // Begins, or goes on where it stood when it left the file.
    kEnds,       // Leaves the file; its journal stays.
    kRenewed,    // Another stable, canary or revision: weight 0, fresh evidence.
    kReplanned,  // Other steps: the weight stays, and what comes next may change.
    kKept,       // State, step and evidence stay.
  };
  std::string name;
  Fate fate = Fate::kKept;
  std::string why;  // Of kRenewed: "canary v2 -> v3".
  // Tolerances, limits or odds differ: a run that is under way is judged by those it began with.
  bool judges_next_run = false;
  // Users are drawn anew: which of salt, keys and issue_cookie differ, and what that does to a
  // split that is kept; a sentence. Empty: everybody keeps the version.
  std::string redrawn{};
  friend bool operator==(const RolloutChange&, const RolloutChange&) = default;
};

[[nodiscard]] std::string_view to_string(RolloutChange::Fate fate) noexcept;  // "renewed"

// Those of `after` in its order, then those that end.
[[nodiscard]] std::vector<RolloutChange> diff_rollouts(const Config& before, const Config& after);

// One line each: "drain.timeout: 30s -> 1m", "upstreams.shop-v3: added", "workers: auto -> 4 (needs
// a restart)".
[[nodiscard]] std::string render_changes(const std::vector<Change>& changes);

// Those within one rollout, for its journal: "freeze: added; bake.duration: 30m -> 1h". Empty:
// none. Those of steps come last; what would be longer than kRolloutChangesMax bytes is counted:
// "...; and 12 more".
inline constexpr std::size_t kRolloutChangesMax = 3000;
[[nodiscard]] std::string render_rollout_changes(const std::vector<Change>& changes,
                                                 std::string_view rollout);

}  // namespace canaryd::config
