#include "canaryd/analysis/feasibility.hpp"

#include "canaryd/analysis/accounts.hpp"
#include "canaryd/analysis/metric.hpp"
#include "canaryd/base/draw.hpp"
#include "canaryd/stats/block.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace canaryd::analysis {
namespace {

constexpr double kMostSeconds = 86400.0 * 10000;
// What the first bets of account R start with.
constexpr double kCapitalAtStart = 0.5;

// The requests of one second, on average.
std::optional<MetricCounts> second_of(const Traffic& traffic, BasisPoints weight) {
  MetricCounts counts;
  counts.canary_n = traffic.requests_per_second * weight.ratio();
  counts.stable_n = traffic.requests_per_second - counts.canary_n;
  if (counts.silent()) return std::nullopt;
  return counts;
}

// Odd, so that there is one in the middle.
constexpr std::size_t kPaths = 401;
// A path is looked at so often in the time that the average drift takes, or once a second.
constexpr double kLooksOfDrift = 150;
// Longer than this no median is looked for.
constexpr double kMostLooks = 10 * kLooksOfDrift;
// A metric that is so much sooner than the slowest one does not decide.
constexpr double kNegligible = 0.25;
// What a block is like is learned from so many, or from those of so many seconds.
constexpr std::size_t kSampledBlocks = 500;
constexpr int kSampledSeconds = 50'000;
constexpr std::uint64_t kSeed = 101;

// What the accounts see of one metric.
struct Bet {
  Tolerance tolerance;
  double weight = 0;  // Of the metric in account R.
  bool required = false;
  double stable_rate = 0;
  double canary_rate = 0;
  double canary_rate_next = 0;  // By the limit of the next step.
  // The share of the requests that count.
  double stable_judged = 1;
  double canary_judged = 1;
};

// The first bucket above which no more than 1 - q of the latencies are.
std::size_t quantile_bucket(const stats::LogNormal& latency, double q) {
  std::size_t bucket = 0;
  while (latency.above(bucket) > 1 - q) ++bucket;
  return bucket;
}

Bet latency_bet(const Metric& metric,
                const Traffic& traffic,
                const Canary& canary,
                const stats::LatencyRules& rules) {
  const double rank = stats::kQuantileRanks[static_cast<std::size_t>(*metric.quantile)];
  const std::size_t threshold = quantile_bucket(traffic.latency, rank);
  const stats::SlowCounts limits = stats::latency_limits(threshold, rules);
  const stats::LogNormal latency = traffic.latency.stretched(canary.stretch);
  Bet bet;
  bet.stable_rate = traffic.latency.above(threshold);
  bet.canary_rate = latency.above(limits.limit);
  bet.canary_rate_next = latency.above(limits.limit_next);
  bet.stable_judged = 1 - traffic.error_rate;
  bet.canary_judged = 1 - canary.error_rate;
  return bet;
}

// How many will vote nobody knows. How many 4xx there are neither; a bet on them takes about as
// long as the one on errors.
std::vector<Bet> bets_of(const Settings& settings,
                         const Traffic& traffic,
                         const Canary& canary,
                         BasisPoints next_weight) {
  const stats::LatencyRules rules = latency_rules(settings, next_weight);
  std::vector<Bet> bets;
  for (const Metric& metric : make_metrics(settings)) {
    if (metric.limit || metric.feedback) continue;
    Bet bet;
    if (metric.quantile) {
      bet = latency_bet(metric, traffic, canary, rules);
    } else {
      bet.stable_rate = traffic.error_rate;
      bet.canary_rate = metric.client_errors ? traffic.error_rate : canary.error_rate;
      bet.canary_rate_next = bet.canary_rate;
    }
    bet.tolerance = metric.tolerance;
    bet.weight = metric.weight;
    bet.required = metric.required;
    bets.push_back(bet);
  }
  return bets;
}

// Of each version's requests, the share in blocks that are judged: not in those that are given up
// because the other version had none.
struct Used {
  double stable = 0;
  double canary = 0;
};

// A block that is given up is one of full length in which a version had no request: exp(-mean) of
// all blocks. What the other one had meanwhile is lost.
Used used_of(const MetricCounts& second) {
  constexpr double kMost = stats::BlockBuilder::kMaxOpenSeconds;
  double length = 0;  // Of a block, on average: the odds that it is still open, second by second.
  for (int passed = 0; passed < stats::BlockBuilder::kMaxOpenSeconds; ++passed) {
    const double no_stable = std::exp(-second.stable_n * passed);
    const double no_canary = std::exp(-second.canary_n * passed);
    length += no_stable + no_canary - no_stable * no_canary;
  }
  const auto used = [&](double other) {
    return std::max(0.0, 1 - kMost * std::exp(-other * kMost) / length);
  };
  return {.stable = used(second.canary_n), .canary = used(second.stable_n)};
}

// What is judged, in an average second.
MetricCounts judged_of(const MetricCounts& second) {
  const Used used = used_of(second);
  return {.stable_n = second.stable_n * used.stable, .canary_n = second.canary_n * used.canary};
}

// Blocks as stats::BlockBuilder closes them: a block of little traffic waits for both cohorts, and
// then has more of the requests of the rarer one for its length than others.
std::vector<MetricCounts> sample_blocks(const MetricCounts& second, const MetricCounts& judged) {
  Random random(kSeed);
  std::vector<MetricCounts> blocks;
  MetricCounts open;
  int open_seconds = 0;
  for (int i = 0; i < kSampledSeconds && blocks.size() < kSampledBlocks; ++i) {
    ++open_seconds;
    open.stable_n += static_cast<double>(draw_poisson(random, second.stable_n));
    open.canary_n += static_cast<double>(draw_poisson(random, second.canary_n));
    const bool closes = !open.silent();
    if (!closes && open_seconds < stats::BlockBuilder::kMaxOpenSeconds) continue;
    if (closes) blocks.push_back(open);
    open = {};
    open_seconds = 0;
  }
  // So little that it is not worth being exact.
  if (blocks.empty()) return {judged};
  // The gain of a bet is a small difference of large numbers: on average the cohorts must have
  // exactly the requests that are expected, not those that were drawn.
  MetricCounts drawn;
  for (const MetricCounts& block : blocks) {
    drawn.stable_n += block.stable_n;
    drawn.canary_n += block.canary_n;
  }
  const double expected = judged.canary_n / judged.stable_n;
  const double scale = expected * drawn.stable_n / drawn.canary_n;
  for (MetricCounts& block : blocks) block.canary_n *= scale;
  return blocks;
}

// How one metric's account A moves on average, and by what.
class Course {
 public:
  Course(const Bet& bet,
         const MetricCounts& judged,
         std::span<const MetricCounts> blocks,
         double next_weight)
      : canary_n_(judged.canary_n * bet.canary_judged),
        canary_bad_(canary_n_ * bet.canary_rate_next),
        stable_bad_(judged.stable_n * bet.stable_judged * bet.stable_rate) {
    const Tolerance scaled{bet.tolerance.relative / next_weight,
                           bet.tolerance.absolute / next_weight};
    double stable_n = 0;
    for (const MetricCounts& block : blocks) {
      stable_n += block.stable_n;
      const MetricCounts one_bad{
          .stable_n = block.stable_n, .canary_n = block.canary_n, .stable_bad = 1};
      for (std::size_t j = 0; j < kBets; ++j) {
        const double gain =
            AcceptAccount::increment(AcceptAccount::kShares[j], one_bad, {scaled.relative, 0});
        moves_[j].stable_bad += gain * block.stable_n;
      }
    }
    for (std::size_t j = 0; j < kBets; ++j) {
      moves_[j].stable_bad /= stable_n;
      moves_[j].canary_bad = std::log1p(-AcceptAccount::kShares[j]);
      moves_[j].canary_n = scaled.absolute * AcceptAccount::kShares[j];
    }
  }

