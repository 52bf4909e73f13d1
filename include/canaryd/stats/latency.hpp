// Which responses of a block count as slow (docs/statistics.md, "Latency"). A latency quantile is
// judged like an error rate: a response is "bad" for it if it took longer than a threshold, the
// stable's own quantile over *earlier* blocks. So the thresholds of a block are fixed before it
// begins, and what hits both cohorts alike cancels out as it does for errors.
//
// Requests under way: one that is older than every limit of its rollout is slow, whatever becomes
// of it, and is counted when it gets there (Overdue::counted), so that a hang is evidence while it
// lasts. It is counted once, and both cohorts alike:
//   - the age is the same for both, so a canary that is stable's equal has such requests counted as
//     early and as often as stable has;
//   - it is above all that the block can be cut by, since limits move only when a block closes;
//   - one that ends without a failure later is among the responses of that block, and is taken out
//     of it (Overdue::ended). One that fails is slow here and a failure there, for two metrics; one
//     whose client gave up had been slow before.
// Only if a limit has risen above such a response meanwhile is another slow one of the same cohort
// taken out in its place.
// A request whose client is slow, in sending it or in taking the response, is left for its end:
// nobody may hang in a version's name.
// Workers look once a second, at what is under way then: requests that do not last cost nothing. A
// ring of counters by second of the start was rejected: each request would pay twice for it, and
// would still have to know at its end whether it was counted.
//
// Units: buckets of stats/histogram.hpp. Thread rule: plain values.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/stats/histogram.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace canaryd::stats {

enum class LatencyQuantile : std::uint8_t { kP50, kP90, kP99, kP999 };
inline constexpr std::size_t kLatencyQuantiles = 4;
inline constexpr std::array<double, kLatencyQuantiles> kQuantileRanks = {0.5, 0.9, 0.99, 0.999};

// One quantile in one block.
struct SlowCounts {
  // The stable's quantile is in this bucket: a stable response above it is slow.
  std::uint16_t threshold = 0;
  // A canary response above this one is slow, by the tolerance and by the next step's wider limit;
  // threshold <= limit <= limit_next. 0: the quantile is not judged in this block.
  std::uint16_t limit = 0;
  std::uint16_t limit_next = 0;
  std::uint64_t stable_slow = 0;
  std::uint64_t canary_slow = 0;
  std::uint64_t canary_slow_next = 0;

  [[nodiscard]] bool judged() const noexcept { return limit > 0; }
  friend bool operator==(const SlowCounts&, const SlowCounts&) = default;
};

// What the latency metrics take from one block: judged responses that did not fail.
struct LatencyCounts {
  std::uint64_t stable_n = 0;
  std::uint64_t canary_n = 0;
  std::array<SlowCounts, kLatencyQuantiles> slow{};

  [[nodiscard]] bool judged() const noexcept;
  [[nodiscard]] bool comparable() const noexcept {
    return judged() && stable_n > 0 && canary_n > 0;
  }
  friend bool operator==(const LatencyCounts&, const LatencyCounts&) = default;
};

// How blocks are cut into fast and slow; the defaults judge no quantile.
struct LatencyRules {
  std::array<bool, kLatencyQuantiles> judged{};  // Index: LatencyQuantile.
  // Slower by this fraction is fine, rounded to buckets of 5 % and at least one. Above -1.
  double stretch = 0.10;
  // Slower by this much is fine too: nothing below it is told apart. Not negative.
  Duration floor{};
  // Latency is left out so long after the canary's first request of the run.
  std::int64_t warm_up_seconds = 30;
  // The weight that accepting the step leads to, in (0, 1]: at a small one a slower canary harms
  // few, so the limit for acceptance is up to four times as far away.
  double next_weight = 1;
  // There are absolute limits: the canary is also looked at by itself, each second (Block::limits).
  bool limited = false;
  // For them a response above this bucket is slow, of either version; 0: no limit on the quantile.
  std::array<std::uint16_t, kLatencyQuantiles> limits{};
  friend bool operator==(const LatencyRules&, const LatencyRules&) = default;
};

// Of requests that are older than every limit: counted while they were under way; and, of those
// counted before, the ones that have ended without a failure.
//
// And of requests whose client had gone before there was an answer, when they were older than what
// is slow by the lowest quantile judged: how long they would have taken nobody knows. They are slow
// by all of them, of either version, so that an equal canary has as many. Not by absolute limits.
struct Overdue {
  std::uint64_t counted = 0;
  std::uint64_t ended = 0;
  std::uint64_t abandoned = 0;
  Overdue& operator+=(const Overdue& other) noexcept {
    counted += other.counted;
    ended += other.ended;
    abandoned += other.abandoned;
    return *this;
  }
  friend bool operator==(const Overdue&, const Overdue&) = default;
};

