#include "canaryd/analysis/metric.hpp"

namespace canaryd::analysis {
namespace {

MetricCounts take_errors(const stats::Block& block) {
  MetricCounts counts;
  counts.stable_n = static_cast<double>(block.stable.n);
  counts.canary_n = static_cast<double>(block.canary.n);
  counts.stable_bad = static_cast<double>(block.stable.bad);
  counts.canary_bad = static_cast<double>(block.canary.bad);
  counts.canary_bad_next = counts.canary_bad;
  return counts;
}

}  // namespace

std::vector<Metric> make_metrics(const Settings& settings) {
  return {Metric{.name = "errors",
                 .weight = kErrorsWeight,
                 .tolerance = settings.tolerance.errors,
                 .required = true,
                 .take = &take_errors}};
}

}  // namespace canaryd::analysis
