#include "canaryd/stats/client_contrast.hpp"

#include <algorithm>
#include <cmath>

namespace canaryd::stats {
namespace {

struct Share {
  double groups = 0;
  double share = 0;
  double variance = 0;        // Of the share, the groups being what is drawn.
  double group_variance = 0;  // Of the shares of single groups, each counting the same.
};

Share share_of(const ClientGroups& groups, std::size_t metric) noexcept {
  Share result;
  double n = 0;
  double hits = 0;
  for (const GroupCounts& group : groups.groups) {
    if (group.requests(metric) <= 0) continue;
    result.groups += 1;
    n += group.requests(metric);
    hits += group.hits(metric);
  }
  if (result.groups < 2) return result;
  result.share = hits / n;
  double squares = 0;
  double group_squares = 0;
  for (const GroupCounts& group : groups.groups) {
    const double requests = group.requests(metric);
    if (requests <= 0) continue;
    const double off = group.hits(metric) - result.share * requests;
    const double others = 1 - requests / n;
    squares += off * off / (others * others);
    group_squares += off * off / (requests * requests);
  }
  const double binomial = result.share * (1 - result.share) / n;
  const double degrees = result.groups - 1;
  // Delete-one-group jackknife: a group with most of the requests draws the share to itself.
  result.variance = std::max(binomial, degrees / result.groups * squares / (n * n));
  result.group_variance = group_squares / degrees;
  return result;
}

bool is_beyond(const Share& stable, const Share& canary) noexcept {
  if (stable.groups < kBeyondGroups || canary.groups < kBeyondGroups) return false;
  const double apart = canary.share - stable.share;
  // A few groups may be close together by chance; stable's say how far apart they might be.
  const double of_canary = std::max(canary.variance, stable.group_variance / canary.groups);
  return apart > 0 &&
         apart * apart > kBeyondClients * kBeyondClients * (of_canary + stable.variance);
}

// Without the group that has most of the requests, whatever came of them.
ClientGroups without_largest(const ClientGroups& groups, std::size_t metric) noexcept {
  ClientGroups rest = groups;
  const auto less = [metric](const GroupCounts& one, const GroupCounts& other) {
    return one.requests(metric) < other.requests(metric);
  };
  *std::max_element(rest.groups.begin(), rest.groups.end(), less) = {};
  return rest;
}

// One client with much of the traffic makes the whole uncertain; where the others alone are as far
// apart, it is not he.
bool is_beyond(const ClientGroups& stable,
               const ClientGroups& canary,
               std::size_t metric) noexcept {
  const Share of_stable = share_of(stable, metric);
  return is_beyond(of_stable, share_of(canary, metric)) ||
         is_beyond(of_stable, share_of(without_largest(canary, metric), metric));
}

bool fail_more(const ClientGroups& stable, const ClientGroups& canary) noexcept {
  return is_beyond(stable.with_repetitions(), canary.with_repetitions(), kClientErrors);
}

}  // namespace

std::array<bool, kClientMetrics> beyond_clients(const ClientGroups& stable,
                                                const ClientGroups& canary) noexcept {
  std::array<bool, kClientMetrics> beyond{};
  for (std::size_t i = 0; i < kClientMetrics; ++i) {
    beyond[i] = is_beyond(stable, canary, i);
  }
  return beyond;
}

void ClientWatch::add(Cohort cohort, const ClientGroups& came) noexcept {
  if (is_version(cohort)) all_[cohort == Cohort::kCanary ? 1 : 0] += came;
}

ClientSpread ClientWatch::look(std::int64_t now_second) noexcept {
  if (now_second - newer_second_ >= kLateSeconds) {
    older_ = newer_;
    newer_ = all_;
    newer_second_ = now_second;
  }
  ClientSpread spread = client_spread(all_[0], all_[1]);
  const auto always = beyond_clients(all_[0], all_[1]);
  const Both of_late{all_[0].since(older_[0]), all_[1].since(older_[1])};
  const auto late = beyond_clients(of_late[0], of_late[1]);
  for (std::size_t i = 0; i < kClientMetrics; ++i) {
    if (always[i] || late[i]) spread.effect[i] = kNoDivision;
  }
  all_fail_more_ = fail_more(all_[0], all_[1]) || fail_more(of_late[0], of_late[1]);
  if (all_fail_more_) spread.effect[kClientErrors] = kNoDivision;
  return spread;
}

ClientSpread ClientWatch::look_at_part(std::int64_t now_second, const ClientSpread& all) noexcept {
  ClientSpread spread = look(now_second);
  const auto came = [](const GroupCounts& group) { return group.judged > 0; };
  const bool told_apart = std::all_of(all_.begin(), all_.end(), [&](const ClientGroups& version) {
    return std::count_if(version.groups.begin(), version.groups.end(), came) > 1;
  });
  if (told_apart) return spread;
  for (std::size_t i = 0; i < kClientMetrics; ++i) {
    spread.effect[i] = std::max(spread.effect[i], all.effect[i]);
  }
  return spread;
}

}  // namespace canaryd::stats
