#include "canaryd/analysis/accounts.hpp"

#include <algorithm>
#include <cmath>
#include <span>

namespace canaryd::analysis {
namespace {

// A spent reserve is this, so that its logarithm exists.
constexpr double kNothing = 1e-300;
// The plan of account R's capital. The reserve keeps a canary that turns bad late, or only under
// load, from hiding behind a long good past, in which the first bets have lost nearly everything.
constexpr double kReserveAtStart = 0.5;
constexpr double kBetPerRaise = 0.075;
constexpr double kBetOverTime = 0.2;
constexpr double kHalfTimeSeconds = 60;
// The burst guard is for one second; a block of several may count for more, up to twice as much at
// ten seconds.
constexpr double kGuardSeconds = 5;

double bet_by(double seconds) noexcept {
  return kBetOverTime * (1 - kHalfTimeSeconds / (kHalfTimeSeconds + seconds));
}

double log_sum(std::span<const double> values) noexcept {
  const double largest = *std::max_element(values.begin(), values.end());
  double sum = 0;
  for (const double value : values) sum += std::exp(value - largest);
  return largest + std::log(sum);
}

}  // namespace

double log_sum(double a, double b) noexcept {
  return std::max(a, b) + std::log1p(std::exp(-std::abs(a - b)));
}

RollbackAccount::RollbackAccount(Tolerance tolerance, double burst_guard) noexcept
    : tolerance_(tolerance), burst_guard_(burst_guard), reserve_(kReserveAtStart) {
  ln_bets_.fill(std::log((1 - kReserveAtStart) / static_cast<double>(kBets)));
}

void RollbackAccount::bet_from_reserve(double amount) noexcept {
  const double moved = std::min(amount, reserve_);
  if (moved <= 0) return;
  reserve_ -= moved;
  const double each = std::log(moved / static_cast<double>(kBets));
  for (double& bet : ln_bets_) bet = log_sum(bet, each);
}

void RollbackAccount::weight_increased() noexcept {
  bet_from_reserve(kBetPerRaise);
}

double RollbackAccount::increment(double ratio,
                                  const MetricCounts& counts,
                                  Tolerance tolerance) noexcept {
  // If both cohorts fail alike but for the relative tolerance, a bad response is the canary's with
  // odds `odds`.
  const double odds = (1 + tolerance.relative) * counts.canary_n / counts.stable_n;
  const double share = odds / (1 + odds);
  const double ln_norm = std::log1p(share * (ratio - 1));
  const double stake = (ratio - 1) * (1 - share) / (1 + share * (ratio - 1));
  return counts.canary_bad * (std::log(ratio) - ln_norm) - counts.stable_bad * ln_norm -
         tolerance.absolute * stake * counts.canary_n;
}

void RollbackAccount::absorb(const MetricCounts& counts, std::uint32_t seconds) noexcept {
  if (counts.silent()) return;
  const double before = seconds_;
  seconds_ += seconds;
  bet_from_reserve(bet_by(seconds_) - bet_by(before));
  const double guard = burst_guard_ * std::clamp(seconds / kGuardSeconds, 1.0, 2.0);
  for (std::size_t k = 0; k < kBets; ++k) {
    ln_bets_[k] += std::min(increment(kRatios[k], counts, tolerance_), guard);
  }
}

double RollbackAccount::ln_evidence() const noexcept {
  return log_sum(log_sum(ln_bets_), std::log(std::max(reserve_, kNothing)));
}

AcceptAccount::AcceptAccount(Tolerance tolerance, double next_weight) noexcept
    : scaled_{tolerance.relative / next_weight, tolerance.absolute / next_weight} {
  ln_bets_.fill(-std::log(static_cast<double>(kBets)));
}

double AcceptAccount::increment(double share,
                                const MetricCounts& counts,
                                Tolerance scaled) noexcept {
  const double rho = (1 + scaled.relative) * counts.canary_n / counts.stable_n;
  return counts.canary_bad_next * std::log1p(-share) + counts.stable_bad * std::log1p(share * rho) +
         scaled.absolute * share * counts.canary_n;
}

void AcceptAccount::absorb(const MetricCounts& counts) noexcept {
  if (counts.silent()) return;
  canary_n_ += counts.canary_n;
  for (std::size_t j = 0; j < kBets; ++j) ln_bets_[j] += increment(kShares[j], counts, scaled_);
}

double AcceptAccount::ln_evidence() const noexcept {
  return log_sum(ln_bets_);
}

double AcceptAccount::limit(double stable_rate) const noexcept {
  return (1 + scaled_.relative) * stable_rate + scaled_.absolute;
}

std::optional<double> AcceptAccount::requests_needed(double boundary) const noexcept {
  if (ln_evidence() >= boundary) return 0;
  // The sum of the bets soon follows its best one, so that one's own slope foretells more than the
  // sum's does.
  const double start = -std::log(static_cast<double>(kBets));
  std::optional<double> least;
  for (const double bet : ln_bets_) {
    const double gain = bet - start;
    if (gain <= 0) continue;
    const double needed = std::max(0.0, (boundary - bet) * canary_n_ / gain);
    least = std::min(least.value_or(needed), needed);
  }
  return least;
}

}  // namespace canaryd::analysis
