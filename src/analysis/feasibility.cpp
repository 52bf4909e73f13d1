#include "canaryd/analysis/feasibility.hpp"

#include "canaryd/analysis/accounts.hpp"
#include "canaryd/analysis/metric.hpp"
#include "canaryd/base/draw.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace canaryd::analysis {
namespace {

constexpr double kMostSeconds = 86400.0 * 10000;
// What the first bets of account R start with.
constexpr double kCapitalAtStart = 0.5;

// The expected counts of one second.
std::optional<MetricCounts> second_of(const Traffic& traffic,
                                      BasisPoints weight,
                                      double canary_rate) {
  MetricCounts counts;
  counts.canary_n = traffic.requests_per_second * weight.ratio();
  counts.stable_n = traffic.requests_per_second - counts.canary_n;
  if (counts.silent()) return std::nullopt;
  counts.stable_bad = counts.stable_n * traffic.error_rate;
  counts.canary_bad = counts.canary_n * canary_rate;
  counts.canary_bad_next = counts.canary_bad;
  return counts;
}

// Odd, so that there is one in the middle.
constexpr int kPaths = 101;
// A block of the forecast is so much of the time that the average drift takes, or a second.
constexpr double kBlocksOfDrift = 100;
// Longer than this no median is looked for.
constexpr double kMostBlocks = 10 * kBlocksOfDrift;

// What a step's account A sees of one metric.
struct Bet {
  Tolerance tolerance;
  double stable_rate = 0;
  double canary_rate = 0;  // By the limit of the next step.
};

// The first bucket above which no more than 1 - q of the latencies are.
std::size_t quantile_bucket(const stats::LogNormal& latency, double q) {
  std::size_t bucket = 0;
  while (latency.above(bucket) > 1 - q) ++bucket;
  return bucket;
}

// Of the metrics that a step waits for, for a canary that is stable's equal.
std::vector<Bet> bets_of(const Settings& settings,
                         const Traffic& traffic,
                         BasisPoints next_weight) {
  const stats::LatencyRules rules = latency_rules(settings, next_weight);
  std::vector<Bet> bets;
  for (const Metric& metric : make_metrics(settings)) {
    // How many will vote nobody knows. How many 4xx there are neither; a bet on them takes about as
    // long as the one on errors.
    if (!metric.required || metric.feedback) continue;
    Bet bet{metric.tolerance, traffic.error_rate, traffic.error_rate};
    if (metric.quantile) {
      const double rank = stats::kQuantileRanks[static_cast<std::size_t>(*metric.quantile)];
      const std::size_t threshold = quantile_bucket(traffic.latency, rank);
      bet.stable_rate = traffic.latency.above(threshold);
      bet.canary_rate = traffic.latency.above(stats::latency_limits(threshold, rules).limit_next);
    }
    bets.push_back(bet);
  }
  return bets;
}

MetricCounts draw_block(Random& random, const Bet& bet, const MetricCounts& expected) {
  MetricCounts counts = expected;
  counts.stable_bad =
      static_cast<double>(draw_poisson(random, expected.stable_n * bet.stable_rate));
  counts.canary_bad =
      static_cast<double>(draw_poisson(random, expected.canary_n * bet.canary_rate));
  counts.canary_bad_next = counts.canary_bad;
  return counts;
}

// The blocks until half of the paths have accepted the step by every bet. The sum of all bets, and
// the luck of single paths, make it shorter than the average drift of the best bet says.
std::optional<double> median_blocks(std::span<const Bet> bets,
                                    const MetricCounts& block,
                                    double next_weight,
                                    double boundary) {
  Random random(kPaths);
  std::vector<AcceptAccount> start;
  for (const Bet& bet : bets) start.emplace_back(bet.tolerance, next_weight);
  std::vector<std::vector<AcceptAccount>> open(kPaths, start);
  for (double blocks = 1; blocks <= kMostBlocks; ++blocks) {
    std::erase_if(open, [&](std::vector<AcceptAccount>& path) {
      bool accepted = true;
      for (std::size_t i = 0; i < bets.size(); ++i) {
        path[i].absorb(draw_block(random, bets[i], block));
        accepted = accepted && path[i].ln_evidence() >= boundary;
      }
      return accepted;
    });
    if (open.size() <= kPaths / 2) return blocks;
  }
  return std::nullopt;
}

// The seconds that the best bet of account A needs on average; nothing if it does not gain.
std::optional<double> drift_seconds(const Bet& bet,
                                    const MetricCounts& second,
                                    double next_weight,
                                    double boundary) {
  const Tolerance scaled{bet.tolerance.relative / next_weight,
                         bet.tolerance.absolute / next_weight};
  MetricCounts counts = second;
  counts.stable_bad = second.stable_n * bet.stable_rate;
  counts.canary_bad_next = second.canary_n * bet.canary_rate;
  double best = 0;
  for (const double share : AcceptAccount::kShares) {
    best = std::max(best, AcceptAccount::increment(share, counts, scaled));
  }
  if (best <= 0) return std::nullopt;
  return (std::log(static_cast<double>(AcceptAccount::kBets)) + boundary) / best;
}

Need need(double seconds, double canary_a_second) {
  const auto bounded = static_cast<std::int64_t>(std::ceil(std::min(seconds, kMostSeconds)));
  return Need{.canary_requests = std::ceil(seconds * canary_a_second),
              .time = std::chrono::seconds(bounded)};
}

}  // namespace

std::optional<Need> need_to_accept(const Settings& settings,
                                   const Traffic& traffic,
                                   BasisPoints weight,
                                   BasisPoints next_weight) {
  const auto second = second_of(traffic, weight, traffic.error_rate);
  if (!second || next_weight.value() == 0) return std::nullopt;
  const double boundary = -std::log(settings.false_accept);
  const std::vector<Bet> bets = bets_of(settings, traffic, next_weight);
  double longest = 0;
  for (const Bet& bet : bets) {
    const auto seconds = drift_seconds(bet, *second, next_weight.ratio(), boundary);
    if (!seconds) return std::nullopt;
    longest = std::max(longest, *seconds);
  }
  const double length = std::max(1.0, longest / kBlocksOfDrift);
  MetricCounts block = *second;
  block.stable_n *= length;
  block.canary_n *= length;
  const auto blocks = median_blocks(bets, block, next_weight.ratio(), boundary);
  if (!blocks) return std::nullopt;
  return need(*blocks * length, second->canary_n);
}

std::optional<Need> need_to_detect(const Settings& settings,
                                   const Traffic& traffic,
                                   BasisPoints weight,
                                   double canary_error_rate) {
  const auto counts = second_of(traffic, weight, canary_error_rate);
  if (!counts) return std::nullopt;
  double best = 0;
  for (const double ratio : RollbackAccount::kRatios) {
    best = std::max(best, RollbackAccount::increment(ratio, *counts, settings.tolerance.errors));
  }
  best = std::min(best, settings.burst_guard);
  const double weight_of_errors = make_metrics(settings).front().weight;
  const double start =
      std::log(static_cast<double>(RollbackAccount::kBets) / kCapitalAtStart / weight_of_errors);
  if (best <= 0) return std::nullopt;
  return need((start - std::log(settings.false_rollback)) / best, counts->canary_n);
}

}  // namespace canaryd::analysis
