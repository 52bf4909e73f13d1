// Do clients differ, each from the others? The lot is drawn for clients, not for requests: if those
// who ask for large things are slow wherever they are, a few of them that fell to the canary make
// it look slow, and every request of theirs says so again; and so do clients whose requests always
// fail. How much that can do is seen by putting the clients of either version into sixteen groups
// by their keys: if the shares of slow responses, or of failures, of the groups lie further apart
// than chance has requests lie, so much less is the canary's deviation worth (docs/statistics.md,
// "Clients that differ").
//
// Sources: the overdispersion of grouped counts, Pearson's chi-square over its degrees of freedom
// (McCullagh, Nelder, Generalized Linear Models, 4.5), with quantiles by Wilson, Hilferty 1931; the
// word design effect is Kish's (Survey Sampling, 1965). Where one group has most of the requests:
// the jackknife with one group left out (Efron, Tibshirani, An Introduction to the Bootstrap, 11).
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/stats/histogram.hpp"
#include "canaryd/stats/latency.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace canaryd::stats {

inline constexpr std::size_t kClientGroups = 16;

// What clients may differ in: the latency quantiles, by their index, and then errors.
inline constexpr std::size_t kClientMetrics = kLatencyQuantiles + 1;
inline constexpr std::size_t kClientErrors = kLatencyQuantiles;

struct GroupCounts {
  std::uint64_t judged = 0;
  std::uint64_t bad = 0;                                // Failures that counted, of those.
  std::uint64_t again = 0;                              // Those that did not (dedupe.hpp).
  std::uint64_t n = 0;                                  // Good ones, where latency is cut.
  std::array<std::uint64_t, kLatencyQuantiles> slow{};  // Index: LatencyQuantile.

  [[nodiscard]] double requests(std::size_t metric) const noexcept {
    return static_cast<double>(metric == kClientErrors ? judged : n);
  }
  // A response is counted before what it is, so that a reading may have one too many.
  [[nodiscard]] double hits(std::size_t metric) const noexcept {
    const std::uint64_t all = metric == kClientErrors ? judged : n;
    const std::uint64_t hit = metric == kClientErrors ? bad : slow[metric];
    return static_cast<double>(hit < all ? hit : all);
  }
  // As if none had been left out.
  [[nodiscard]] GroupCounts with_repetitions() const noexcept {
    GroupCounts all = *this;
    all.judged += again;
    all.bad += again;
    all.again = 0;
    return all;
  }
  friend bool operator==(const GroupCounts&, const GroupCounts&) = default;
};

// A reading of one version: plain values that can be added and subtracted.
struct ClientGroups {
  std::array<GroupCounts, kClientGroups> groups{};

  // Good responses of one group's clients.
  void add(std::size_t group, const Histogram& responses, LatencyCuts cuts) noexcept;
  void add(std::size_t group, std::uint64_t judged, std::uint64_t bad) noexcept;
  void add_repetition(std::size_t group) noexcept { ++groups[group % kClientGroups].again; }
  [[nodiscard]] ClientGroups with_repetitions() const noexcept;
  ClientGroups& operator+=(const ClientGroups& other) noexcept;
  // What came since an earlier reading of the same counters. A counter never goes below 0.
  [[nodiscard]] ClientGroups since(const ClientGroups& earlier) const noexcept;
  friend bool operator==(const ClientGroups&, const ClientGroups&) = default;
};

// Which group a client is in, by the hash of its sticky key.
[[nodiscard]] constexpr std::size_t client_group(std::uint64_t key_hash) noexcept {
  return (key_hash * 0x9E37'79B9'7F4A'7C15U) >> 60U;
}
static_assert(kClientGroups == 16, "four bits of the hash");

// The judged responses of one version of a rollout, or of one of its routes, on one worker. One
// writer, any thread reads; a reading is no cut through time. A little more than 1 KiB.
class alignas(64) ClientGroupCounters {
 public:
  // `key_hash` is not 0: then nobody knows whose response it is. A failure that counts.
  void count_bad(std::uint64_t key_hash) noexcept {
    Group& group = groups_[client_group(key_hash)];
    bump(group.judged);
    bump(group.bad);
  }
  // A failure that does not: its client had one a moment ago.
  void count_again(std::uint64_t key_hash) noexcept { bump(groups_[client_group(key_hash)].again); }
  // One that its client left.
  void count_left(std::uint64_t key_hash) noexcept { bump(groups_[client_group(key_hash)].judged); }
  void count_good(std::uint64_t key_hash, Duration latency, LatencyCuts cuts) noexcept {
    Group& group = groups_[client_group(key_hash)];
    bump(group.judged);
    if (!cuts.any()) return;
    const std::size_t bucket = latency_bucket(latency);
    bump(group.n);
    for (std::size_t q = 0; q < kLatencyQuantiles; ++q) {
      if (cuts.is_slow(q, bucket)) bump(group.slow[q]);
    }
  }
  [[nodiscard]] ClientGroups read() const noexcept;

  // By what its worker cuts its latencies; of a route, whose stable is not that of the others. From
  // any thread.
  void set_cuts(LatencyCuts cuts) noexcept { cuts_.store(cuts.word(), std::memory_order_relaxed); }
  [[nodiscard]] LatencyCuts cuts() const noexcept {
    return LatencyCuts(cuts_.load(std::memory_order_relaxed));
  }

 private:
  using Counter = std::atomic<std::uint64_t>;
  struct Group {
    Counter judged{0};
    Counter bad{0};
    Counter again{0};
    Counter n{0};
    std::array<Counter, kLatencyQuantiles> slow{};
  };
  static void bump(Counter& counter) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  std::array<Group, kClientGroups> groups_{};
  std::atomic<std::uint64_t> cuts_{LatencyCuts().word()};
};

// How much less the deviation of the canary's shares of slow responses, and of failures, is worth.
// Plain values.
struct ClientSpread {
  // By metric, in hundredths: how many times as far apart as chance has requests lie the groups
  // do, as variances; 0: no further. Of the version in which they lie further apart. At most
  // kEffectMax.
  //
  // It is what it is at least at odds of nine in ten, not the best guess: with few groups that is a
  // rough one, and too small a factor convicts. That there is a difference at all has to be shown
  // at odds of 1 in 1000, or chance would make every rollout slower; of four groups and less, and
  // where one has half of the requests, 1 in 10.
  static constexpr std::uint32_t kEffectMax = 100'000'000;
  std::array<std::uint32_t, kClientMetrics> effect{};
  // ln of the number of ways in which the lot could have divided the groups, in thousandths. Where
  // clients differ no evidence can be more than that: with one way in 20, chance is 1 in 20.
  static constexpr std::uint32_t kLnWaysMax = 30'000;
  std::uint32_t ln_ways = 0;

  [[nodiscard]] bool any() const noexcept {
    return effect != std::array<std::uint32_t, kClientMetrics>{};
  }
  friend bool operator==(const ClientSpread&, const ClientSpread&) = default;
};
[[nodiscard]] ClientSpread client_spread(const ClientGroups& stable,
                                         const ClientGroups& canary) noexcept;
// The larger effects, and the fewer ways where both know of some; kNoDivision
// (client_contrast.hpp) of either is that of both.
[[nodiscard]] ClientSpread worse_of(const ClientSpread& one, const ClientSpread& other) noexcept;

// How clients differ changes slowly: look as seldom as this.
inline constexpr std::int64_t kClientSpreadSeconds = 5;

}  // namespace canaryd::stats
