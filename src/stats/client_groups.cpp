#include "canaryd/stats/client_groups.hpp"

#include "canaryd/stats/client_contrast.hpp"

#include <algorithm>
#include <cmath>

namespace canaryd::stats {
namespace {

constexpr double kSlowEnough = 16;       // One a group.
constexpr double kBadEnough = 4;         // With fewer no canary is convicted (burst guard).
constexpr double kShownDeviate = 3.09;   // Of the normal distribution: 1 in 1000 is beyond.
constexpr double kLowDeviate = -1.2816;  // Nine in ten are beyond.

std::uint64_t grown(std::uint64_t now, std::uint64_t before) noexcept {
  return now - std::min(now, before);
}

// The quantile of chi-square over its degrees of freedom.
double chi_square_ratio(double degrees, double deviate) noexcept {
  const double spread = 2 / (9 * degrees);
  return std::pow(1 - spread + deviate * std::sqrt(spread), 3);
}

// How far apart the groups of one version lie.
struct Spread {
  double hits = 0;      // Of all groups.
  bool of_one = false;  // All of them are of one group, though there are others.
  double chi_square = 0;
  double degrees = 0;
};

Spread spread_of(const ClientGroups& groups, std::size_t metric) noexcept {
  double n = 0;
  double hits = 0;
  double count = 0;
  double with_hits = 0;
  for (const GroupCounts& group : groups.groups) {
    if (group.requests(metric) <= 0) continue;
    count += 1;
    n += group.requests(metric);
    hits += group.hits(metric);
    if (group.hits(metric) > 0) with_hits += 1;
  }
  Spread spread;
  spread.hits = hits;
  // With less the groups would differ by where single responses fell. Not so of failures: a handful
  // of them convicts where stable has none, and they must not be those of one client. With a few
  // groups that could be chance, but is no evidence either.
  const bool errors = metric == kClientErrors;
  spread.of_one = errors && with_hits <= 1;
  const double enough = spread.of_one ? 2 : errors ? kBadEnough : kSlowEnough;
  if (count < 2 || hits < enough || n - hits < enough) return spread;
  spread.degrees = count - 1;
  const double share = hits / n;
  for (const GroupCounts& group : groups.groups) {
    const double requests = group.requests(metric);
    if (requests <= 0) continue;
    const double off = group.hits(metric) - requests * share;
    spread.chi_square += off * off / (requests * share * (1 - share));
  }
  return spread;
}

std::uint32_t effect_of(const Spread& spread) noexcept {
  if (spread.degrees <= 0) return 0;
  const double ratio = spread.chi_square / spread.degrees;
  if (!spread.of_one && ratio <= chi_square_ratio(spread.degrees, kShownDeviate)) return 0;
  const double factor = 100 * ratio / chi_square_ratio(spread.degrees, kLowDeviate);
  return static_cast<std::uint32_t>(std::clamp<double>(factor, 100, ClientSpread::kEffectMax));
}

std::size_t groups_of(const ClientGroups& groups) noexcept {
  return static_cast<std::size_t>(
      std::count_if(groups.groups.begin(), groups.groups.end(), [](const GroupCounts& group) {
        return group.n > 0 || group.judged > 0;
      }));
}

// ln of the binomial coefficient.
double ln_ways(std::size_t stable, std::size_t canary) noexcept {
  double ways = 1;
  for (std::size_t i = 1; i <= canary; ++i) {
    ways *= static_cast<double>(stable + i) / static_cast<double>(i);
  }
  return std::log(ways);
}

}  // namespace

void ClientGroups::add(std::size_t group, const Histogram& responses, LatencyCuts cuts) noexcept {
  GroupCounts& counts = groups[group % kClientGroups];
  for (std::size_t bucket = 0; bucket < kLatencyBuckets; ++bucket) {
    const std::uint64_t n = responses.bucket(bucket);
    if (n == 0) continue;
    counts.judged += n;
    if (!cuts.any()) continue;
    counts.n += n;
    for (std::size_t q = 0; q < kLatencyQuantiles; ++q) {
      if (cuts.is_slow(q, bucket)) counts.slow[q] += n;
    }
  }
}

void ClientGroups::add(std::size_t group, std::uint64_t judged, std::uint64_t bad) noexcept {
  GroupCounts& counts = groups[group % kClientGroups];
  counts.judged += judged;
  counts.bad += bad;
}

ClientGroups& ClientGroups::operator+=(const ClientGroups& other) noexcept {
  for (std::size_t i = 0; i < kClientGroups; ++i) {
    groups[i].judged += other.groups[i].judged;
    groups[i].bad += other.groups[i].bad;
    groups[i].again += other.groups[i].again;
    groups[i].n += other.groups[i].n;
    for (std::size_t q = 0; q < kLatencyQuantiles; ++q) {
      groups[i].slow[q] += other.groups[i].slow[q];
    }
  }
  return *this;
}

ClientGroups ClientGroups::since(const ClientGroups& earlier) const noexcept {
  ClientGroups result;
  for (std::size_t i = 0; i < kClientGroups; ++i) {
    result.groups[i].judged = grown(groups[i].judged, earlier.groups[i].judged);
    result.groups[i].bad = grown(groups[i].bad, earlier.groups[i].bad);
    result.groups[i].again = grown(groups[i].again, earlier.groups[i].again);
    result.groups[i].n = grown(groups[i].n, earlier.groups[i].n);
    for (std::size_t q = 0; q < kLatencyQuantiles; ++q) {
      result.groups[i].slow[q] = grown(groups[i].slow[q], earlier.groups[i].slow[q]);
    }
  }
  return result;
}

ClientGroups ClientGroups::with_repetitions() const noexcept {
  ClientGroups all = *this;
  for (GroupCounts& group : all.groups) group = group.with_repetitions();
  return all;
}

ClientGroups ClientGroupCounters::read() const noexcept {
  ClientGroups result;
  for (std::size_t i = 0; i < kClientGroups; ++i) {
    result.groups[i].judged = groups_[i].judged.load(std::memory_order_relaxed);
    result.groups[i].bad = groups_[i].bad.load(std::memory_order_relaxed);
    result.groups[i].again = groups_[i].again.load(std::memory_order_relaxed);
    result.groups[i].n = groups_[i].n.load(std::memory_order_relaxed);
    for (std::size_t q = 0; q < kLatencyQuantiles; ++q) {
      result.groups[i].slow[q] = groups_[i].slow[q].load(std::memory_order_relaxed);
    }
  }
  return result;
}

ClientSpread client_spread(const ClientGroups& stable, const ClientGroups& canary) noexcept {
  ClientSpread spread;
  for (std::size_t i = 0; i < kClientMetrics; ++i) {
    // Not of both together: a canary with two clients has one degree of freedom among many, and
    // what its two say is just what could be chance.
    const Spread of_stable = spread_of(stable, i);
    spread.effect[i] = std::max(effect_of(of_stable), effect_of(spread_of(canary, i)));
    // If the slowest clients are the canary's, stable does not show how much they differ.
    if (i > 0 && i != kClientErrors && of_stable.hits < kSlowEnough) {
      spread.effect[i] = std::max(spread.effect[i], spread.effect[i - 1]);
    }
  }
  const double thousandths = 1000 * ln_ways(groups_of(stable), groups_of(canary));
  spread.ln_ways =
      static_cast<std::uint32_t>(std::min<double>(thousandths, ClientSpread::kLnWaysMax));
  return spread;
}

ClientSpread worse_of(const ClientSpread& one, const ClientSpread& other) noexcept {
  if (!one.any()) return other;
  if (!other.any()) return one;
  ClientSpread worse = one;
  for (std::size_t i = 0; i < kClientMetrics; ++i) {
    const bool beyond = one.effect[i] == kNoDivision || other.effect[i] == kNoDivision;
    worse.effect[i] = beyond ? kNoDivision : std::max(one.effect[i], other.effect[i]);
  }
  worse.ln_ways = std::min(one.ln_ways, other.ln_ways);
  return worse;
}

}  // namespace canaryd::stats
