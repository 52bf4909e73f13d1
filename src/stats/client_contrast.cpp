#include "canaryd/stats/client_contrast.hpp"

#include "stats/chi_square.hpp"

#include <algorithm>
#include <cmath>

namespace canaryd::stats {
namespace {

constexpr double kAlikeDeviate = 1.2816;  // Of the normal distribution: 1 in 10 is beyond.

// Student's t that 1 in 1000 is beyond, for whole degrees of freedom, at most 15.
double student_thousandth(double degrees) noexcept {
  constexpr std::array kBeyond{
      318.31, 22.33, 10.21, 7.17, 5.89, 5.21, 4.79, 4.50, 4.30, 4.14, 4.02, 3.93, 3.85, 3.79, 3.73};
  const double whole = std::clamp(std::floor(degrees), 1.0, static_cast<double>(kBeyond.size()));
  return kBeyond[static_cast<std::size_t>(whole) - 1];
}

struct Share {
  double n = 0;
  double groups = 0;
  double share = 0;
  double variance = 0;        // Of the share, the groups being what is drawn.
  double degrees = 0;         // Of freedom, of that.
  double group_variance = 0;  // Of the shares of single groups, each counting the same.
  double effect = 1;          // The design effect (client_groups.hpp).

  [[nodiscard]] double of_one() const noexcept { return share * (1 - share); }
};

Share sum_of(const ClientGroups& groups, std::size_t metric) noexcept {
  Share result;
  double hits = 0;
  for (const GroupCounts& group : groups.groups) {
    if (group.requests(metric) <= 0) continue;
    result.groups += 1;
    result.n += group.requests(metric);
    hits += group.hits(metric);
  }
  if (result.n > 0) result.share = hits / result.n;
  return result;
}

Share share_of(const ClientGroups& groups, std::size_t metric) noexcept {
  Share result = sum_of(groups, metric);
  if (result.groups < 2) return result;
  double squares = 0;
  double group_squares = 0;
  double chi_square = 0;
  double weights = 0;
  double weights_squared = 0;
  for (const GroupCounts& group : groups.groups) {
    const double requests = group.requests(metric);
    if (requests <= 0) continue;
    const double off = group.hits(metric) - result.share * requests;
    const double others = 1 - requests / result.n;
    const double weight = requests / others;
    squares += off * off / (others * others);
    group_squares += off * off / (requests * requests);
    chi_square += off * off / requests;
    weights += weight;
    weights_squared += weight * weight;
  }
  const double degrees = result.groups - 1;
  const double part = degrees / result.groups;
  // Delete-one-group jackknife: a group with most of the requests draws the share to itself, and
  // leaves few degrees of freedom (Satterthwaite 1946).
  result.variance = std::max(result.of_one() / result.n, part * squares / (result.n * result.n));
  result.degrees = part * weights * weights / weights_squared;
  result.group_variance = group_squares / degrees;
  if (result.of_one() > 0) {
    result.effect = std::max(1.0, chi_square / result.of_one() / degrees);
  }
  return result;
}

// A few groups may be close together by chance. Stable's say how far apart they might be, and the
// design effect how far where a group of the canary has fewer clients than one of stable.
double variance_like(const Share& stable, const Share& canary) noexcept {
  return std::max(stable.group_variance / canary.groups,
                  stable.effect * stable.of_one() / canary.n);
}

// As close together as chance has requests.
bool are_alike(const Share& share) noexcept {
  return share.effect <= chi_square_ratio(share.groups - 1, kAlikeDeviate);
}

bool is_beyond(const Share& stable, const Share& canary) noexcept {
  if (stable.groups < kBeyondGroups || canary.groups < kBeyondGroups) return false;
  const double apart = canary.share - stable.share;
  const double errors = kBeyondClients * kBeyondClients;
  const double variance = std::max(canary.variance, variance_like(stable, canary));
  if (apart <= 0 || apart * apart <= errors * (variance + stable.variance)) return false;
  if (are_alike(stable) && are_alike(canary)) return true;
  const double student = student_thousandth(canary.degrees);
  return apart * apart > student * student * (canary.variance + stable.variance);
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
