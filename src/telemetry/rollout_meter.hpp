// What the collector knows of one rollout. Private to telemetry; the control thread's.
#pragma once

#include "canaryd/stats/block.hpp"
#include "canaryd/stats/client_contrast.hpp"
#include "canaryd/stats/counter_block.hpp"
#include "canaryd/stats/window.hpp"
#include "canaryd/telemetry/collector.hpp"
#include "telemetry/series.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace canaryd::telemetry {

class RolloutMeter {
 public:
  // `id` is the collector's own and never used again, unlike the numbers in a table.
  RolloutMeter(RolloutId id, const RolloutLabel& label, std::int64_t now_second);

  [[nodiscard]] RolloutId id() const noexcept { return id_; }
  [[nodiscard]] const RolloutLabel& label() const noexcept { return label_; }

  // A new table. Gives the block that a change of weight closes, if it can be compared.
  [[nodiscard]] std::optional<stats::Block> change(const RolloutLabel& label,
                                                   std::int64_t now_second);

  // What came since the last reading, recorded under that label; `route` as in RouteLabel::own.
  void add(const RolloutLabel& recorded,
           std::optional<std::uint32_t> route,
           Cohort cohort,
           const stats::CounterSnapshot& delta,
           std::int64_t now_second);
  // The same once more for a segment, whose clients `came` are.
  void add_segment(const RolloutLabel& recorded,
                   std::size_t segment,
                   Cohort cohort,
                   const stats::ClientGroups& came);
  // The same of the clients of a version, and of those of a route.
  void add_client_groups(const RolloutLabel& recorded,
                         Cohort cohort,
                         const stats::ClientGroups& came) noexcept;
  void add_route_groups(const RolloutLabel& recorded,
                        std::uint32_t route,
                        Cohort cohort,
                        const stats::ClientGroups& came) noexcept;
  // A failure recorded under that label turned out to be one that another worker had counted
  // already.
  void add_duplicate(const RolloutLabel& recorded,
                     std::optional<std::uint32_t> route,
                     SegmentSet segments,
                     Cohort cohort,
                     std::uint64_t repeats);
  // False: it was given in another run or under another weight than those in force.
  [[nodiscard]] bool add_vote(std::uint64_t run,
                              std::uint64_t epoch,
                              Cohort cohort,
                              unsigned score) noexcept;
  void set_active(Cohort cohort, std::int64_t active);

  [[nodiscard]] std::optional<stats::Block> tick(std::int64_t now_second);

  [[nodiscard]] std::optional<Duration> overdue_after() const { return builder_.overdue_after(); }
  [[nodiscard]] std::optional<Duration> abandoned_after() const {
    return builder_.abandoned_after();
  }
  [[nodiscard]] stats::LatencyCuts latency_cuts() const noexcept { return builder_.latency_cuts(); }
  // The same of a route, while the versions are compared.
  [[nodiscard]] stats::LatencyCuts route_latency_cuts(std::uint32_t route) const noexcept;
  [[nodiscard]] RolloutRates rates() const;
  // Made once for all who ask between two changes.
  [[nodiscard]] RolloutTraffic traffic() const;
  // As in Collector::series().
  [[nodiscard]] std::vector<SeriesPoint> series(std::size_t grain, std::int64_t since) const {
    return series_.points(grain, since);
  }
  [[nodiscard]] std::uint64_t evidence_requests(Cohort cohort) const;
  [[nodiscard]] std::uint64_t withheld_cookies() const;

 private:
  struct CohortMeter {
    stats::CounterSnapshot run;      // Since the run began.
    stats::CounterSnapshot older;    // `run` as it was at older_second: where "recent" begins.
    stats::CounterSnapshot newer;    // The same, at newer_second; takes its place in turn.
    stats::TrafficWindow requests;   // All.
    stats::TrafficWindow judged;     // With the failures among them.
    std::uint64_t evidence_run = 0;  // Judged, duplicates taken out, since the run began.
    std::uint64_t evidence_step = 0;
    std::uint64_t evidence_epoch = 0;
    std::uint64_t hung_epoch = 0;  // And of those that hung the ones that do no longer.
    std::uint64_t settled_epoch = 0;
  };

  [[nodiscard]] CohortMeter& meter(Cohort cohort) noexcept;
  void add_evidence(std::optional<std::uint32_t> route,
                    Cohort cohort,
                    const stats::CounterSnapshot& delta);
  [[nodiscard]] bool is_evidence(const RolloutLabel& recorded) const noexcept;
  [[nodiscard]] RolloutTraffic make_traffic() const;
  [[nodiscard]] CohortRates cohort_rates(const CohortMeter& meter) const;
  [[nodiscard]] CohortTraffic cohort_traffic(const CohortMeter& meter) const;
  [[nodiscard]] RolloutShare share() const;
  void begin_run(std::int64_t now_second);
  void watch_clients(std::int64_t now_second);
  void look_at_clients(std::int64_t now_second) noexcept;
  static void forget_rates(CohortMeter& meter) noexcept;
  [[nodiscard]] bool is_of_version(const RolloutLabel& recorded, Cohort cohort) const noexcept;

  RolloutId id_;
  RolloutLabel label_;
  stats::BlockBuilder builder_;
  std::array<CohortMeter, 2> cohorts_;  // Stable, canary.
  stats::ClientWatch clients_;          // Of this run.
  std::vector<stats::ClientWatch> route_clients_;
  std::vector<stats::ClientWatch> segment_clients_;
  Series series_;
  std::int64_t run_second_;
  std::int64_t clients_second_;
  std::int64_t older_second_;
  std::int64_t newer_second_;
  std::int64_t now_second_;
  mutable std::optional<RolloutTraffic> traffic_;
};

}  // namespace canaryd::telemetry
