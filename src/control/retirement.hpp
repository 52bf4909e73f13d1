// What control knows of an old version that is to be retired: how long nobody has used it, and who
// did last.
//
// The workers note each use (stats/stable_use.hpp) and control reads that once a second. Idle time
// is time that was watched. It is stored as it grows, and at once when it or the watch is over, so
// that a restart goes on with it; but the last second before a crash may be lost, so kWatchAnew of
// it is always watched again.
//
// Thread rule: the control thread, but for what share() hands out.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/config/config.hpp"
#include "canaryd/control/backend.hpp"
#include "canaryd/rollout/state.hpp"
#include "canaryd/stats/stable_use.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace canaryd::control {

class StableWatch {
 public:
  static constexpr std::size_t kStragglersMax = 20;

  static constexpr Duration kWatchAnew = std::chrono::hours(1);
  static constexpr Duration kSaveEvery = std::chrono::minutes(1);

  // Whatever the store has of an earlier watch, the first look replaces it.
  StableWatch(std::size_t workers, Duration idle);

  [[nodiscard]] const std::shared_ptr<stats::StableUse>& share(std::size_t worker) const {
    return shares_[worker];
  }
  // Once a second. `open`: requests and tunnels that are under way.
  void look(Monotonic now, WallTime wall_now, std::uint64_t open);

  [[nodiscard]] Duration idle() const noexcept { return idle_; }
  // What the store should know and does not; nothing if it is near enough, or being told.
  [[nodiscard]] std::optional<Duration> to_save() const noexcept;
  void saving(Duration idle) noexcept;
  void saved(bool ok) noexcept;
  // As of the last look().
  [[nodiscard]] std::uint64_t open() const noexcept { return open_; }
  [[nodiscard]] std::uint64_t uses() const noexcept { return uses_; }
  // Newest first; who has not come back for longest goes first.
  [[nodiscard]] const std::vector<StragglerView>& stragglers() const noexcept {
    return stragglers_;
  }

 private:
  void remember(const stats::StableUser& user, WallTime at);

  std::vector<std::shared_ptr<stats::StableUse>> shares_;  // One a worker.
  std::vector<StragglerView> stragglers_;
  Monotonic looked_at_{};
  bool looked_ = false;
  Duration idle_{};
  std::optional<Duration> stored_;  // Not set: not known.
  bool saving_ = false;
  std::uint64_t open_ = 0;
  std::uint64_t uses_ = 0;
};

// "route shop (force) from 127.0.0.1, curl/8.1, 3 times, last at 2026-01-05T10:02:00Z".
[[nodiscard]] std::string describe(const StragglerView& straggler);

// The hook as it is to be called, and what it is told.
[[nodiscard]] config::Hook decommission_hook(const config::Rollout& rollout,
                                             const rollout::State& state);
[[nodiscard]] std::string decommission_body(const rollout::State& state, const std::string& name);

}  // namespace canaryd::control
