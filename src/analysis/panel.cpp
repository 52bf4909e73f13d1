#include "canaryd/analysis/panel.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace canaryd::analysis {
namespace {

std::optional<double> rate(double bad, double n) {
  if (n <= 0) return std::nullopt;
  return bad / n;
}

void add(MetricCounts& sum, const MetricCounts& counts) {
  sum.stable_n += counts.stable_n;
  sum.canary_n += counts.canary_n;
  sum.stable_bad += counts.stable_bad;
  sum.canary_bad += counts.canary_bad;
  sum.canary_bad_next += counts.canary_bad_next;
}

}  // namespace

Panel::Panel(std::span<const Metric> metrics, const Settings& settings) {
  entries_.reserve(metrics.size());
  for (const Metric& metric : metrics) {
    entries_.push_back({.rollback = RollbackAccount(metric.tolerance, settings.burst_guard),
                        .run = {},
                        .step = {},
                        .step_seconds = 0,
                        .older = {},
                        .newer = {},
                        .older_seconds = 0,
                        .newer_seconds = 0,
                        .last = {},
                        .design_effect = 1,
                        .ln_ways = 0,
                        .recent = {}});
  }
}

void Panel::begin_step() noexcept {
  for (Entry& entry : entries_) {
    entry.step = entry.older = entry.newer = {};
    entry.step_seconds = entry.older_seconds = entry.newer_seconds = 0;
  }
}

void Panel::weight_increased() noexcept {
  for (Entry& entry : entries_) entry.rollback.weight_increased();
}

void Panel::add_to_step(Entry& entry, const MetricCounts& counts, std::uint32_t seconds) noexcept {
  add(entry.run, counts);
  add(entry.step, counts);
  entry.step_seconds += seconds;
  if (entry.newer_seconds >= kLateSeconds) {
    entry.older = std::exchange(entry.newer, {});
    entry.older_seconds = std::exchange(entry.newer_seconds, 0);
  }
  add(entry.newer, counts);
  entry.newer_seconds += seconds;
}

std::optional<MetricReport::Late> Panel::late(const Entry& entry) {
  MetricReport::Late late;
  late.seconds = entry.older_seconds + entry.newer_seconds;
  if (late.seconds >= entry.step_seconds) return std::nullopt;
  MetricCounts sum = entry.older;
  add(sum, entry.newer);
  late.stable_rate = rate(sum.stable_bad, sum.stable_n);
  late.canary_rate = rate(sum.canary_bad, sum.canary_n);
  return late;
}

std::optional<MetricReport::Run> Panel::run(const Entry& entry) {
  if (2 * entry.step.canary_n >= entry.run.canary_n) return std::nullopt;
  return MetricReport::Run{.canary_n = entry.run.canary_n,
                           .stable_rate = rate(entry.run.stable_bad, entry.run.stable_n),
                           .canary_rate = rate(entry.run.canary_bad, entry.run.canary_n)};
}

std::vector<MetricCounts> Panel::absorb(std::span<const Metric> metrics,
                                        const stats::Comparison& comparison) {
  std::vector<MetricCounts> taken;
  taken.reserve(entries_.size());
  RollbackAccount::Terms terms;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const MetricCounts counts = take(metrics[i], comparison);
    taken.push_back(counts);
    if (counts.silent()) continue;
    Entry& entry = entries_[i];
    const std::uint32_t seconds = seconds_of(metrics[i], comparison);
    entry.rollback.absorb(counts, seconds, terms);
    add_to_step(entry, counts, seconds);
    if (const auto& quantile = metrics[i].quantile) {
      const stats::SlowCounts& slow = comparison.latency.slow[static_cast<std::size_t>(*quantile)];
      entry.last = {
          .threshold = slow.threshold, .limit = slow.limit, .limit_next = slow.limit_next};
    }
  }
  return taken;
}

void Panel::set_clients(std::span<const Metric> metrics,
                        const stats::ClientSpread& clients) noexcept {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    // A limit compares with nobody.
    if (metrics[i].limit || (!metrics[i].quantile && i != kErrorsMetric)) continue;
    const std::size_t metric =
        metrics[i].quantile ? static_cast<std::size_t>(*metrics[i].quantile) : stats::kClientErrors;
    const std::uint32_t effect = clients.effect[metric];
    entries_[i].design_effect = std::max(1.0, effect / 100.0);
    entries_[i].ln_ways = clients.ln_ways / 1000.0;
  }
}

double Panel::ln_rollback(std::size_t metric) const noexcept {
  const Entry& entry = entries_[metric];
  const double ln_capital = entry.rollback.ln_evidence();
  if (entry.design_effect <= 1) return ln_capital;
  return std::min(ln_capital / entry.design_effect, entry.ln_ways);
}