  // What one path has seen so far.
  struct Seen {
    double canary_n = 0;
    double canary_bad = 0;
    double stable_bad = 0;
  };
  void go_on(Random& random, double seconds, Seen& seen) const {
    seen.canary_n += static_cast<double>(draw_poisson(random, canary_n_ * seconds));
    seen.canary_bad += static_cast<double>(draw_poisson(random, canary_bad_ * seconds));
    seen.stable_bad += static_cast<double>(draw_poisson(random, stable_bad_ * seconds));
  }

  [[nodiscard]] bool accepts(const Seen& seen, double boundary) const {
    const double target = boundary + std::log(static_cast<double>(kBets));
    std::array<double, kBets> bets{};
    for (std::size_t j = 0; j < kBets; ++j) bets[j] = moved(moves_[j], seen);
    const double best = *std::max_element(bets.begin(), bets.end());
    // The sum is at most as if all were as good as the best, and at least the best.
    if (best >= target) return true;
    if (best < boundary) return false;
    double sum = 0;
    for (const double bet : bets) sum += std::exp(bet - best);
    return best + std::log(sum) >= target;
  }

  // The seconds that the best bet needs on average; nothing if it does not gain.
  [[nodiscard]] std::optional<double> drift_seconds(double boundary) const {
    const Seen second{canary_n_, canary_bad_, stable_bad_};
    double best = 0;
    for (const Move& move : moves_) best = std::max(best, moved(move, second));
    if (best <= 0) return std::nullopt;
    return (boundary + std::log(static_cast<double>(kBets))) / best;
  }

 private:
  static constexpr std::size_t kBets = AcceptAccount::kBets;

  // Of one bet, by each of them.
  struct Move {
    double canary_n = 0;
    double canary_bad = 0;
    double stable_bad = 0;
  };
  static double moved(const Move& move, const Seen& seen) noexcept {
    return move.canary_n * seen.canary_n + move.canary_bad * seen.canary_bad +
           move.stable_bad * seen.stable_bad;
  }

