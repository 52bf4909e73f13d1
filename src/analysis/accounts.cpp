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
constexpr unsigned kBetRaises = 4;
constexpr double kBetOverTime = 0.2;
constexpr double kHalfTimeSeconds = 60;
// The burst guard is for one second; a block of several may count for more, up to twice as much at
// ten seconds.
constexpr double kGuardSeconds = 5;
constexpr double kRecentRequests = 40;

double bet_by(double seconds) noexcept {
  return kBetOverTime * (1 - kHalfTimeSeconds / (kHalfTimeSeconds + seconds));
}

// exp(-40) is less than a double of 1 can hold besides.
constexpr double kLostInRounding = 40;

double log_sum(std::span<const double> values) noexcept {
  const double largest = *std::max_element(values.begin(), values.end());
  double sum = 0;
  for (const double value : values) {
    if (largest - value < kLostInRounding) sum += std::exp(value - largest);
  }
  return largest + std::log(sum);
}

// What of an increment depends on the bet alone; it is asked for with every block.
template <std::size_t Count, class Function>
std::array<double, Count> table(const std::array<double, Count>& values, const Function& function) {
  std::array<double, Count> result{};
  std::transform(values.begin(), values.end(), result.begin(), function);
  return result;
}

const auto kLnRatios =
    table(RollbackAccount::kRatios, [](double ratio) { return std::log(ratio); });
const auto kLnRests =
    table(AcceptAccount::kShares, [](double share) { return std::log1p(-share); });

// If both cohorts fail alike but for the relative tolerance, the odds that a bad response is the
// canary's.
double canary_odds(const MetricCounts& counts, Tolerance tolerance) noexcept {
  return (1 + tolerance.relative) * counts.canary_n / counts.stable_n;
}

double ln_norm_of(double ratio, double odds) noexcept {
  return std::log1p(odds / (1 + odds) * (ratio - 1));
}

double stake_of(double ratio, double odds) noexcept {
  const double share = odds / (1 + odds);
  return (ratio - 1) * (1 - share) / (1 + share * (ratio - 1));
}

}  // namespace

double log_sum(double a, double b) noexcept {
  const double apart = std::abs(a - b);
  if (apart >= kLostInRounding) return std::max(a, b);
  return std::max(a, b) + std::log1p(std::exp(-apart));
}

RollbackAccount::RollbackAccount(Tolerance tolerance, double burst_guard) noexcept
    : tolerance_(tolerance), burst_guard_(burst_guard), reserve_(kReserveAtStart) {
  ln_bets_.fill(std::log((1 - kReserveAtStart) / static_cast<double>(kBets)));
  sum_up();
}

void RollbackAccount::sum_up() noexcept {
  ln_evidence_ = log_sum(log_sum(ln_bets_), std::log(std::max(reserve_, kNothing)));
}

void RollbackAccount::bet_from_reserve(double amount) noexcept {
  const double moved = std::min(amount, reserve_);
  if (moved <= 0) return;
  reserve_ -= moved;
  const double each = std::log(moved / static_cast<double>(kBets));
  for (double& bet : ln_bets_) bet = log_sum(bet, each);
}

void RollbackAccount::weight_increased() noexcept {
  if (raises_ == kBetRaises) return;
  ++raises_;
  bet_from_reserve(kBetPerRaise);
  sum_up();
}

double RollbackAccount::increment(double ratio,
                                  const MetricCounts& counts,
                                  Tolerance tolerance) noexcept {
  const double odds = canary_odds(counts, tolerance);
  const double ln_norm = ln_norm_of(ratio, odds);
  return counts.canary_bad * (std::log(ratio) - ln_norm) - counts.stable_bad * ln_norm -
         tolerance.absolute * stake_of(ratio, odds) * counts.canary_n;
}

void RollbackAccount::Terms::be_of(double block_odds) noexcept {
  if (odds == block_odds) return;
  odds = block_odds;
  for (std::size_t k = 0; k < kBets; ++k) {
    ln_norm[k] = ln_norm_of(kRatios[k], odds);
    stake[k] = stake_of(kRatios[k], odds);
  }
}

void RollbackAccount::absorb(const MetricCounts& counts,
                             std::uint32_t seconds,
                             Terms& terms) noexcept {
  if (counts.silent()) return;
  const double before = seconds_;
  seconds_ += seconds;
  bet_from_reserve(bet_by(seconds_) - bet_by(before));
  const double guard = burst_guard_ * std::clamp(seconds / kGuardSeconds, 1.0, 2.0);
  terms.be_of(canary_odds(counts, tolerance_));
  const double bad = counts.canary_bad + counts.stable_bad;
  const double rent = tolerance_.absolute * counts.canary_n;
  for (std::size_t k = 0; k < kBets; ++k) {
    const double moved =
        counts.canary_bad * kLnRatios[k] - bad * terms.ln_norm[k] - rent * terms.stake[k];
    ln_bets_[k] += std::min(moved, guard);
  }
  sum_up();
}