// No younger request is counted: workers look once a second.
inline constexpr Duration kOverdueAtLeast = std::chrono::seconds(1);
// What has been silent for longer than this hangs, whatever is judged: how it ends nobody knows
// yet, and no step is accepted as though it had ended well. Sooner where the circuit knows what
// silence is too long (`slow_after`; 0: it does not): who is used to quick answers does not wait
// for 5 s.
inline constexpr Duration kHangsAfter = std::chrono::seconds(5);
[[nodiscard]] constexpr Duration hangs_after(Duration slow_after) noexcept {
  return slow_after > Duration::zero() ? std::min(slow_after, kHangsAfter) : kHangsAfter;
}

// The limits for a threshold; counts are 0.
[[nodiscard]] SlowCounts latency_limits(std::size_t threshold, const LatencyRules& rules);

// Where a block was cut: longer than this is slow for the canary.
[[nodiscard]] Duration slow_after(std::size_t limit);

// What an earlier process had learned, by quantile: the threshold of the last block that was judged
// by it; not set: none was.
using KnownThresholds = std::array<std::optional<std::uint16_t>, kLatencyQuantiles>;

// The thresholds of the quantiles as one word, to be handed to the workers at once: a response in a
// bucket above one of them is slow for that quantile. A plain value.
class LatencyCuts {
 public:
  // None is known: nothing is slow.
  constexpr LatencyCuts() = default;
  constexpr explicit LatencyCuts(std::uint64_t word) noexcept : word_(word) {}

  constexpr void set(std::size_t quantile, std::uint16_t threshold) noexcept {
    const unsigned shift = shift_of(quantile);
    word_ = (word_ & ~(kNone << shift)) | (std::uint64_t{threshold} << shift);
  }
  [[nodiscard]] constexpr bool any() const noexcept { return word_ != ~std::uint64_t{0}; }
  [[nodiscard]] constexpr bool is_slow(std::size_t quantile, std::size_t bucket) const noexcept {
    return bucket > ((word_ >> shift_of(quantile)) & kNone);
  }
  [[nodiscard]] constexpr std::uint64_t word() const noexcept { return word_; }
  friend constexpr bool operator==(LatencyCuts, LatencyCuts) = default;

 private:
  static constexpr std::uint64_t kNone = 0xFFFF;
  static constexpr unsigned shift_of(std::size_t quantile) noexcept {
    return static_cast<unsigned>(quantile * 16);
  }
  std::uint64_t word_ = ~std::uint64_t{0};
};

// The stable's quantiles, learned from all its traffic, before the rollout as well. A quantile is
// known from 20 / (1 - q) responses on (40, 200, 2000 and 20,000) and then stays known. What was
// learned counts half every 10 minutes, so that the thresholds follow the service; but no less is
// kept than the highest quantile in need() takes, or a quiet service would never know it.
//
// An outage is not learned from, or it would widen the limits of the tail long after it has passed:
// while hardly a response of stable is as fast as its median used to be, they are set apart. If
// that lasts for five minutes it is how the service is now, and is learned with the rest. What
// could be chance, a few slow ones, waits for more; nothing is left out for it.
class LatencyThresholds {
 public:
  static constexpr std::int64_t kHalvingSeconds = 600;
  // So much of its responses above the limit of its median, of so many at least: stable is slow.
  static constexpr double kSlowShare = 0.85;
  static constexpr std::uint64_t kSlowOf = 40;
  static constexpr std::int64_t kOutageSeconds = 300;

  explicit LatencyThresholds(std::int64_t now_second) noexcept : halved_second_(now_second) {}

  // Responses of blocks that are closed; those above `slow_above` are slow for the median. Seconds
  // do not fall.
  void learn(const Histogram& stable,
             std::int64_t now_second,
             std::optional<std::size_t> slow_above = std::nullopt);
  // Which quantiles are judged.
  void need(const std::array<bool, kLatencyQuantiles>& judged) noexcept;
  // Of an earlier process; in force until enough is learned anew.
  void recall(const KnownThresholds& known) noexcept;
  // Time without a response has passed.
  void age(std::int64_t now_second);
  // The bucket that holds the quantile.
  [[nodiscard]] std::optional<std::size_t> bucket(LatencyQuantile quantile) const noexcept {
    return buckets_[static_cast<std::size_t>(quantile)];
  }
  // Stable is slow, by what is known of it; ends when its responses are as they were, or when what
  // they are now is known.
  [[nodiscard]] bool stable_slow() const noexcept { return slow_since_.has_value(); }

