// All counters of one worker under one table epoch: blocks by route and cohort, those of the
// segments that rollouts watch, and of each rollout those of its clients in groups.
//
// Blocks are made when a route first has traffic: a file with thousands of routes costs nothing
// until they are used. The worker's table and the collector share the set, so a request that ends
// under a later table still counts here; the collector lets go of an old set once the worker has
// (use_count) and it was read one last time.
//
// Thread rule: at(), segment() and client_groups() on the worker only; all else from any thread.
#pragma once

#include "canaryd/base/strong.hpp"
#include "canaryd/stats/client_groups.hpp"
#include "canaryd/stats/counter_block.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace canaryd::stats {

// ---- Segments (`analysis.watch`): evidence only, and of that only errors. One may have a handful
// of requests, so a request that is half counted would matter: both figures are in one word.
// Bounds: 2^40 requests; of failures the last 24 bits are kept, which is enough to tell what came
// since a reading a second ago.

class SegmentCounters;

// A reading; the later one minus the one before it is what came between.
class SegmentReading {
 public:
  SegmentReading() = default;
  SegmentReading(std::uint64_t judged, std::uint64_t bad) noexcept
      : word_(judged | (bad << kJudgedBits)) {}
  [[nodiscard]] std::uint64_t judged_since(SegmentReading earlier) const noexcept {
    return (word_ - earlier.word_) & kJudged;
  }
  // Among them.
  [[nodiscard]] std::uint64_t bad_since(SegmentReading earlier) const noexcept {
    return ((word_ >> kJudgedBits) - (earlier.word_ >> kJudgedBits)) & kBad;
  }

 private:
  friend class SegmentCounters;
  static constexpr unsigned kJudgedBits = 40;
  static constexpr std::uint64_t kJudged = (std::uint64_t{1} << kJudgedBits) - 1;
  static constexpr std::uint64_t kBad = (std::uint64_t{1} << (64 - kJudgedBits)) - 1;

  explicit SegmentReading(std::uint64_t word) noexcept : word_(word) {}

  std::uint64_t word_ = 0;
};

class alignas(64) SegmentCounters {
 public:
  // `cohort` is stable or canary, here and below; `key_hash` the client's, whose group it counts
  // for (client_groups.hpp).
  void count(Cohort cohort, bool bad, std::uint64_t key_hash) noexcept {
    std::atomic<std::uint64_t>& word = words(cohort)[client_group(key_hash)];
    const SegmentReading one(1, bad ? 1 : 0);
    word.store(word.load(std::memory_order_relaxed) + one.word_, std::memory_order_relaxed);
  }
  [[nodiscard]] SegmentReading read(Cohort cohort, std::size_t group) const noexcept {
    const Words& mine = words_[static_cast<std::size_t>(cohort)];
    return SegmentReading(mine[group].load(std::memory_order_relaxed));
  }

 private:
  using Words = std::array<std::atomic<std::uint64_t>, kClientGroups>;
  [[nodiscard]] Words& words(Cohort cohort) noexcept {
    return words_[static_cast<std::size_t>(cohort)];
  }
  std::array<Words, 2> words_{};
};

// ---- All of them

class CounterSet {
 public:
  // `segments`: how many each rollout watches, by RolloutId. A rollout beyond its end watches none,
  // and its clients are not told apart. `judged_routes`: those whose clients are, by RouteId;
  // empty: of none.
  CounterSet(std::uint64_t epoch,
             std::size_t routes,
             const std::vector<std::size_t>& segments = {},
             std::vector<bool> judged_routes = {})
      : epoch_(epoch),
        slots_(routes),
        client_groups_(segments.size()),
        judged_routes_(std::move(judged_routes)),
        route_groups_(judged_routes_.size()) {
    segments_.reserve(segments.size());
    for (const std::size_t count : segments) segments_.emplace_back(count);
  }
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

  // Null for one that the rollout does not have.
  [[nodiscard]] SegmentCounters* segment(RolloutId rollout, std::size_t segment) noexcept {
    return segment < segments(rollout) ? &segments_[rollout.index()][segment] : nullptr;
  }
  // Of stable or canary. Null for a rollout that is not known.
  [[nodiscard]] ClientGroupCounters* client_groups(RolloutId rollout, Cohort cohort) {
    if (rollout.index() >= client_groups_.size()) return nullptr;
    return made(client_groups_[rollout.index()][static_cast<std::size_t>(cohort)]);
  }
  // Null while nothing was counted.
  [[nodiscard]] const ClientGroupCounters* find_client_groups(RolloutId rollout,
                                                              Cohort cohort) const noexcept {
    if (rollout.index() >= client_groups_.size()) return nullptr;
    return client_groups_[rollout.index()][static_cast<std::size_t>(cohort)].seen.load(
        std::memory_order_acquire);
  }
  // The same of one route. Null for one whose clients are not told apart.
  [[nodiscard]] ClientGroupCounters* route_groups(RouteId route, Cohort cohort) {
    if (route.index() >= judged_routes_.size() || !judged_routes_[route.index()]) return nullptr;
    return made(route_groups_[route.index()][static_cast<std::size_t>(cohort)]);
  }
  [[nodiscard]] ClientGroupCounters* find_route_groups(RouteId route,
                                                       Cohort cohort) const noexcept {
    if (route.index() >= route_groups_.size()) return nullptr;
    return route_groups_[route.index()][static_cast<std::size_t>(cohort)].seen.load(
        std::memory_order_acquire);
  }
  [[nodiscard]] std::size_t segments(RolloutId rollout) const noexcept {
    return rollout.index() < segments_.size() ? segments_[rollout.index()].size() : 0;
  }

 private:
  struct Slot {
    std::unique_ptr<CounterBlock> block;
    std::atomic<CounterBlock*> seen{nullptr};
  };

  struct GroupsSlot {
    std::unique_ptr<ClientGroupCounters> groups;
    std::atomic<ClientGroupCounters*> seen{nullptr};
  };

  static ClientGroupCounters* made(GroupsSlot& slot) {
    if (ClientGroupCounters* groups = slot.seen.load(std::memory_order_relaxed)) return groups;
    slot.groups = std::make_unique<ClientGroupCounters>();
    slot.seen.store(slot.groups.get(), std::memory_order_release);
    return slot.groups.get();
  }

  std::uint64_t epoch_;
  std::vector<std::array<Slot, kCohortCount>> slots_;     // Cohort is the inner index.
  std::vector<std::vector<SegmentCounters>> segments_;    // By RolloutId; they stay where they are.
  std::vector<std::array<GroupsSlot, 2>> client_groups_;  // By RolloutId and cohort.
  std::vector<bool> judged_routes_;
  std::vector<std::array<GroupsSlot, 2>> route_groups_;  // By RouteId and cohort.
};

}  // namespace canaryd::stats
