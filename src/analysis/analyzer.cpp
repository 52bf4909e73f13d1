#include "canaryd/analysis/analyzer.hpp"

#include "canaryd/base/error.hpp"

#include <algorithm>
#include <cmath>

namespace canaryd::analysis {
namespace {

// So that a guess of centuries is not turned into a number that no type holds.
constexpr double kMostRequests = 1e15;
constexpr double kMostSeconds = 86400.0 * 10000;
constexpr double kNearlyAll = 0.7;

std::optional<double> share(double part, double rest) {
  if (part + rest <= 0) return std::nullopt;
  return part / (part + rest);
}

double toward(double ln_capital, double boundary) {
  return std::clamp(ln_capital / boundary, 0.0, 1.0);
}

// How much of what is bad of the canary came by one route, beyond that route's part of its
// requests: 0, as much as elsewhere; 1, all of it.
double concentration(const MetricCounts& all, const MetricCounts& route) noexcept {
  if (all.canary_bad <= 0 || route.canary_n >= all.canary_n) return 0;
  const double requests = route.canary_n / all.canary_n;
  return (route.canary_bad / all.canary_bad - requests) / (1 - requests);
}

std::vector<AcceptAccount> accept_accounts(std::span<const Metric> metrics, StepTarget target) {
  std::vector<AcceptAccount> accounts;
  accounts.reserve(metrics.size());
  for (const Metric& metric : metrics) {
    accounts.emplace_back(metric.tolerance, target.next_weight.ratio());
  }
  return accounts;
}

}  // namespace

Analyzer::Analyzer(const Settings& settings)
    : settings_(settings),
      metrics_(make_metrics(settings)),
      all_(metrics_, settings),
      accept_(accept_accounts(metrics_, target_)) {
  // The sum of one route is that route.
  const std::size_t routes = std::min(settings.routes.size(), Settings::kMaxRoutes);
  if (routes >= 2) routes_.assign(routes, all_);
}

void Analyzer::begin_step(StepTarget target) {
  CANARYD_ASSERT(target.next_weight.value() > 0);
  target_ = target;
  begun_ = true;
  data_ = Reason::kNoTraffic;
  all_.begin_step();
  for (Panel& route : routes_) route.begin_step();
  accept_ = accept_accounts(metrics_, target);
}

void Analyzer::weight_increased() {
  all_.weight_increased();
  for (Panel& route : routes_) route.weight_increased();
}

void Analyzer::absorb(const stats::Block& block) {
  all_.absorb_limits(metrics_, block.limits);
  if (!block.limits_only()) compare(block);
  if (!failed_ && ln_all() >= rollback_boundary()) failed_ = worst();
}

void Analyzer::compare(const stats::Block& block) {
  if (!block.comparable()) {
    if (block.stable.n > 0) {
      data_ = Reason::kNoCanaryTraffic;
    } else {
      data_ = block.canary.n > 0 ? Reason::kNoStableTraffic : Reason::kNoTraffic;
    }
    return;
  }
  data_ = Reason::kNeedsEvidence;
  const auto taken = all_.absorb(
      metrics_, {block.seconds, block.stable, block.canary, block.latency, block.feedback});
  AcceptAccount::Terms terms;
  for (std::size_t i = 0; i < accept_.size(); ++i) accept_[i].absorb(taken[i], terms);
  for (const stats::RouteComparison& each : block.routes) {
    if (each.route < routes_.size()) routes_[each.route].absorb(metrics_, each.counts);
  }
}

double Analyzer::ln_rollback(std::size_t metric) const noexcept {
  return all_.ln_rollback(metric);
}

double Analyzer::ln_accept(std::size_t metric) const noexcept {
  return accept_[metric].ln_evidence();
}

double Analyzer::rollback_boundary() const noexcept {
  return -std::log(settings_.false_rollback);
}
double Analyzer::accept_boundary() const noexcept {
  return -std::log(settings_.false_accept);
}

double Analyzer::ln_total() const noexcept {
  return all_.ln_total(metrics_);
}

// The routes share half of the capital, so the promise is still for the whole rollout.
double Analyzer::ln_all() const noexcept {
  if (routes_.empty()) return ln_total();
  const double ln_share = -std::log(2 * static_cast<double>(routes_.size()));
  double sum = ln_total() - std::log(2.0);
  for (const Panel& route : routes_) sum = log_sum(sum, ln_share + route.ln_total(metrics_));
  return sum;
}

// A route is named when its own traffic says more against the canary than all traffic together, or
// says enough, and nearly all that is bad came by it.
Analyzer::Failure Analyzer::worst() const noexcept {
  const Failure all{all_.worst_metric(metrics_), std::nullopt};
  if (routes_.empty()) return all;
  std::size_t worst = 0;
  for (std::size_t i = 1; i < routes_.size(); ++i) {
    if (routes_[i].ln_total(metrics_) > routes_[worst].ln_total(metrics_)) worst = i;
  }
  const Panel& route = routes_[worst];
  const double own = route.ln_total(metrics_);
  const std::size_t metric = route.worst_metric(metrics_);
  const bool enough = own >= rollback_boundary() / 2 &&
                      concentration(all_.sums(metric), route.sums(metric)) >= kNearlyAll;
  return own > ln_total() || enough ? Failure{metric, worst} : all;
}

MetricReport Analyzer::report(std::size_t index) const {
  MetricReport report = all_.report(metrics_, index, rollback_boundary());
  if (failed_ && failed_->metric == index) report.state = MetricState::kFail;
  if (!target_.has_control) return report;

  report.accept_evidence = toward(ln_accept(index), accept_boundary());
  if (!failed_ && ln_accept(index) >= accept_boundary()) report.state = MetricState::kPass;
  const auto needed = accept_[index].requests_needed(accept_boundary());
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

Decision Analyzer::decision() const noexcept {
  if (failed_) return Decision::kRollback;
  if (!begun_ || !target_.has_control || data_ != Reason::kNeedsEvidence) return Decision::kHold;
  const double boundary = accept_boundary();
  for (std::size_t i = 0; i < metrics_.size(); ++i) {
    if (metrics_[i].required && ln_accept(i) < boundary) return Decision::kHold;
  }
  return Decision::kAccept;
}

Verdict Analyzer::evaluate() const {
  Verdict verdict;
  verdict.metrics.reserve(metrics_.size());
  double furthest = 2;
  for (std::size_t i = 0; i < metrics_.size(); ++i) {
    verdict.metrics.push_back(report(i));
    const MetricReport& last = verdict.metrics.back();
    if (!last.required) continue;
    if (last.accept_evidence < furthest) {
      furthest = last.accept_evidence;
      verdict.deciding = i;
    }
  }
  verdict.ln_total = ln_all();
  verdict.rollback_evidence = toward(verdict.ln_total, rollback_boundary());
  const MetricReport& errors = verdict.metrics.front();
  verdict.canary_share = share(errors.canary_n, errors.stable_n);

  if (failed_) {
    verdict.decision = Decision::kRollback;
    verdict.reason = metrics_[failed_->metric].limit ? Reason::kBeyondLimit : Reason::kWorse;
    verdict.deciding = failed_->metric;
    if (const auto route = failed_->route) {
      verdict.route =
          RouteReport{settings_.routes[*route],
                      routes_[*route].report(metrics_, failed_->metric, rollback_boundary())};
      verdict.route->metric.state = MetricState::kFail;
    }
    return verdict;
  }
  verdict.decision = decision();
  verdict.reason = verdict.decision == Decision::kAccept ? Reason::kWithinLimit : hold_reason();
  return verdict;
}

}  // namespace canaryd::analysis
