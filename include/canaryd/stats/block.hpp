// The unit of evidence: what both cohorts did in the same second (docs/statistics.md).
//
// A Block is integers only; every closed one is a row of the journal, and the verdict is a function
// of the rows. BlockBuilder fills blocks from the collector's readings. When a block closes depends
// on counts and time, never on outcomes: else a run of luck could choose its own end, and the error
// promise would be void.
//
// Units: seconds of the journal's time line, whole requests. Thread rule: plain values.
#pragma once

#include "canaryd/base/strong.hpp"
#include "canaryd/stats/client_groups.hpp"
#include "canaryd/stats/feedback.hpp"
#include "canaryd/stats/histogram.hpp"
#include "canaryd/stats/latency.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace canaryd::stats {

struct CohortCounts {
  std::uint64_t n = 0;              // Judged requests.
  std::uint64_t bad = 0;            // Charged failures among them.
  std::uint64_t client_errors = 0;  // Others that were answered 4xx.
  // Further failures of clients whose failure is among the bad ones; not in n (dedupe.hpp).
  std::uint64_t repeats = 0;
  // All of those, repeats among them: what limits count besides. Not in the journal, whose limits
  // have them.
  std::uint64_t deduped = 0;
  friend bool operator==(const CohortCounts&, const CohortCounts&) = default;
};

// What both cohorts did at the same time: on all routes of a rollout, or on one.
struct Comparison {
  std::uint32_t seconds = 0;
  CohortCounts stable;
  CohortCounts canary;
  LatencyCounts latency{};
  FeedbackCounts feedback{};
  // Both cohorts had traffic; if no request has ended, so many hang that they count as slow.
  [[nodiscard]] bool comparable() const noexcept {
    return (stable.n > 0 && canary.n > 0) || latency.comparable();
  }
  [[nodiscard]] bool has_canary() const noexcept {
    return canary.n > 0 || (latency.judged() && latency.canary_n > 0);
  }
  friend bool operator==(const Comparison&, const Comparison&) = default;
};

// One route, for rollouts with several. It has blocks of its own, which may be older than the
// rollout's that they come with: a quiet route waits for both cohorts, as the rollout does.
struct RouteComparison {
  std::uint32_t route = 0;  // Index in analysis::Settings::routes.
  Comparison counts;
  ClientSpread clients{};  // Of this route, since the run began.
  friend bool operator==(const RouteComparison&, const RouteComparison&) = default;
};

// One segment, for rollouts that watch some: the same, of errors alone.
struct SegmentComparison {
  std::uint32_t segment = 0;  // Index in analysis::Settings::segments.
  Comparison counts;
  ClientSpread clients{};  // Of this segment, since the run began; errors alone.
  friend bool operator==(const SegmentComparison&, const SegmentComparison&) = default;
};

// A row without latency, routes or feedback (of an older version) reads as silent there.
struct Block {
  std::int64_t start_second = 0;
  std::uint32_t seconds = 0;  // 0: closed by a change of weight within its first second.
  std::uint64_t epoch = 0;    // Of the routing table all its requests were routed by.
  std::uint32_t step = 0;
  CohortCounts stable;
  CohortCounts canary;
  LatencyCounts latency{};
  std::vector<RouteComparison> routes{};  // Those that are comparable, by index.
  // Votes are rare: they wait for both cohorts, as those of a quiet route do.
  FeedbackCounts feedback{};
  // For absolute limits (LatencyRules::limited): the second that ended with the block, of both
  // versions, with canary requests in it. It waits for no request of stable.
  Comparison limits{};
  std::vector<SegmentComparison> segments{};  // Those that are comparable, by index.
  ClientSpread clients{};                     // Since the run began.

  // Such a second while the comparison goes on: the rest of the block is empty.
  [[nodiscard]] bool limits_only() const noexcept {
    return limits.has_canary() && stable.n == 0 && canary.n == 0 && !latency.comparable();
  }
  // Both cohorts had traffic (see Comparison). A block that is not comparable moves no account; it
  // only says what was missing.
  [[nodiscard]] bool comparable() const noexcept {
    return (stable.n > 0 && canary.n > 0) || latency.comparable();
  }
  friend bool operator==(const Block&, const Block&) = default;
};

// By what the last judged blocks of a run were cut, of all its routes and of each, and what was
// known of its clients.
struct KnownLatency {
  KnownThresholds all{};
  std::vector<KnownThresholds> routes{};  // By index; those beyond its end are not known.
  ClientSpread clients{};
  std::vector<ClientSpread> route_clients{};    // The same.
  std::vector<ClientSpread> segment_clients{};  // By index of the segment.
  friend bool operator==(const KnownLatency&, const KnownLatency&) = default;
};

