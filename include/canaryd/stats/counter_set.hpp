// All counter blocks of one worker under one table epoch, by route and cohort.
//
// Blocks are made when a route first has traffic: a file with thousands of routes costs nothing
// until they are used. The worker's table and the collector share the set, so a request that ends
// under a later table still counts here; the collector lets go of an old set once the worker has
// (use_count) and it was read one last time.
//
// Thread rule: at() on the worker only; find() and epoch() from any thread.
#pragma once

#include "canaryd/base/strong.hpp"
#include "canaryd/stats/counter_block.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace canaryd::stats {

class CounterSet {
 public:
  CounterSet(std::uint64_t epoch, std::size_t routes) : epoch_(epoch), slots_(routes) {}
  CounterSet(const CounterSet&) = delete;
  CounterSet& operator=(const CounterSet&) = delete;

  [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
  [[nodiscard]] std::size_t routes() const noexcept { return slots_.size(); }

  [[nodiscard]] CounterBlock& at(RouteId route, Cohort cohort) {
    Slot& slot = slots_[route.index()][static_cast<std::size_t>(cohort)];
    if (CounterBlock* block = slot.seen.load(std::memory_order_relaxed)) return *block;
    slot.block = std::make_unique<CounterBlock>();
    slot.seen.store(slot.block.get(), std::memory_order_release);
    return *slot.block;
  }

  // Null while there was no traffic.
  [[nodiscard]] const CounterBlock* find(RouteId route, Cohort cohort) const noexcept {
    return slots_[route.index()][static_cast<std::size_t>(cohort)].seen.load(
        std::memory_order_acquire);
  }

 private:
  struct Slot {
    std::unique_ptr<CounterBlock> block;
    std::atomic<CounterBlock*> seen{nullptr};
  };

  std::uint64_t epoch_;
  std::vector<std::array<Slot, kCohortCount>> slots_;  // Cohort is the inner index.
};

}  // namespace canaryd::stats
