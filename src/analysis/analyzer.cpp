#include "canaryd/analysis/analyzer.hpp"

#include "canaryd/base/error.hpp"

#include <algorithm>
#include <cmath>

namespace canaryd::analysis {
namespace {

// So that a guess of centuries is not turned into a number that no type holds.
constexpr double kMostRequests = 1e15;
constexpr double kAnswerSeconds = 86400.0 * 10000;
constexpr double kNearlyAll = 0.7;
// With fewer, all of them may have come by one route by chance.
constexpr double kFewBad = 5;

// Of a damaged row of settings a guess may be no number at all: then as if it took for ever.
double bounded(double guess, double most) noexcept {
  return guess < most ? std::max(0.0, guess) : most;
}

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

// The evidence is of the whole run. What turns bad late does not show in that sum, but in the
// step's, once there is enough of it: of a step that has just begun a single failure is all.
bool is_concentrated(const Panel& all, const Panel& part, std::size_t metric) noexcept {
  if (concentration(all.run_sums(metric), part.run_sums(metric)) >= kNearlyAll) return true;
  return all.sums(metric).canary_bad >= kFewBad &&
         concentration(all.sums(metric), part.sums(metric)) >= kNearlyAll;
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
      segment_metrics_(make_segment_metrics(settings)),
      accept_(accept_accounts(metrics_, target_)),
      empty_(metrics_.size()) {
  // The sum of one route is that route.
  const std::size_t routes = std::min(settings.routes.size(), Settings::kMaxRoutes);
  if (routes >= 2) routes_.assign(routes, all_);
  segments_.assign(std::min(settings.segments.size(), Settings::kMaxSegments),
                   Panel(segment_metrics_, settings));
}

void Analyzer::begin_step(StepTarget target) {
  CANARYD_ASSERT(target.next_weight.value() > 0);
  target_ = target;
  begun_ = true;
  data_ = Reason::kNoTraffic;
  all_.begin_step();
  for (Panel& route : routes_) route.begin_step();
  for (Panel& segment : segments_) segment.begin_step();
  accept_ = accept_accounts(metrics_, target);
  accept_repeats_.reset();
  stable_repeats_ = canary_repeats_ = 0;
}

void Analyzer::weight_increased() {
  all_.weight_increased();
  for (Panel& route : routes_) route.weight_increased();
  for (Panel& segment : segments_) segment.weight_increased();
}

void Analyzer::absorb(const stats::Block& block) {
  all_.absorb_limits(metrics_, block.limits, target_.has_control);
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
  const stats::Comparison comparison{
      block.seconds, block.stable, block.canary, block.latency, block.feedback};
  look_for_outage(comparison);
  data_ = Reason::kNeedsEvidence;
  all_.set_clients(metrics_, block.clients);
  const auto taken = all_.absorb(metrics_, comparison);
  if (!outage_.is_on()) {
    absorb_repeats(taken[kErrorsMetric], block);
    AcceptAccount::Terms terms;
    for (std::size_t i = 0; i < accept_.size(); ++i) {
      const bool may_gain = empty_[i].may_gain(taken[i], metrics_[i].tolerance);
      accept_[i].absorb(taken[i], terms, may_gain);
    }
  }
  for (const stats::RouteComparison& each : block.routes) {
    if (each.route >= routes_.size()) continue;
    routes_[each.route].set_clients(metrics_, each.clients);
    routes_[each.route].absorb(metrics_, each.counts);
  }
  for (const stats::SegmentComparison& each : block.segments) {
    if (each.segment >= segments_.size()) continue;
    segments_[each.segment].set_clients(segment_metrics_, each.clients);
    segments_[each.segment].absorb(segment_metrics_, each.counts);
  }
}

// Acceptance begins anew with an outage of stable, and when it is over. What comes meanwhile is for
// account R alone.
void Analyzer::look_for_outage(const stats::Comparison& comparison) {
  const bool before = outage_.is_on();
  outage_.note(take(metrics_[kErrorsMetric], comparison), comparison.seconds);
  if (outage_.is_on() != before && begun_) begin_step(target_);
}

double Analyzer::ln_rollback(std::size_t metric) const noexcept {
  return all_.ln_rollback(metric);
}

// Before the account without them has the block.
void Analyzer::absorb_repeats(const MetricCounts& errors, const stats::Block& block) noexcept {
  const auto stable = static_cast<double>(block.stable.repeats);
  const auto canary = static_cast<double>(block.canary.repeats);
  if (!accept_repeats_) {
    if (stable + canary <= 0) return;
    accept_repeats_ = accept_[kErrorsMetric];
  }
  stable_repeats_ += stable;
  canary_repeats_ += canary;
  MetricCounts all = errors;
  all.stable_n += stable;
  all.stable_bad += stable;
  all.canary_n += canary;
  all.canary_bad += canary;
  all.canary_bad_next += canary;
  accept_repeats_->absorb(all);
}

const AcceptAccount& Analyzer::accept_of(std::size_t metric) const noexcept {
  const AcceptAccount& own = accept_[metric];
  const bool both = metric == kErrorsMetric && accept_repeats_;
  return both && accept_repeats_->ln_evidence() < own.ln_evidence() ? *accept_repeats_ : own;
}

double Analyzer::ln_accept(std::size_t metric) const noexcept {
  return accept_of(metric).ln_evidence();
}

// What is shown is what really happened, if that is what was judged.
void Analyzer::add_repeats(MetricReport& report, const Metric& metric) const noexcept {
  report.stable_n += stable_repeats_;
  report.stable_bad += stable_repeats_;
  report.canary_n += canary_repeats_;
  report.canary_bad += canary_repeats_;
  if (report.canary_n > 0) report.canary_rate = report.canary_bad / report.canary_n;
  if (report.stable_n <= 0) return;
  report.stable_rate = report.stable_bad / report.stable_n;
  report.tolerated_rate = std::min(
      1.0, (1 + metric.tolerance.relative) * *report.stable_rate + metric.tolerance.absolute);
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

// ln of the part of the capital that each of so many routes, or segments, has: they share half, or
// where there are both a quarter each.
double Analyzer::ln_part(std::size_t parts) const noexcept {
  const double kinds = routes_.empty() || segments_.empty() ? 1 : 2;
  return -std::log(2 * kinds * static_cast<double>(parts));
}

// Half of the capital is for all traffic, so the promise is still for the whole rollout.
double Analyzer::ln_all() const noexcept {
  if (routes_.empty() && segments_.empty()) return ln_total();
  double sum = ln_total() - std::log(2.0);
  for (const Panel& route : routes_) {
    sum = log_sum(sum, ln_part(routes_.size()) + route.ln_total(metrics_));
  }
  for (const Panel& segment : segments_) {
    sum = log_sum(sum, ln_part(segments_.size()) + segment.ln_total(segment_metrics_));
  }
  return sum;
}

// A route, or a segment, is to blame when its own traffic says more against the canary than all
// traffic together, or says enough, and nearly all that is bad came by it. (The metrics of segments
// are the first of all.)
std::optional<std::size_t> Analyzer::to_blame(std::span<const Panel> parts,
                                              std::span<const Metric> metrics) const noexcept {
  if (parts.empty()) return std::nullopt;
  std::size_t worst = 0;
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (parts[i].ln_total(metrics) > parts[worst].ln_total(metrics)) worst = i;
  }
  const double own = parts[worst].ln_total(metrics);
  const double sum = all_.ln_total(metrics);
  const std::size_t metric = parts[worst].worst_metric(metrics);
  const bool enough = own >= rollback_boundary() / 2 && is_concentrated(all_, parts[worst], metric);
  return own > sum || enough ? std::optional(worst) : std::nullopt;
}

Analyzer::Failure Analyzer::worst() const noexcept {
  const auto route = to_blame(routes_, metrics_);
  const auto segment = to_blame(segments_, segment_metrics_);
  const bool by_segment = segment && (!route || segments_[*segment].ln_total(segment_metrics_) >
                                                    routes_[*route].ln_total(segment_metrics_));
  if (by_segment) return {0, std::nullopt, segment};
  if (route) return {routes_[*route].worst_metric(metrics_), route, std::nullopt};
  return {all_.worst_metric(metrics_), std::nullopt, std::nullopt};
}

PartReport Analyzer::part(const std::string& name,
                          const Panel& panel,
                          double share,
                          std::span<const Metric> metrics,
                          std::size_t metric) const {
  PartReport part{name, panel.report(metrics, metric, rollback_boundary(), share)};
  part.metric.state = MetricState::kFail;
  return part;
}

MetricReport Analyzer::report(std::size_t index) const {
  const double share = routes_.empty() && segments_.empty() ? 1 : 0.5;
  MetricReport report = all_.report(metrics_, index, rollback_boundary(), share);
  // Account R knows nothing of them.
  if (index == kErrorsMetric && accept_repeats_ && !failed_) add_repeats(report, metrics_[index]);
  if (failed_ && failed_->metric == index) report.state = MetricState::kFail;
  if (!target_.has_control) return report;

  report.accept_evidence = toward(ln_accept(index), accept_boundary());
  if (!failed_ && ln_accept(index) >= accept_boundary()) report.state = MetricState::kPass;
  if (report.canary_n <= 0) return report;
  const auto time_of = [&report](double requests) {
    const double seconds = requests * static_cast<double>(report.seconds) / report.canary_n;
    return std::chrono::seconds(std::llround(bounded(seconds, kAnswerSeconds)));
  };
  if (const auto needed = accept_of(index).requests_needed(accept_boundary())) {
    report.needs_requests = static_cast<std::uint64_t>(std::ceil(bounded(*needed, kMostRequests)));
    report.needs_time = time_of(*needed);
  } else if (report.stable_rate) {
    const auto equal = accept_of(index).requests_if_equal(
        accept_boundary(), *report.stable_rate, report.stable_n / report.canary_n);
    if (equal) report.equal_time = time_of(*equal);
    // What is slow for stable need not be so for the canary: one as good is better by that.
    report.never = !equal && !report.quantile;
    report.undecided = metrics_[index].weight > 0 && !all_.gains(metrics_, index);
  }
  return report;
}

Reason Analyzer::hold_reason() const noexcept {
  if (!target_.has_control) return Reason::kNoControl;
  return begun_ ? data_ : Reason::kNoTraffic;
}

bool Analyzer::has_silent_metric() const noexcept {
  for (std::size_t i = 0; i < metrics_.size(); ++i) {
    if (!metrics_[i].required || metrics_[i].limit) continue;
    const MetricCounts& counts = all_.sums(i);
    if (counts.canary_n <= 0 || counts.stable_n <= 0) return true;
  }
  return false;
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
      verdict.route = part(settings_.routes[*route],
                           routes_[*route],
                           std::exp(ln_part(routes_.size())),
                           metrics_,
                           failed_->metric);
    }
    if (const auto segment = failed_->segment) {
      verdict.segment = part(settings_.segments[*segment],
                             segments_[*segment],
                             std::exp(ln_part(segments_.size())),
                             segment_metrics_,
                             0);
    }
    return verdict;
  }
  verdict.decision = decision();
  verdict.reason = verdict.decision == Decision::kAccept ? Reason::kWithinLimit : hold_reason();
  return verdict;
}

}  // namespace canaryd::analysis