// How far apart clients are: as of the last look, and never less than an earlier process knew,
// unless the versions are beyond that (worse_of()).
class KnownClients {
 public:
  void set(const ClientSpread& seen) noexcept { now_ = worse_of(seen, recalled_); }
  // What the versions were beyond is to be seen anew; how far apart clients are stays known.
  void recall(const ClientSpread& known) noexcept;
  [[nodiscard]] const ClientSpread& now() const noexcept { return now_; }

 private:
  ClientSpread now_{};
  ClientSpread recalled_{};
};

// Gathers the counts of one comparison after another.
class CountsBuilder {
 public:
  explicit CountsBuilder(std::int64_t now_second) noexcept : start_second_(now_second) {}

  void add(Cohort cohort, CohortCounts counts) noexcept;
  void add_duplicates(Cohort cohort, std::uint64_t count, std::uint64_t repeats = 0) noexcept;
  // Behind take(): nothing waits for the next one.
  void forget_owed() noexcept;
  // Takes out the duplicates that are here by now.
  void settle() noexcept;
  [[nodiscard]] bool complete() const noexcept { return open_.stable.n > 0 && open_.canary.n > 0; }
  // What has gathered; of a reading that was torn, more failures than requests.
  [[nodiscard]] const Comparison& open() const noexcept { return open_; }
  [[nodiscard]] std::int64_t start_second() const noexcept { return start_second_; }
  // Closes it and begins the next. No more has failed than there are requests: the rest is of
  // requests that the next one has.
  [[nodiscard]] Comparison take(std::int64_t now_second);

 private:
  std::int64_t start_second_;
  Comparison open_;
  std::uint64_t stable_duplicates_ = 0;
  std::uint64_t canary_duplicates_ = 0;
};

// The same, and latency.
class ComparisonBuilder : private CountsBuilder {
 public:
  explicit ComparisonBuilder(std::int64_t now_second) noexcept
      : CountsBuilder(now_second), latency_(now_second) {}

  using CountsBuilder::add;
  using CountsBuilder::add_duplicates;
  using CountsBuilder::forget_owed;
  void add(Cohort cohort, const Histogram& latency, Overdue overdue) noexcept;
  [[nodiscard]] LatencyCutter& latency() noexcept { return latency_; }
  [[nodiscard]] const LatencyCutter& latency() const noexcept { return latency_; }

  // Takes out the duplicates that are here by now.
  void settle(std::int64_t now_second) noexcept;
  // Both cohorts have requests, whether they have ended or hang. What only hangs can be compared
  // where latency is judged.
  [[nodiscard]] bool complete() const noexcept {
    return (open().stable.n > 0 || latency_.stable_hangs()) &&
           (open().canary.n > 0 || latency_.canary_hangs());
  }
  using CountsBuilder::open;  // The latency is not cut yet.
  using CountsBuilder::start_second;
  // Closes it and begins the next.
  [[nodiscard]] Comparison take(std::int64_t now_second);
  // The same, its latency cut by the absolute limits.
  [[nodiscard]] Comparison take_by_limits(std::int64_t now_second);

 private:
  [[nodiscard]] Comparison close(LatencyCounts latency, std::int64_t now_second);

  LatencyCutter latency_;
};

class BlockBuilder {
 public:
  // A block that lacks one cohort is kept open this long, then given up.
  static constexpr std::int64_t kMaxOpenSeconds = 60;
  // The same for votes.
  static constexpr std::int64_t kMaxVotesOpenSeconds = 3600;

  BlockBuilder(std::int64_t now_second, std::uint64_t epoch, std::uint32_t step);

  // How latency is judged in the blocks that begin from here on: call it after the constructor and
  // after each change(). Without it latency is not judged.
  void set_latency_rules(const LatencyRules& rules) noexcept;
  // Another run follows, with so many routes and segments of their own account (0: none). Before
  // change(). Its canary warms up anew; what is known of the stable's latency stays.
  void begin_run(std::size_t routes, std::size_t segments = 0);

  // Behind begin_run(): the run began in an earlier process, which had learned this.
  void recall(const KnownLatency& known) noexcept;