  // A second.
  double canary_n_;
  double canary_bad_;
  double stable_bad_;
  std::array<Move, kBets> moves_{};
};

// The seconds until half of the paths have accepted the step by every metric. The sum of all bets,
// and the luck of single paths, make it shorter than the average drift of the best bet says.
std::optional<double> median_seconds(std::span<const Course> courses,
                                     double between_looks,
                                     double boundary) {
  Random random(kSeed);
  std::vector<std::vector<Course::Seen>> open(kPaths, std::vector<Course::Seen>(courses.size()));
  for (double looks = 1; looks <= kMostLooks; ++looks) {
    std::erase_if(open, [&](std::vector<Course::Seen>& path) {
      bool accepted = true;
      for (std::size_t i = 0; i < courses.size(); ++i) {
        courses[i].go_on(random, between_looks, path[i]);
        accepted = accepted && courses[i].accepts(path[i], boundary);
      }
      return accepted;
    });
    if (open.size() <= kPaths / 2) return looks * between_looks;
  }
  return std::nullopt;
}

// The seconds until account R finds the metric bad, on average. Nothing: it does not gain.
std::optional<double> seconds_to_detect(const Settings& settings,
                                        const Bet& bet,
                                        const MetricCounts& judged) {
  MetricCounts counts;
  counts.stable_n = judged.stable_n * bet.stable_judged;
  counts.canary_n = judged.canary_n * bet.canary_judged;
  counts.stable_bad = counts.stable_n * bet.stable_rate;
  counts.canary_bad = counts.canary_bad_next = counts.canary_n * bet.canary_rate;
  double best = 0;
  for (const double ratio : RollbackAccount::kRatios) {
    best = std::max(best, RollbackAccount::increment(ratio, counts, bet.tolerance));
  }
  best = std::min(best, settings.burst_guard);
  if (best <= 0) return std::nullopt;
  const double start =
      std::log(static_cast<double>(RollbackAccount::kBets) / kCapitalAtStart / bet.weight);
  return (start - std::log(settings.false_rollback)) / best;
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
  return need_to_accept(settings, traffic, {.error_rate = traffic.error_rate}, weight, next_weight);
}

std::optional<Need> need_to_accept(const Settings& settings,
                                   const Traffic& traffic,
                                   const Canary& canary,
                                   BasisPoints weight,
                                   BasisPoints next_weight) {
  const auto second = second_of(traffic, weight);
  if (!second || next_weight.value() == 0) return std::nullopt;
  const double boundary = -std::log(settings.false_accept);
  const MetricCounts judged = judged_of(*second);
  if (judged.silent()) return std::nullopt;
  const std::vector<MetricCounts> blocks = sample_blocks(*second, judged);
  std::vector<Course> courses;
  double longest = 0;
  for (const Bet& bet : bets_of(settings, traffic, canary, next_weight)) {
    if (!bet.required) continue;
    courses.emplace_back(bet, judged, blocks, next_weight.ratio());
    const auto seconds = courses.back().drift_seconds(boundary);
    if (!seconds) return std::nullopt;
    longest = std::max(longest, *seconds);
  }
  std::erase_if(courses, [&](const Course& course) {
    return *course.drift_seconds(boundary) < kNegligible * longest;
  });
  const auto seconds = median_seconds(courses, std::max(1.0, longest / kLooksOfDrift), boundary);
  if (!seconds) return std::nullopt;
  return need(*seconds, second->canary_n);
}

std::optional<double> votes_to_accept(const Settings& settings,
                                      BasisPoints weight,
                                      BasisPoints next_weight) {
  constexpr double kUsualVote = 0.25;  // 4 of 5.
  const auto& feedback = settings.tolerance.feedback;
  const bool compares = weight.value() > 0 && weight.value() < BasisPoints::kMax;
  if (!feedback || !feedback->required || !compares || next_weight.value() == 0) {
    return std::nullopt;
  }
  const AcceptAccount account(feedback->share(), next_weight.ratio());
  return account.requests_if_equal(
      -std::log(settings.false_accept), kUsualVote, (1 - weight.ratio()) / weight.ratio());
}

std::optional<Need> need_to_detect(const Settings& settings,
                                   const Traffic& traffic,
                                   const Canary& canary,
                                   BasisPoints weight) {
  const auto second = second_of(traffic, weight);
  if (!second) return std::nullopt;
  const MetricCounts judged = judged_of(*second);
  if (judged.silent()) return std::nullopt;
  std::optional<double> soonest;
  // The limit for the present step does not depend on the next one.
  for (const Bet& bet : bets_of(settings, traffic, canary, BasisPoints(BasisPoints::kMax))) {
    const auto seconds = seconds_to_detect(settings, bet, judged);
    if (seconds && (!soonest || *seconds < *soonest)) soonest = seconds;
  }
  if (!soonest) return std::nullopt;
  return need(*soonest, second->canary_n);
}

}  // namespace canaryd::analysis
