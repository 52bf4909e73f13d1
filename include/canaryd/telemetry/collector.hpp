// Merges what the workers count: totals for people and Prometheus, blocks for the analysis.
//
// Control begins a table here first, then opens one CounterSet per worker and posts it along with
// the table. The set is owned by both: the worker writes as long as a request holds that table, the
// collector reads once a second. When only the collector holds it any more, it is read one last
// time and let go. So the late requests of an old table are counted, totals never fall over table
// swaps and reloads, and nobody waits for anybody.
//
// Traffic and evidence (docs/statistics.md): every finished request adds to the totals of its route
// and rollout. Evidence are only those that were recorded under the weight in force: the rollout's
// epoch in the layout, which is another number than the table's, so that a change of one rollout's
// weight leaves the blocks of the others open.
//
// A route or rollout that is in no table any more is forgotten with the last of its requests;
// should its name come back it starts at 0, which is what Prometheus expects of a restart.
//
// Thread rule: the control thread, all of it. Seconds are those of the Failure records
// (stats/failure_queue.hpp), and not falling. Limits: one reading of 5.6 KB is kept per worker,
// route and cohort with traffic.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/stats/block.hpp"
#include "canaryd/stats/cohort_sample.hpp"
#include "canaryd/stats/counter_set.hpp"
#include "canaryd/stats/failure_queue.hpp"
#include "canaryd/stats/feedback.hpp"
#include "canaryd/stats/latency.hpp"
#include "canaryd/telemetry/series.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::telemetry {

// What the numbers in a table's counters mean.
struct RolloutLabel {
  std::string name;
  std::uint64_t run =
      0;  // Another one: a rollout with fresh evidence; figures "since start" begin anew.
  std::uint64_t epoch = 0;  // Another one: the weight has changed; the block is closed.
  std::uint32_t step = 0;
  std::uint64_t attempt = 0;  // At the step: another one begins it anew at the same weight.
  BasisPoints weight{};       // Shown in the series.
  std::string stable{};       // The versions: the rate of requests is that of one only.
  std::string canary{};
  std::int64_t dedupe_window_seconds = 10;
  stats::LatencyRules latency{};  // How the blocks under this label are cut.
  std::size_t routes = 0;         // So many have evidence of their own in this run.
  std::size_t segments = 0;       // The same.
  stats::KnownLatency known{};    // Looked at when the rollout first comes: of an earlier process.
};
struct RouteLabel {
  std::string name;
  std::optional<RolloutId> rollout;  // Index into TableLayout::rollouts.
  std::optional<std::uint32_t>
      own{};  // Among those of the rollout that have evidence of their own.
};
struct TableLayout {
  std::uint64_t epoch = 0;               // Of the table; higher with each.
  std::vector<RolloutLabel> rollouts{};  // Index: RolloutId of the table.
  std::vector<RouteLabel> routes{};      // Index: RouteId of the table.
};

struct ClosedBlock {
  std::string rollout;
  stats::Block block;
};

// A vote that a worker sent, and what its rollout had in force then.
struct ReceivedVote {
  std::string rollout;
  std::uint64_t run = 0;
  std::uint64_t epoch = 0;
  stats::Vote vote;
};

// What is asked of one cohort each second.
struct CohortRates {
  double requests_per_second = 0;       // Over the last 10 full seconds.
  std::optional<double> failure_share;  // Of the judged requests of the last 10 full seconds.
  std::uint64_t step_requests = 0;      // Judged, under the weight and step in force.
  // Under the weight in force, requests that hang (stats::hangs_after()), or did when their clients
  // left; and of how many.
  std::uint64_t hanging = 0;
  std::uint64_t hanging_of = 0;
};

// One cohort of a rollout as status and dashboard show it.
struct CohortTraffic : CohortRates {
  stats::CohortSample run;     // Since the run began; its rate is the mean since then.
  stats::CohortSample recent;  // The last 30 to 60 seconds.
  std::uint64_t excluded = 0;  // Since the run began: requests that are no evidence.
};

// The canary's share of the requests of both cohorts that are evidence, under the weight in force
// since it last came into force.
struct RolloutShare {
  std::optional<double> canary_share;
  std::uint64_t share_of = 0;  // So many.
};

struct RolloutRates : RolloutShare {
  CohortRates stable;
  CohortRates canary;
  bool stable_slow = false;  // See BlockBuilder::stable_slow().
};

struct RolloutTraffic : RolloutShare {
  CohortTraffic stable;
  CohortTraffic canary;
};

class Collector {
 public:
  Collector();
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;
  ~Collector();

  // Reads all counters first, so that what came before the change is charged to the old weight.
  // Blocks that this closes wait in take_blocks().
  void begin_table(TableLayout layout, std::int64_t now_second);
  // For one worker, under the table begun last.
  [[nodiscard]] std::shared_ptr<stats::CounterSet> open_set();
  // For one worker, once. Read until the worker lets go of it.
  [[nodiscard]] std::shared_ptr<stats::FailureQueue> open_queue();

  [[nodiscard]] std::shared_ptr<stats::VoteQueue> open_vote_queue();

  // Once a second.
  void tick(std::int64_t now_second);
  // The votes that came since the last call. Call it before a new table begins: those of a table
  // that nobody has any more are lost.
  [[nodiscard]] std::vector<ReceivedVote> take_votes();
  // A vote is evidence of the rollout's open block. False, and nothing has happened: it was given
  // in another run or under another weight than those in force, or there is no such rollout.
  [[nodiscard]] bool add_vote(std::string_view rollout,
                              std::uint64_t run,
                              std::uint64_t epoch,
                              Cohort cohort,
                              unsigned score);
  // The blocks closed since the last call, in order.
  [[nodiscard]] std::vector<ClosedBlock> take_blocks();

  // As of the last tick; nothing for a name that no table has.
  [[nodiscard]] std::optional<RolloutRates> rates(std::string_view rollout) const;
  // With quantiles, which take some microseconds each.
  [[nodiscard]] std::optional<RolloutTraffic> traffic(std::string_view rollout) const;
  // Points of one grain (an index of kSeriesGrains) that end after `since`, oldest first; none for
  // a name that no table has.
  [[nodiscard]] std::vector<SeriesPoint> series(std::string_view rollout,
                                                std::size_t grain,
                                                std::int64_t since) const;
  // After how long a request of the rollout that is still under way is slow
  // (stats::BlockBuilder).
  [[nodiscard]] std::optional<Duration> overdue_after(std::string_view rollout) const;
  [[nodiscard]] std::optional<Duration> abandoned_after(std::string_view rollout) const;
  // By what its stable's responses are told apart, for stats::ClientGroups; by nothing for a name
  // that no table has.
  [[nodiscard]] stats::LatencyCuts latency_cuts(std::string_view rollout) const;
  // Evidence gathered since the run began: judged requests of the cohort, duplicates left out as
  // far as known.
  [[nodiscard]] std::uint64_t evidence_requests(std::string_view rollout, Cohort cohort) const;
  // Of both cohorts, since the run began (stats/counter_block.hpp).
  [[nodiscard]] std::uint64_t withheld_cookies(std::string_view rollout) const;

  // Totals since the daemon started. `rollout` is empty for a route that has none.
  using RouteVisitor = std::function<void(std::string_view route,
                                          std::string_view rollout,
                                          Cohort cohort,
                                          const stats::CounterSnapshot&)>;
  void visit_routes(const RouteVisitor& visit) const;

  [[nodiscard]] std::uint64_t failures_dropped() const noexcept;  // By full queues.
  [[nodiscard]] std::size_t live_sets() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace canaryd::telemetry