 private:
  void find() noexcept;
  // Whether what has come is to be learned now.
  [[nodiscard]] bool is_usual(std::int64_t now_second, std::size_t slow_above);

  Histogram seen_;
  bool enough_ = false;  // It has what the median takes.
  Histogram coming_;     // Not learned yet.
  Histogram apart_;      // Of an outage.
  std::optional<std::int64_t> slow_since_;
  std::int64_t halved_second_;
  std::uint64_t needed_ = 0;  // Responses that the highest quantile judged takes.
  std::array<std::optional<std::size_t>, kLatencyQuantiles> buckets_{};
};

// Fills the latency part of blocks.
class LatencyCutter {
 public:
  explicit LatencyCutter(std::int64_t now_second) noexcept : thresholds_(now_second) {}

  // For blocks that begin from here on.
  void set_rules(const LatencyRules& rules) noexcept {
    rules_ = rules;
    limits_ = {};
    thresholds_.need(rules.judged);
  }
  // A new run: its canary's first request is to come.
  void begin_run() noexcept { warm_second_.reset(); }
  // The run goes on in another process: what was judged there is judged at once, and the canary is
  // warm.
  void recall(const KnownThresholds& known, std::int64_t now_second) noexcept;
  // Once and for all of a run, when its canary has had a request.
  void canary_came(std::int64_t now_second) noexcept {
    if (!warm_second_) warm_second_ = now_second + rules_.warm_up_seconds;
  }

  // Responses for the open block.
  void add_stable(const Histogram& responses, Overdue overdue) noexcept {
    add(stable_, responses, overdue);
  }
  void add_canary(const Histogram& responses, Overdue overdue) noexcept {
    add(canary_, responses, overdue);
  }
  // Responses of stable that belong to no block: they are only learned from.
  void add_past(const Histogram& responses) noexcept {
    past_ += responses;
    has_past_ = true;
    empty_ = false;
  }

  // Requests of the cohort hang, so many that they count.
  [[nodiscard]] bool stable_hangs() const noexcept { return hangs(stable_.overdue); }
  [[nodiscard]] bool canary_hangs() const noexcept { return hangs(canary_.overdue); }
  // The highest bucket that a response may be in without being slow for anything, whatever the
  // step; nothing while latency is not judged.
  [[nodiscard]] std::optional<std::size_t> highest_limit() const;
  // The same of the lowest quantile, which something may be slow for already.
  [[nodiscard]] std::optional<std::size_t> lowest_limit() const;

  // The thresholds of the quantiles that are judged and known.
  [[nodiscard]] LatencyCuts cuts() const noexcept;

  // Where latency is judged: see LatencyThresholds.
  [[nodiscard]] bool stable_slow() const noexcept {
    return thresholds_.stable_slow() && rules_.judged != LatencyRules{}.judged;
  }

  // Cuts the block that began at `start_second`, learns from it, and begins the next.
  [[nodiscard]] LatencyCounts close(std::int64_t start_second, std::int64_t now_second);
  // The same by the absolute limits, which nothing is learned for.
  [[nodiscard]] LatencyCounts close_by_limits(std::int64_t start_second);

 private:
  // What the open block has of a cohort.
  struct Responses {
    Histogram finished;
    Overdue overdue;
  };

  void add(Responses& to, const Histogram& responses, Overdue overdue) noexcept {
    to.finished += responses;
    to.overdue += overdue;
    empty_ = false;
  }
  [[nodiscard]] static bool hangs(const Overdue& overdue) noexcept {
    return overdue.counted + overdue.abandoned > 0;
  }
  [[nodiscard]] std::optional<std::size_t> widest_limit(std::size_t quantile) const;
  [[nodiscard]] bool is_warm(std::int64_t start_second) const noexcept;
  [[nodiscard]] const SlowCounts& limits_of(std::size_t quantile, std::size_t threshold);
  void count(LatencyCounts& counts) const noexcept;
  void clear() noexcept;

  LatencyThresholds thresholds_;
  LatencyRules rules_;
  std::array<SlowCounts, kLatencyQuantiles> limits_{};  // By these rules; of the last block.
  Responses stable_;
  Responses canary_;
  Histogram past_;
  bool has_past_ = false;
  bool empty_ = true;  // All three. Where only errors are judged they always are.
  std::optional<std::int64_t> warm_second_;  // Blocks that begin earlier are not judged.
};

}  // namespace canaryd::stats
