// The accounts R of all metrics over the same traffic: that of the whole rollout, or of one route.
// Values; pure.
#pragma once

#include "canaryd/analysis/accounts.hpp"
#include "canaryd/analysis/metric.hpp"
#include "canaryd/analysis/settings.hpp"
#include "canaryd/analysis/verdict.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace canaryd::analysis {

class Panel {
 public:
  Panel(std::span<const Metric> metrics, const Settings& settings);

  void begin_step() noexcept;  // The sums begin anew, the accounts go on.
  void weight_increased() noexcept;
  // Returns what each metric took, by index; silent ones move nothing.
  std::vector<MetricCounts> absorb(std::span<const Metric> metrics,
                                   const stats::Comparison& comparison);
  // Block::limits, for the metrics that have one.
  void absorb_limits(std::span<const Metric> metrics, const stats::Comparison& second);

  [[nodiscard]] double ln_rollback(std::size_t metric) const noexcept {
    return entries_[metric].rollback.ln_evidence();
  }
  // Over the step.
  [[nodiscard]] const MetricCounts& sums(std::size_t metric) const noexcept {
    return entries_[metric].step;
  }
  // The average of the metrics' capitals, and of what nobody bets with, which stays 1. An average
  // of such accounts is one again, so no correction for the number of metrics is needed.
  [[nodiscard]] double ln_total(std::span<const Metric> metrics) const noexcept;
  [[nodiscard]] std::size_t worst_metric(std::span<const Metric> metrics) const noexcept;
  // Without state and account A.
  [[nodiscard]] MetricReport report(std::span<const Metric> metrics,
                                    std::size_t metric,
                                    double rollback_boundary) const;

  friend bool operator==(const Panel&, const Panel&) = default;

 private:
  struct Entry {
    RollbackAccount rollback;
    MetricCounts step;  // Sums over the step.
    std::uint64_t step_seconds = 0;
    stats::SlowCounts last;  // Latency: where the last block was cut.
    friend bool operator==(const Entry&, const Entry&) = default;
  };
  static void add_to_step(Entry& entry, const MetricCounts& counts, std::uint32_t seconds) noexcept;

  std::vector<Entry> entries_;  // By metric.
};

}  // namespace canaryd::analysis
