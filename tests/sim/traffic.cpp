#include "sim/traffic.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace canaryd::sim {
namespace {

// Knuth's product of uniforms; for small means.
std::uint64_t poisson_small(Random& random, double mean) {
  const double limit = std::exp(-mean);
  std::uint64_t count = 0;
  for (double product = random.uniform(); product > limit; product *= random.uniform()) ++count;
  return count;
}

// Transformed rejection with squeeze, PTRS (Hoermann 1993); exact for means from 10 on.
std::uint64_t poisson_large(Random& random, double mean) {
  const double b = 0.931 + 2.53 * std::sqrt(mean);
  const double a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
  const double squeeze = 0.9277 - 3.6224 / (b - 2);
  while (true) {
    const double u = random.uniform() - 0.5;
    const double v = random.uniform();
    const double us = 0.5 - std::abs(u);
    const double k = std::floor((2 * a / us + b) * u + mean + 0.43);
    if (us >= 0.07 && v <= squeeze) return static_cast<std::uint64_t>(k);
    if (k < 0 || (us < 0.013 && v > us)) continue;
    const double left = std::log(v * inverse_alpha / (a / (us * us) + b));
    if (left <= k * std::log(mean) - mean - std::lgamma(k + 1))
      return static_cast<std::uint64_t>(k);
  }
}

// The share of the responses in each bucket.
std::vector<double> log_logistic(double median_ms) {
  const auto below = [median_ms](std::size_t bucket) {
    if (bucket >= stats::kLatencyBuckets) return 1.0;
    const std::chrono::duration<double, std::milli> edge = stats::latency_bucket_start(bucket);
    return bucket == 0 ? 0.0 : 1 / (1 + std::pow(edge.count() / median_ms, -3));
  };
  std::vector<double> odds(stats::kLatencyBuckets);
  for (std::size_t i = 0; i < odds.size(); ++i) odds[i] = below(i + 1) - below(i);
  return odds;
}

std::uint64_t geometric(Random& random, double mean) {
  if (mean <= 1) return 1;
  const double tail = std::log1p(-random.uniform()) / std::log1p(-1 / mean);
  return 1 + static_cast<std::uint64_t>(tail);
}

}  // namespace

std::uint64_t poisson(Random& random, double mean) {
  if (mean <= 0) return 0;
  return mean < 10 ? poisson_small(random, mean) : poisson_large(random, mean);
}

Traffic::Traffic(const TrafficModel& model, std::uint64_t seed)
    : model_(model),
      random_(seed),
      stable_down_for_(model.restarts.instances),
      canary_down_for_(model.restarts.instances) {
  if (model.times.median_ms > 0) bucket_odds_ = log_logistic(model.times.median_ms);
}

SecondCounts Traffic::second(std::int64_t second, double weight) {
  const World world = model_.world(second, weight);
  const double rate = world.requests_per_second;
  double stable_rate = world.stable_rate;
  double canary_rate = world.canary_rate;
  if (model_.restarts.per_instance_hour > 0) {
    stable_rate += (1 - stable_rate) * failing_share(stable_down_for_);
    canary_rate += (1 - canary_rate) * failing_share(canary_down_for_);
  }
  SecondCounts counts;
  counts.canary.bad = counts.canary.n = poisson(random_, rate * weight * canary_rate);
  add_good(counts, Cohort::kCanary, rate * weight * (1 - canary_rate), second);
  counts.stable.bad = counts.stable.n = poisson(random_, rate * (1 - weight) * stable_rate);
  add_good(counts, Cohort::kStable, rate * (1 - weight) * (1 - stable_rate), second);
  if (model_.clusters.per_request > 0) {
    begin_clusters(rate, weight);
    fail_clients(counts);
  }
  return counts;
}

// Poisson by bucket is Poisson as a whole. A factor moves all by as many buckets.
void Traffic::add_good(SecondCounts& counts, Cohort cohort, double mean, std::int64_t second) {
  const bool canary = cohort == Cohort::kCanary;
  std::uint64_t& n = canary ? counts.canary.n : counts.stable.n;
  if (bucket_odds_.empty()) {
    n += poisson(random_, mean);
    return;
  }
  double factor = 1;
  if (canary && model_.times.canary_factor) factor = model_.times.canary_factor(second);
  const auto shift =
      static_cast<std::int64_t>(std::lround(std::log(factor) / std::log(stats::kLatencyGrowth)));
  stats::Histogram& times = canary ? counts.canary_times : counts.stable_times;
  for (std::size_t i = 0; i < bucket_odds_.size(); ++i) {
    if (bucket_odds_[i] < 1e-8) continue;
    const std::uint64_t now = poisson(random_, mean * bucket_odds_[i]);
    const auto bucket = std::max<std::int64_t>(0, static_cast<std::int64_t>(i) + shift);
    times.add_bucket(static_cast<std::size_t>(bucket), now);
    n += now;
  }
}

// Which share of a version's instances is down; the balancer in front does not notice.
double Traffic::failing_share(std::vector<std::uint64_t>& down_for) {
  unsigned down = 0;
  for (std::uint64_t& seconds : down_for) {
    if (seconds == 0 && random_.chance(model_.restarts.per_instance_hour / 3600)) {
      seconds = 1 + random_.below(model_.restarts.most_seconds);
    }
    if (seconds == 0) continue;
    ++down;
    --seconds;
  }
  return static_cast<double>(down) / static_cast<double>(down_for.size());
}

void Traffic::begin_clusters(double requests, double weight) {
  const Clusters& clusters = model_.clusters;
  const std::uint64_t begun = poisson(random_, requests * clusters.per_request);
  for (std::uint64_t i = 0; i < begun; ++i) {
    Client client;
    client.cohort = random_.chance(weight) ? Cohort::kCanary : Cohort::kStable;
    client.key = clusters.known_client ? next_key_++ : 0;
    client.failures_left =
        clusters.varies ? geometric(random_, static_cast<double>(clusters.size)) : clusters.size;
    client.seconds_left = clusters.seconds;
    clients_.push_back(client);
  }
}

void Traffic::fail_clients(SecondCounts& counts) {
  for (Client& client : clients_) {
    const std::uint64_t now =
        (client.failures_left + client.seconds_left - 1) / client.seconds_left;
    stats::CohortCounts& cohort = client.cohort == Cohort::kCanary ? counts.canary : counts.stable;
    cohort.n += now;
    cohort.bad += now;
    if (client.key != 0)
      counts.clustered.insert(counts.clustered.end(), now, {client.cohort, client.key});
    client.failures_left -= now;
    --client.seconds_left;
  }
  std::erase_if(clients_, [](const Client& client) {
    return client.failures_left == 0 || client.seconds_left == 0;
  });
}

}  // namespace canaryd::sim
