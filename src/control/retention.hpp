// Sweeps what may go out of the state (state.retention): when the daemon starts, when the rule
// changes, and once a day; a part of it with each tick, so that the store is never held up for
// long. Private to the room.
//
// Thread rule: the control thread.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/log.hpp"
#include "canaryd/config/config.hpp"
#include "canaryd/store/async_store.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace canaryd::control {

class RetentionSweep {
 public:
  RetentionSweep(store::AsyncStore& store, Log& log, std::shared_ptr<const bool> alive)
      : store_(store), log_(log), alive_(std::move(alive)) {}

  // Once a second. `readers`: whose rows may not go unread.
  void tick(const config::Retention& rule,
            const std::vector<store::RolloutReader>& readers,
            Monotonic now,
            WallTime wall_now);

  // Rows taken out since the daemon started.
  [[nodiscard]] std::uint64_t entries() const noexcept { return entries_; }
  [[nodiscard]] std::uint64_t evidence() const noexcept { return evidence_; }

 private:
  void took(const Result<store::Pruned>& pruned);

  store::AsyncStore& store_;
  Log& log_;
  std::shared_ptr<const bool> alive_;
  config::Retention rule_;
  std::optional<Monotonic> next_sweep_;
  std::optional<std::uint64_t> at_;  // A sweep is under way, and has come so far.
  bool busy_ = false;
  store::Pruned swept_;  // In this sweep.
  std::uint64_t entries_ = 0;
  std::uint64_t evidence_ = 0;
};

}  // namespace canaryd::control
