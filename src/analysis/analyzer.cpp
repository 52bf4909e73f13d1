#include "canaryd/analysis/analyzer.hpp"

#include "canaryd/base/error.hpp"

#include <algorithm>
#include <cmath>

namespace canaryd::analysis {
namespace {

// So that a guess of centuries is not turned into a number that no type holds.
constexpr double kMostRequests = 1e15;
constexpr double kMostSeconds = 86400.0 * 10000;

std::optional<double> rate(double bad, double n) {
  if (n <= 0) return std::nullopt;
  return bad / n;
}

double toward(double ln_capital, double boundary) {
  return std::clamp(ln_capital / boundary, 0.0, 1.0);
}

void add(MetricCounts& sum, const MetricCounts& counts) {
  sum.stable_n += counts.stable_n;
  sum.canary_n += counts.canary_n;
  sum.stable_bad += counts.stable_bad;
  sum.canary_bad += counts.canary_bad;
  sum.canary_bad_next += counts.canary_bad_next;
}

}  // namespace

Analyzer::Analyzer(const Settings& settings)
    : settings_(settings), metrics_(make_metrics(settings)) {
  accounts_.reserve(metrics_.size());
  for (const Metric& metric : metrics_) {
    accounts_.push_back({.rollback = RollbackAccount(metric.tolerance, settings.burst_guard),
                         .accept = AcceptAccount(metric.tolerance, target_.next_weight.ratio()),
                         .step = {},
                         .step_seconds = 0});
  }
}

void Analyzer::begin_step(StepTarget target) {
  CANARYD_ASSERT(target.next_weight.value() > 0);
  target_ = target;
  begun_ = true;
  data_ = Reason::kNoTraffic;
  for (std::size_t i = 0; i < metrics_.size(); ++i) {
    accounts_[i].accept = AcceptAccount(metrics_[i].tolerance, target.next_weight.ratio());
    accounts_[i].step = {};
    accounts_[i].step_seconds = 0;
  }
}

void Analyzer::weight_increased() {
  for (MetricAccounts& accounts : accounts_) accounts.rollback.weight_increased();
}

void Analyzer::absorb(const stats::Block& block) {
  if (!block.comparable()) {
    if (block.stable.n > 0) {
      data_ = Reason::kNoCanaryTraffic;
    } else {
      data_ = block.canary.n > 0 ? Reason::kNoStableTraffic : Reason::kNoTraffic;
    }
    return;
  }
  data_ = Reason::kNeedsEvidence;
  for (std::size_t i = 0; i < metrics_.size(); ++i) {
    const MetricCounts counts = metrics_[i].take(block);
    if (counts.silent()) continue;
    MetricAccounts& accounts = accounts_[i];
    accounts.rollback.absorb(counts, block.seconds);
    accounts.accept.absorb(counts);
    add(accounts.step, counts);
    accounts.step_seconds += block.seconds;
  }
  if (!failed_ && ln_total() >= rollback_boundary()) failed_ = worst_metric();
}

double Analyzer::ln_rollback(std::size_t metric) const noexcept {
  return accounts_[metric].rollback.ln_evidence();
}

double Analyzer::ln_accept(std::size_t metric) const noexcept {
  return accounts_[metric].accept.ln_evidence();
}

double Analyzer::rollback_boundary() const noexcept {
  return -std::log(settings_.false_rollback);
}
double Analyzer::accept_boundary() const noexcept {
  return -std::log(settings_.false_accept);
}

// The average of the metrics' capitals, and of what nobody bets with, which stays 1. An average of
// such accounts is one again, so no correction for the number of metrics is needed.
double Analyzer::ln_total() const noexcept {
  double idle = 1;
  for (const Metric& metric : metrics_) idle -= metric.weight;
  double total = std::log(std::max(idle, 0.0));
  for (std::size_t i = 0; i < metrics_.size(); ++i) {
    total = log_sum(total, std::log(metrics_[i].weight) + ln_rollback(i));
  }
  return total;
}

std::size_t Analyzer::worst_metric() const noexcept {
  std::size_t worst = 0;
  for (std::size_t i = 1; i < metrics_.size(); ++i) {
    const bool worse = std::log(metrics_[i].weight) + ln_rollback(i) >
                       std::log(metrics_[worst].weight) + ln_rollback(worst);
    if (worse) worst = i;
  }
  return worst;
}

MetricReport Analyzer::report(std::size_t index) const {
  const Metric& metric = metrics_[index];
  const MetricAccounts& accounts = accounts_[index];
  MetricReport report;
  report.name = metric.name;
  report.required = metric.required;
  report.stable_n = accounts.step.stable_n;
  report.canary_n = accounts.step.canary_n;
  report.stable_bad = accounts.step.stable_bad;
  report.canary_bad = accounts.step.canary_bad;
  report.seconds = accounts.step_seconds;
  report.stable_rate = rate(report.stable_bad, report.stable_n);
  report.canary_rate = rate(report.canary_bad, report.canary_n);
  if (report.stable_rate) {
    report.tolerated_rate =
        (1 + metric.tolerance.relative) * *report.stable_rate + metric.tolerance.absolute;
  }
  // What the total would be if this metric alone had anything to say.
  const double alone = log_sum(std::log(std::max(1 - metric.weight, 0.0)),
                               std::log(metric.weight) + ln_rollback(index));
  report.rollback_evidence = toward(alone, rollback_boundary());
  if (failed_ == index) report.state = MetricState::kFail;
  if (!target_.has_control) return report;

  report.accept_evidence = toward(ln_accept(index), accept_boundary());
  if (!failed_ && ln_accept(index) >= accept_boundary()) report.state = MetricState::kPass;
  const auto needed = accounts.accept.requests_needed(accept_boundary());
  if (!needed || report.canary_n <= 0) return report;
  report.needs_requests = static_cast<std::uint64_t>(std::ceil(std::min(*needed, kMostRequests)));
  const double seconds = *needed * static_cast<double>(report.seconds) / report.canary_n;
  report.needs_time = std::chrono::seconds(std::llround(std::min(seconds, kMostSeconds)));
  return report;
}

Reason Analyzer::hold_reason() const noexcept {
  if (!target_.has_control) return Reason::kNoControl;
  return begun_ ? data_ : Reason::kNoTraffic;
}

Verdict Analyzer::evaluate() const {
  Verdict verdict;
  bool accepted = begun_ && target_.has_control && data_ == Reason::kNeedsEvidence;
  double furthest = 2;
  for (std::size_t i = 0; i < metrics_.size(); ++i) {
    verdict.metrics.push_back(report(i));
    const MetricReport& last = verdict.metrics.back();
    if (!last.required) continue;
    accepted = accepted && last.state == MetricState::kPass;
    if (last.accept_evidence < furthest) {
      furthest = last.accept_evidence;
      verdict.deciding = i;
    }
  }
  verdict.ln_total = ln_total();
  verdict.rollback_evidence = toward(verdict.ln_total, rollback_boundary());
  const MetricReport& errors = verdict.metrics.front();
  verdict.canary_share = rate(errors.canary_n, errors.canary_n + errors.stable_n);

  if (failed_) {
    verdict.decision = Decision::kRollback;
    verdict.reason = Reason::kWorse;
    verdict.deciding = *failed_;
    return verdict;
  }
  verdict.decision = accepted ? Decision::kAccept : Decision::kHold;
  verdict.reason = accepted ? Reason::kWithinLimit : hold_reason();
  return verdict;
}

}  // namespace canaryd::analysis
