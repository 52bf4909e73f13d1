#include "telemetry/rollout_meter.hpp"

#include <algorithm>

namespace canaryd::telemetry {
namespace {

// "Recent" reaches back one to two of these.
constexpr std::int64_t kRecentSeconds = 30;
constexpr std::int64_t kRateSeconds = 10;

Duration seconds_between(std::int64_t from, std::int64_t to) {
  return std::chrono::seconds(std::max<std::int64_t>(0, to - from));
}

}  // namespace

RolloutMeter::RolloutMeter(RolloutId id, const RolloutLabel& label, std::int64_t now_second)
    : id_(id),
      label_(label),
      builder_(now_second, label.epoch, label.step),
      clients_(now_second),
      series_(now_second),
      run_second_(now_second),
      clients_second_(now_second),
      older_second_(now_second),
      newer_second_(now_second),
      now_second_(now_second) {
  builder_.begin_run(label.routes, label.segments);
  builder_.set_latency_rules(label.latency);
  builder_.recall(label.known);
  watch_clients(now_second);
}

RolloutMeter::CohortMeter& RolloutMeter::meter(Cohort cohort) noexcept {
  traffic_.reset();
  return cohorts_[cohort == Cohort::kCanary ? 1 : 0];
}

bool RolloutMeter::is_evidence(const RolloutLabel& recorded) const noexcept {
  return recorded.run == label_.run && recorded.epoch == label_.epoch;
}

std::optional<stats::Block> RolloutMeter::change(const RolloutLabel& label,
                                                 std::int64_t now_second) {
  const bool new_run = label.run != label_.run;
  const bool new_epoch = new_run || label.epoch != label_.epoch;
  const bool new_step = new_run || label.step != label_.step || label.attempt != label_.attempt;
  if (label.stable != label_.stable) forget_rates(cohorts_[0]);
  if (label.canary != label_.canary) forget_rates(cohorts_[1]);
  label_ = label;
  traffic_.reset();
  if (new_run) begin_run(now_second);
  for (CohortMeter& cohort : cohorts_) {
    // What hangs of another epoch is no evidence, however it ends.
    if (new_epoch) cohort.evidence_epoch = cohort.hung_epoch = cohort.settled_epoch = 0;
    if (new_step) cohort.evidence_step = 0;
  }
  if (!new_epoch && !new_step) return std::nullopt;
  if (new_run) builder_.begin_run(label.routes, label.segments);
  auto closed = builder_.change(now_second, label.epoch, label.step);
  builder_.set_latency_rules(label.latency);
  return new_run ? std::nullopt : closed;  // Nobody judges the run that has ended.
}

// What came for a version is not what comes for the next one.
void RolloutMeter::forget_rates(CohortMeter& meter) noexcept {
  meter.requests = {};
  meter.judged = {};
}

bool RolloutMeter::is_of_version(const RolloutLabel& recorded, Cohort cohort) const noexcept {
  return cohort == Cohort::kCanary ? recorded.canary == label_.canary
                                   : recorded.stable == label_.stable;
}

void RolloutMeter::begin_run(std::int64_t now_second) {
  for (CohortMeter& cohort : cohorts_) {
    const std::int64_t active = cohort.run.active;
    cohort.run = {};
    cohort.run.active = active;
    cohort.older = {};
    cohort.newer = {};
    cohort.evidence_run = 0;
  }
  watch_clients(now_second);
  run_second_ = clients_second_ = older_second_ = newer_second_ = now_second;
  series_.begin_run(now_second);
}

void RolloutMeter::watch_clients(std::int64_t now_second) {
  clients_ = stats::ClientWatch(now_second);
  route_clients_.assign(label_.routes, stats::ClientWatch(now_second));
  segment_clients_.assign(label_.segments, stats::ClientWatch(now_second));
}

void RolloutMeter::look_at_clients(std::int64_t now_second) noexcept {
  const stats::ClientSpread spread = clients_.look(now_second);
  builder_.set_clients(spread, clients_.all_fail_more());
  for (std::size_t i = 0; i < route_clients_.size(); ++i) {
    builder_.set_route_clients(i, route_clients_[i].look_at_part(now_second, spread));
  }
  for (std::size_t i = 0; i < segment_clients_.size(); ++i) {
    builder_.set_segment_clients(i, segment_clients_[i].look_at_part(now_second, spread));
  }
}

void RolloutMeter::add(const RolloutLabel& recorded,
                       std::optional<std::uint32_t> route,
                       Cohort cohort,
                       const stats::CounterSnapshot& delta,
                       std::int64_t now_second) {
  if (!is_version(cohort)) return;
  CohortMeter& mine = meter(cohort);
  if (is_of_version(recorded, cohort)) {
    // It came during the second that has just ended.
    mine.requests.add(now_second - 1, delta.requests(), 0);
    mine.judged.add(now_second - 1, delta.judged, delta.bad);
  }
  if (recorded.run == label_.run) {
    const std::int64_t active = mine.run.active;
    mine.run += delta;
    mine.run.active = active;
  }
  if (is_evidence(recorded)) {
    add_evidence(route, cohort, delta);
  } else if (cohort == Cohort::kStable) {
    builder_.add_past(delta.latency);
    if (route && recorded.run == label_.run) builder_.add_route_past(*route, delta.latency);
  }
}

void RolloutMeter::add_evidence(std::optional<std::uint32_t> route,
                                Cohort cohort,
                                const stats::CounterSnapshot& delta) {
  const stats::CohortCounts counts{
      delta.judged, delta.bad, delta.client_errors, delta.repeated, delta.deduped};
  const stats::Overdue overdue{delta.overdue, delta.overdue_ended, delta.abandoned};
  builder_.add(cohort, counts, delta.latency, overdue);
  if (route) builder_.add_route(*route, cohort, counts, delta.latency, overdue);
  CohortMeter& mine = meter(cohort);
  mine.evidence_run += delta.judged;
  mine.evidence_step += delta.judged;
  mine.evidence_epoch += delta.judged;
  mine.hung_epoch += delta.hung;
  mine.settled_epoch += delta.hung_settled;
}

void RolloutMeter::add_segment(const RolloutLabel& recorded,
                               std::size_t segment,
                               Cohort cohort,
                               const stats::ClientGroups& came) {
  if (recorded.run == label_.run && segment < segment_clients_.size()) {
    segment_clients_[segment].add(cohort, came);
  }
  if (!is_evidence(recorded)) return;
  stats::CohortCounts counts;
  for (const stats::GroupCounts& group : came.groups) {
    counts.n += group.judged;
    counts.bad += group.bad;
  }
  builder_.add_segment(segment, cohort, counts);
}

void RolloutMeter::add_client_groups(const RolloutLabel& recorded,
                                     Cohort cohort,
                                     const stats::ClientGroups& came) noexcept {
  if (recorded.run == label_.run) clients_.add(cohort, came);
}

void RolloutMeter::add_route_groups(const RolloutLabel& recorded,
                                    std::uint32_t route,
                                    Cohort cohort,
                                    const stats::ClientGroups& came) noexcept {
  const bool ours = recorded.run == label_.run && route < route_clients_.size();
  if (ours) route_clients_[route].add(cohort, came);
}

stats::LatencyCuts RolloutMeter::route_latency_cuts(std::uint32_t route) const noexcept {
  const bool compared = label_.weight > BasisPoints(0);
  return compared ? builder_.route_latency_cuts(route) : stats::LatencyCuts();
}

void RolloutMeter::add_duplicate(const RolloutLabel& recorded,
                                 std::optional<std::uint32_t> route,
                                 SegmentSet segments,
                                 Cohort cohort,
                                 std::uint64_t repeats) {
  if (!is_version(cohort) || !is_evidence(recorded)) return;
  builder_.add_duplicates(cohort, 1, repeats);
  if (route) builder_.add_route_duplicates(*route, cohort, 1);
  for (const std::uint8_t segment : segments) builder_.add_segment_duplicates(segment, cohort, 1);
  CohortMeter& mine = meter(cohort);
  for (std::uint64_t* count : {&mine.evidence_run, &mine.evidence_step, &mine.evidence_epoch}) {
    if (*count > 0) --*count;
  }
}

bool RolloutMeter::add_vote(std::uint64_t run,
                            std::uint64_t epoch,
                            Cohort cohort,
                            unsigned score) noexcept {
  if (!is_version(cohort) || run != label_.run || epoch != label_.epoch) return false;
  builder_.add_vote(cohort, score);
  return true;
}

void RolloutMeter::set_active(Cohort cohort, std::int64_t active) {
  if (is_version(cohort)) meter(cohort).run.active = active;
}

std::optional<stats::Block> RolloutMeter::tick(std::int64_t now_second) {
  traffic_.reset();
  now_second_ = now_second;
  if (now_second - newer_second_ >= kRecentSeconds) {
    for (CohortMeter& cohort : cohorts_) {
      cohort.older = cohort.newer;
      cohort.newer = cohort.run;
    }
    older_second_ = newer_second_;
    newer_second_ = now_second;
  }
  if (now_second - clients_second_ >= stats::kClientSpreadSeconds) {
    look_at_clients(now_second);
    clients_second_ = now_second;
  }
  series_.tick(now_second, label_.weight, cohorts_[0].run, cohorts_[1].run);
  return builder_.tick(now_second);
}

CohortRates RolloutMeter::cohort_rates(const CohortMeter& from) const {
  CohortRates rates;
  rates.requests_per_second = from.requests.requests_per_second(kRateSeconds, now_second_);
  rates.failure_share = from.judged.failure_share(kRateSeconds, now_second_);
  rates.step_requests = from.evidence_step;
  // A reading may be torn: the end of a hang before its beginning.
  rates.hanging = from.hung_epoch - std::min(from.hung_epoch, from.settled_epoch);
  rates.hanging_of = from.evidence_epoch + rates.hanging;
  return rates;
}

CohortTraffic RolloutMeter::cohort_traffic(const CohortMeter& from) const {
  CohortTraffic traffic;
  static_cast<CohortRates&>(traffic) = cohort_rates(from);
  traffic.run = stats::make_sample(from.run, seconds_between(run_second_, now_second_));
  traffic.recent =
      stats::make_sample(from.run.since(from.older), seconds_between(older_second_, now_second_));
  traffic.excluded = from.run.excluded;
  return traffic;
}

RolloutTraffic RolloutMeter::traffic() const {
  if (!traffic_) traffic_ = make_traffic();
  return *traffic_;
}

RolloutTraffic RolloutMeter::make_traffic() const {
  RolloutTraffic traffic;
  static_cast<RolloutShare&>(traffic) = share();
  traffic.stable = cohort_traffic(cohorts_[0]);
  traffic.canary = cohort_traffic(cohorts_[1]);
  return traffic;
}

RolloutRates RolloutMeter::rates() const {
  RolloutRates rates;
  static_cast<RolloutShare&>(rates) = share();
  rates.stable = cohort_rates(cohorts_[0]);
  rates.canary = cohort_rates(cohorts_[1]);
  rates.stable_slow = builder_.stable_slow();
  return rates;
}

RolloutShare RolloutMeter::share() const {
  RolloutShare share;
  const auto stable = static_cast<double>(cohorts_[0].evidence_epoch);
  const auto canary = static_cast<double>(cohorts_[1].evidence_epoch);
  if (stable + canary > 0) share.canary_share = canary / (stable + canary);
  share.share_of = cohorts_[0].evidence_epoch + cohorts_[1].evidence_epoch;
  return share;
}

std::uint64_t RolloutMeter::withheld_cookies() const {
  return cohorts_[0].run.withheld_cookies + cohorts_[1].run.withheld_cookies;
}

std::uint64_t RolloutMeter::evidence_requests(Cohort cohort) const {
  return is_version(cohort) ? cohorts_[cohort == Cohort::kCanary ? 1 : 0].evidence_run : 0;
}

}  // namespace canaryd::telemetry
