#include "canaryd/simulate/traffic.hpp"

#include "canaryd/base/draw.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace canaryd::simulate {
namespace {

constexpr double kDaySeconds = 86400;

std::size_t index_of(Cohort cohort) noexcept {
  return static_cast<std::size_t>(cohort);
}

bool touches(Scope scope, Cohort cohort) noexcept {
  if (scope == Scope::kBoth) return true;
  return (scope == Scope::kCanary) == (cohort == Cohort::kCanary);
}

double load(const Traffic& traffic, std::int64_t second) noexcept {
  const double angle = 2 * std::numbers::pi * static_cast<double>(second) / kDaySeconds;
  return traffic.requests_per_second * (1 + traffic.diurnal * std::sin(angle));
}

}  // namespace

Crowd::Crowd(std::uint32_t users, Random& random) {
  places_.reserve(users);
  double total = 0;
  for (std::uint32_t i = 0; i < users; ++i) {
    const double activity = 1.0 / (i + 1);
    total += activity;
    places_.push_back({.bucket = random.uniform(), .share = activity});
  }
  std::sort(places_.begin(), places_.end(), [](const Place& a, const Place& b) {
    return a.bucket < b.bucket;
  });
  double sum = 0;
  for (Place& place : places_) {
    sum += place.share / total;
    place.share = sum;
  }
}

std::size_t Crowd::count_below(double weight) const noexcept {
  const auto next =
      std::lower_bound(places_.begin(), places_.end(), weight, [](const Place& place, double at) {
        return place.bucket < at;
      });
  return static_cast<std::size_t>(next - places_.begin());
}

double Crowd::share(double weight) const noexcept {
  if (places_.empty() || weight >= 1) return weight;
  const std::size_t count = count_below(weight);
  return count == 0 ? 0 : std::min(places_[count - 1].share, 1.0);
}

double Crowd::users_below(double weight) const noexcept {
  if (places_.empty() || weight >= 1) return weight;
  return static_cast<double>(count_below(weight)) / static_cast<double>(places_.size());
}

World::World(const Traffic& traffic, Random& random)
    : traffic_(traffic),
      random_(random),
      stable_latency_(traffic.stable_latency),
      canary_latency_(traffic.canary_latency),
      cold_latency_(traffic.canary_latency.stretched(traffic.cold_start.stretch)) {
  if (traffic.users > 0) crowd_ = Crowd(traffic.users, random);
}

double World::error_rate(Cohort cohort, std::int64_t second) const noexcept {
  double rate = cohort == Cohort::kCanary ? traffic_.canary_error_rate : traffic_.stable_error_rate;
  for (const Outage& outage : traffic_.outages) {
    const bool now = second >= outage.begin && second < outage.begin + outage.seconds;
    if (now && touches(outage.scope, cohort)) rate = std::max(rate, outage.error_rate);
  }
  if (second < burst_ends_[index_of(cohort)]) rate = std::max(rate, traffic_.bursts.error_rate);
  return rate;
}

void World::begin_bursts(std::int64_t second) {
  if (traffic_.bursts.per_hour <= 0) return;
  for (std::int64_t& end : burst_ends_) {
    if (random_.chance(traffic_.bursts.per_hour / 3600)) end = second + traffic_.bursts.seconds;
  }
}

CohortSecond World::draw(Cohort cohort, double mean, double error_rate) {
  CohortSecond result;
  std::uint64_t& failing = failing_users_[index_of(cohort)];
  if (mean <= 0) {
    failing = 0;
    return result;
  }
  const double length = traffic_.failures_per_user;
  if (length > 1) result.repeated = draw_binomial(random_, failing, 1 - 1 / length);
  result.failures = result.repeated + draw_poisson(random_, mean * error_rate / length);
  failing = result.failures;
  result.requests = result.failures + draw_poisson(random_, mean * (1 - error_rate));
  return result;
}

CohortSecond World::divert(std::uint64_t requests, std::int64_t second) {
  CohortSecond result;
  result.requests = requests;
  if (requests == 0) return result;
  result.failures = draw_binomial(random_, requests, error_rate(Cohort::kStable, second));
  return result;
}

void World::add_latencies(Cohort cohort,
                          std::int64_t second,
                          std::uint64_t count,
                          stats::Histogram& to) {
  const bool cold = cohort == Cohort::kCanary && second < traffic_.cold_start.seconds;
  const LatencyDraw& warm = cohort == Cohort::kCanary ? canary_latency_ : stable_latency_;
  (cold ? cold_latency_ : warm).add(random_, count, to);
}

// Stable's is a part of what it has; the canary's comes on top of the rest, as it fails otherwise.
void World::draw_route(const BrokenRoute& route, double canary_mean, Second& second) {
  const auto part = [&](std::uint64_t count) { return draw_binomial(random_, count, route.share); };
  second.stable_by_route.failures = part(second.stable.failures);
  second.stable_by_route.requests =
      second.stable_by_route.failures + part(second.stable.requests - second.stable.failures);
  if (canary_mean <= 0) return;
  CohortSecond& canary = second.canary_by_route;
  const double mean = canary_mean * route.share;
  canary.failures = draw_poisson(random_, mean * route.canary_error_rate);
  canary.requests = canary.failures + draw_poisson(random_, mean * (1 - route.canary_error_rate));
  second.canary.failures += canary.failures;
  second.canary.requests += canary.requests;
}

Second World::next(std::int64_t second, double weight) {
  begin_bursts(second);
  const double rate = load(traffic_, second);
  const double share = crowd_.share(weight);
  const auto& route = traffic_.broken_route;
  const double elsewhere = route ? 1 - route->share : 1;
  Second made;
  made.stable = draw(Cohort::kStable, rate * (1 - share), error_rate(Cohort::kStable, second));
  made.canary =
      draw(Cohort::kCanary, rate * share * elsewhere, error_rate(Cohort::kCanary, second));
  if (route) draw_route(*route, rate * share, made);
  return made;
}

}  // namespace canaryd::simulate