void Panel::absorb_limits(std::span<const Metric> metrics,
                          const stats::Comparison& second,
                          bool has_control) {
  if (!second.has_canary()) return;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (!metrics[i].limit) continue;
    std::vector<LimitSecond>& recent = entries_[i].recent;
    if (recent.size() == kMostWaiting) recent.erase(recent.begin());
    recent.push_back({take_by_limit(metrics[i], second), second.seconds});
  }
  waiting_requests_ += second.stable.n;
  ++waiting_;
  if (has_control && waiting_requests_ < kTellingRequests && waiting_ < kMostWaiting) return;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (!metrics[i].limit || stable_excuses(metrics[i], entries_[i], has_control)) continue;
    absorb_waiting(metrics[i], entries_[i]);
  }
  waiting_requests_ = waiting_ = 0;
}

// In all of these seconds together.
bool Panel::stable_breaks(double limit, std::span<const LimitSecond> seconds) noexcept {
  double n = 0;
  double bad = 0;
  for (const LimitSecond& second : seconds) {
    n += second.counts.stable_n;
    bad += second.counts.stable_bad;
  }
  return bad > limit * n;
}

// What stable did says nothing of a canary that keeps within the limit whatever happens, so the
// odds of limits.hpp stand. In a few requests stable may keep within a limit by chance that it
// breaks, and an outage may have begun among those that wait: so the last minute counts as well,
// and the newer half of them.
bool Panel::stable_excuses(const Metric& metric,
                           const Entry& entry,
                           bool has_control) const noexcept {
  const std::span recent(entry.recent);
  if (stable_breaks(*metric.limit, recent.last(waiting_))) return true;
  return has_control && (stable_breaks(*metric.limit, recent) ||
                         stable_breaks(*metric.limit, recent.last((waiting_ + 1) / 2)));
}

void Panel::absorb_waiting(const Metric& metric, Entry& entry) const {
  for (const LimitSecond& second : std::span(entry.recent).last(waiting_)) {
    const MetricCounts& counts = second.counts;
    if (counts.canary_n <= 0 || stable_breaks(*metric.limit, {&second, 1})) continue;
    entry.rollback.absorb(against_limit(counts, *metric.limit), second.seconds);
    add_to_step(entry, counts, second.seconds);
  }
}

double Panel::ln_total(std::span<const Metric> metrics) const noexcept {
  double idle = 1;
  for (const Metric& metric : metrics) idle -= metric.weight;
  double total = std::log(std::max(idle, 0.0));
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    total = log_sum(total, std::log(metrics[i].weight) + ln_rollback(i));
  }
  return total;
}

std::size_t Panel::worst_metric(std::span<const Metric> metrics) const noexcept {
  std::size_t worst = 0;
  for (std::size_t i = 1; i < metrics.size(); ++i) {
    const bool worse = std::log(metrics[i].weight) + ln_rollback(i) >
                       std::log(metrics[worst].weight) + ln_rollback(worst);
    if (worse) worst = i;
  }
  return worst;
}

bool Panel::gains(std::span<const Metric> metrics, std::size_t metric) const noexcept {
  const MetricCounts& counts = entries_[metric].step;
  const auto gained = [&](double ratio) {
    return RollbackAccount::increment(ratio, counts, metrics[metric].tolerance) > 0;
  };
  return !counts.silent() &&
         std::any_of(RollbackAccount::kRatios.begin(), RollbackAccount::kRatios.end(), gained);
}

MetricReport Panel::report(std::span<const Metric> metrics,
                           std::size_t index,
                           double rollback_boundary,
                           double share) const {
  const Metric& metric = metrics[index];
  const Entry& entry = entries_[index];
  MetricReport report;
  report.name = metric.name;
  report.required = metric.required;
  report.quantile = metric.quantile;
  report.feedback = metric.feedback;
  report.stable_n = entry.step.stable_n;
  report.canary_n = entry.step.canary_n;
  report.stable_bad = entry.step.stable_bad;
  report.canary_bad = entry.step.canary_bad;
  report.seconds = entry.step_seconds;
  report.design_effect = entry.design_effect;
  report.stable_rate = rate(report.stable_bad, report.stable_n);
  report.canary_rate = rate(report.canary_bad, report.canary_n);
  report.late = late(entry);
  report.run = run(entry);
  report.by_limit = metric.limit.has_value();
  if (metric.limit) {
    report.tolerated_rate = metric.limit;
    if (metric.quantile) report.stable_slow_after = report.canary_slow_after = metric.slow_after;
  } else if (report.stable_rate) {
    report.tolerated_rate = std::min(
        1.0, (1 + metric.tolerance.relative) * *report.stable_rate + metric.tolerance.absolute);
  }
  if (entry.last.judged()) {
    report.stable_slow_after = stats::slow_after(entry.last.threshold);
    report.canary_slow_after = stats::slow_after(entry.last.limit);
  }
  // What the total would be if this metric alone had anything to say.
  const double part = share * metric.weight;
  const double alone =
      log_sum(std::log(std::max(1 - part, 0.0)), std::log(part) + ln_rollback(index));
  report.rollback_evidence = std::clamp(alone / rollback_boundary, 0.0, 1.0);
  return report;
}

}  // namespace canaryd::analysis