AcceptAccount::AcceptAccount(Tolerance tolerance, double next_weight) noexcept
    : scaled_{tolerance.relative / next_weight, tolerance.absolute / next_weight} {
  ln_bets_.fill(-std::log(static_cast<double>(kBets)));
}

double AcceptAccount::ln_evidence() const noexcept {
  return log_sum(ln_bets_);
}

double AcceptAccount::increment(double share,
                                const MetricCounts& counts,
                                Tolerance scaled) noexcept {
  return counts.canary_bad_next * std::log1p(-share) +
         counts.stable_bad * std::log1p(share * canary_odds(counts, scaled)) +
         scaled.absolute * share * counts.canary_n;
}

void AcceptAccount::Terms::be_of(double block_odds) noexcept {
  if (odds == block_odds) return;
  odds = block_odds;
  for (std::size_t j = 0; j < kBets; ++j) ln_gain[j] = std::log1p(kShares[j] * odds);
}

void AcceptAccount::absorb(const MetricCounts& counts, Terms& terms, bool may_gain) noexcept {
  if (counts.silent()) return;
  canary_n_ += counts.canary_n;
  terms.be_of(canary_odds(counts, scaled_));
  const double rent = scaled_.absolute * counts.canary_n;
  for (std::size_t j = 0; j < kBets; ++j) {
    const double moved = counts.canary_bad_next * kLnRests[j] +
                         counts.stable_bad * terms.ln_gain[j] + rent * kShares[j];
    ln_bets_[j] += may_gain ? moved : std::min(moved, 0.0);
  }
}

bool EmptyClaim::may_gain(const MetricCounts& counts, Tolerance tolerance) noexcept {
  if (counts.silent()) return true;
  const double fade = std::min(1.0, kRecentRequests / std::max(recent_.stable_n, kRecentRequests));
  recent_.stable_n = fade * recent_.stable_n + counts.stable_n;
  recent_.stable_bad = fade * recent_.stable_bad + counts.stable_bad;
  recent_.canary_n = fade * recent_.canary_n + counts.canary_n;
  recent_.canary_bad_next = fade * recent_.canary_bad_next + counts.canary_bad_next;
  if (recent_.stable_n < kRecentRequests) return true;
  const double stable = recent_.stable_bad / recent_.stable_n;
  const double canary = recent_.canary_bad_next / recent_.canary_n;
  // One that is well where stable is not has something to show.
  const bool as_bad = 2 * canary >= stable;
  return (1 + tolerance.relative) * stable + tolerance.absolute < 1 || !as_bad;
}

void StableOutage::note(const MetricCounts& errors, std::uint32_t seconds) noexcept {
  constexpr double kRecent = 100;
  constexpr double kKnownRequests = 200;
  constexpr double kLeastFailures = 8;
  constexpr double kLeastShare = 0.2;
  constexpr double kTimesUsual = 3;
  constexpr std::uint32_t kLasts = 1800;
  if (errors.silent()) return;
  const double fade = std::min(1.0, kRecent / std::max(recent_n_, kRecent));
  recent_n_ = fade * recent_n_ + errors.stable_n;
  recent_bad_ = fade * recent_bad_ + errors.stable_bad;
  const double usual = usual_n_ > 0 ? usual_bad_ / usual_n_ : 0;
  on_ = usual_n_ >= kKnownRequests && recent_bad_ >= kLeastFailures &&
        recent_bad_ >= std::max(kLeastShare, kTimesUsual * usual) * recent_n_;
  seconds_ = on_ ? seconds_ + seconds : 0;
  if (seconds_ >= kLasts) {
    on_ = false;
    usual_n_ = usual_bad_ = 0;
  }
  if (on_) return;
  usual_n_ += errors.stable_n;
  usual_bad_ += errors.stable_bad;
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

std::optional<double> AcceptAccount::requests_if_equal(double boundary,
                                                       double stable_rate,
                                                       double stable_per_canary) const noexcept {
  MetricCounts expected;
  expected.canary_n = 1;
  expected.canary_bad = expected.canary_bad_next = stable_rate;
  expected.stable_n = stable_per_canary;
  expected.stable_bad = stable_per_canary * stable_rate;
  if (expected.silent()) return std::nullopt;
  std::optional<double> least;
  for (std::size_t j = 0; j < kBets; ++j) {
    const double gain = increment(kShares[j], expected, scaled_);
    if (gain <= 0) continue;
    const double needed = std::max(0.0, (boundary - ln_bets_[j]) / gain);
    least = std::min(least.value_or(needed), needed);
  }
  return least;
}

}  // namespace canaryd::analysis