  // What came since the last reading, of this builder's epoch only; `latency` of those among the
  // judged requests that did not fail, and `overdue` those that have been under way for longer than
  // overdue_after().
  void add(Cohort cohort, CohortCounts counts) noexcept;
  void add(Cohort cohort,
           CohortCounts counts,
           const Histogram& latency,
           Overdue overdue = {}) noexcept;
  // The same once more for the route that they came by; an unknown route is ignored.
  void add_route(std::size_t route,
                 Cohort cohort,
                 CohortCounts counts,
                 const Histogram& latency,
                 Overdue overdue = {}) noexcept;
  // And once more for a segment that they are of; an unknown one is ignored.
  void add_segment(std::size_t segment, Cohort cohort, CohortCounts counts) noexcept;
  // The stable's responses of other epochs, and before the rollout began: thresholds are learned
  // from them as well.
  void add_past(const Histogram& stable) noexcept { all_.latency().add_past(stable); }
  void add_route_past(std::size_t route, const Histogram& stable) noexcept;
  // Failures that the collector found to be duplicates: each takes one request and one failure out
  // of the evidence. What is not in the open block yet (or was in the last one) is taken from the
  // next failures. `repeats` of them are told apart.
  void add_duplicates(Cohort cohort, std::uint64_t count, std::uint64_t repeats = 0) noexcept;
  void add_route_duplicates(std::size_t route, Cohort cohort, std::uint64_t count) noexcept;
  void add_segment_duplicates(std::size_t segment, Cohort cohort, std::uint64_t count) noexcept;

  // Some quantile is judged, or limited, be it known yet or not.
  [[nodiscard]] bool judges_latency() const noexcept;
  // A request that is under way for so long is slow by everything that the open block, or a
  // route's, is cut by. Nothing: not yet, or latency is not judged.
  [[nodiscard]] std::optional<Duration> overdue_after() const;
  // From what age on a request that its client gives up counts as abandoned (Overdue); nothing
  // while latency is not judged.
  [[nodiscard]] std::optional<Duration> abandoned_after() const;

  // Hardly a response of stable is as fast as its median used to be; false where latency is not
  // judged.
  [[nodiscard]] bool stable_slow() const noexcept { return all_.latency().stable_slow(); }

  // How far apart the clients are in this run, for the blocks that close from here on
  // (KnownClients). A route or a segment has clients of its own, and of those of the others nothing
  // follows for them: a few who differ would convict it, or a crowd elsewhere hide what it does.
  // With `all_failures` those that are repetitions are evidence as well, from here on
  // (ClientWatch::all_fail_more()).
  void set_clients(const ClientSpread& clients, bool all_failures = false) noexcept;
  void set_route_clients(std::size_t route, const ClientSpread& clients) noexcept;
  void set_segment_clients(std::size_t segment, const ClientSpread& clients) noexcept;
  // By what stable's responses are told apart at present; none while latency is not judged.
  [[nodiscard]] LatencyCuts latency_cuts() const noexcept { return all_.latency().cuts(); }
  [[nodiscard]] LatencyCuts route_latency_cuts(std::size_t route) const noexcept {
    return route < routes_.size() ? routes_[route].latency().cuts() : LatencyCuts();
  }

  // A vote, under this builder's epoch. It comes with the first comparable block by which both
  // cohorts have voted.
  void add_vote(Cohort cohort, unsigned score) noexcept;

  // Call once a second, after add(). Gives a block to absorb when one is complete: comparable, or,
  // after kMaxOpenSeconds, one that is not; and where there are limits, for each second in which
  // the canary had requests.
  [[nodiscard]] std::optional<Block> tick(std::int64_t now_second);

  // A change of weight (a new table) closes the block; what is not comparable is given up. The next
  // block begins.
  [[nodiscard]] std::optional<Block> change(std::int64_t now_second,
                                            std::uint64_t epoch,
                                            std::uint32_t step);

  // The open block as it stands, for reports; without latency, routes, segments and feedback.
  [[nodiscard]] Block open() const;

 private:
  void settle(std::int64_t now_second) noexcept;
  // `with_open`: routes and segments that still wait for a cohort as well.
  Block take(std::int64_t now_second, bool with_open);
  void take_votes(Block& closed, std::int64_t now_second) noexcept;

  std::uint64_t epoch_;
  std::uint32_t step_;
  LatencyRules rules_;
  ComparisonBuilder all_;
  std::optional<ComparisonBuilder> limits_;  // Where there are any.
  std::vector<ComparisonBuilder> routes_;
  std::vector<CountsBuilder> segments_;
  FeedbackCounts votes_;
  std::int64_t votes_second_;
  KnownClients clients_;
  std::vector<KnownClients> route_clients_;    // By route.
  std::vector<KnownClients> segment_clients_;  // By segment.
  bool all_failures_ = false;
};

}  // namespace canaryd::stats
