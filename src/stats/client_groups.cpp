#include "canaryd/stats/client_groups.hpp"

#include "canaryd/stats/client_contrast.hpp"
#include "stats/chi_square.hpp"

#include <algorithm>
#include <cmath>

namespace canaryd::stats {
namespace {

constexpr double kSlowEnough = 16;       // One a group.
constexpr double kBadEnough = 4;         // With fewer no canary is convicted (burst guard).
constexpr double kShownDeviate = 3.09;   // Of the normal distribution: 1 in 1000 is beyond.
constexpr double kFewDeviate = 1.2816;   // 1 in 10.
constexpr double kFewDegrees = 3;        // Of four groups, or where one has half of all.
constexpr double kLowDeviate = -1.2816;  // Nine in ten are beyond.

std::uint64_t grown(std::uint64_t now, std::uint64_t before) noexcept {
  return now - std::min(now, before);
}

// How many times further apart than chance has it the groups lie, and how sure that is.
struct Ratio {
  double times = 1;
  double degrees = 0;  // Of freedom; of chi-square over them. 0: nothing is known.
};

// How far apart the groups of one version lie.
struct Spread {
  double hits = 0;      // Of all groups.
  bool of_one = false;  // All of them, or all but one, are of one group, though there are others.
  Ratio of_groups;      // Each of which counts the same.
  Ratio of_requests;    // What the share of all becomes with one of the groups left out.
};

// Pearson's chi-square. A group that has most of the requests is close to the share of all whatever
// it is, and one in so many says little here: what it does to that share, the other one tells.
Ratio ratio_of_groups(const ClientGroups& groups, std::size_t metric, double share) noexcept {
  double chi_square = 0;
  double count = 0;
  for (const GroupCounts& group : groups.groups) {
    const double requests = group.requests(metric);
    if (requests <= 0) continue;
    const double off = group.hits(metric) - requests * share;
    chi_square += off * off / (requests * share * (1 - share));
    count += 1;
  }
  return {chi_square / (count - 1), count - 1};
}

// The jackknife's variance over what chance has it: with group i left out the share of all moves by
// off_i / (n (1 - n_i / n)), and chance has that squared at n_i / (1 - n_i / n). Degrees of freedom
// of such a sum by Satterthwaite 1946.
Ratio ratio_of_requests(const ClientGroups& groups,
                        std::size_t metric,
                        double share,
                        double n) noexcept {
  double squares = 0;
  double weights = 0;
  double weights_squared = 0;
  double count = 0;
  for (const GroupCounts& group : groups.groups) {
    const double requests = group.requests(metric);
    if (requests <= 0) continue;
    const double others = 1 - requests / n;
    const double off = (group.hits(metric) - requests * share) / others;
    squares += off * off;
    weights += requests / others;
    weights_squared += requests / others * (requests / others);
    count += 1;
  }
  return {squares / (share * (1 - share) * weights),
          (count - 1) / count * weights * weights / weights_squared};
}

Spread spread_of(const ClientGroups& groups, std::size_t metric) noexcept {
  double n = 0;
  double hits = 0;
  double count = 0;
  double most = 0;  // Hits of one group.
  for (const GroupCounts& group : groups.groups) {
    if (group.requests(metric) <= 0) continue;
    count += 1;
    n += group.requests(metric);
    hits += group.hits(metric);
    most = std::max(most, group.hits(metric));
  }
  Spread spread;
  spread.hits = hits;
  // With less the groups would differ by where single responses fell. Not so of failures: a handful
  // of them convicts where stable has none, and they must not be those of one client. With a few
  // groups that could be chance, but is no evidence either.
  const bool errors = metric == kClientErrors;
  spread.of_one = errors && hits - most <= (hits > 2 ? 1 : 0);
  const double enough = spread.of_one ? 2 : errors ? kBadEnough : kSlowEnough;
  if (count < 2 || hits < enough || n - hits < enough) return spread;
  spread.of_groups = ratio_of_groups(groups, metric, hits / n);
  spread.of_requests = ratio_of_requests(groups, metric, hits / n, n);
  return spread;
}

std::uint32_t effect_of(const Ratio& ratio, bool of_one) noexcept {
  if (ratio.degrees <= 0) return 0;
  // One that is unlike two others, or has most of the requests, convicts before it shows beyond
  // doubt.
  const double shown = ratio.degrees <= kFewDegrees ? kFewDeviate : kShownDeviate;
  if (!of_one && ratio.times <= chi_square_ratio(ratio.degrees, shown)) return 0;
  const double factor = 100 * ratio.times / chi_square_ratio(ratio.degrees, kLowDeviate);
  return static_cast<std::uint32_t>(std::clamp<double>(factor, 100, ClientSpread::kEffectMax));
}

std::uint32_t effect_of(const Spread& spread) noexcept {
  return std::max(effect_of(spread.of_groups, spread.of_one),
                  effect_of(spread.of_requests, spread.of_one));
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
