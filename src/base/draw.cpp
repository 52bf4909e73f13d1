#include "canaryd/base/draw.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace canaryd {
namespace {

// From here on rejection is exact, and faster than inversion.
constexpr double kSmallMean = 10;

// ln(k!). Not std::lgamma, which writes a global variable. Stirling's series is exact to 1e-10 from
// 16 on.
double ln_factorial(double k) noexcept {
  static const auto table = [] {
    std::array<double, 16> made{};
    for (std::size_t i = 1; i < made.size(); ++i) {
      made[i] = made[i - 1] + std::log(static_cast<double>(i));
    }
    return made;
  }();
  if (k < static_cast<double>(table.size())) return table[static_cast<std::size_t>(k)];
  constexpr double kHalfLnTwoPi = 0.91893853320467274;
  const double square = k * k;
  return (k + 0.5) * std::log(k) - k + kHalfLnTwoPi +
         (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / k;
}

// One candidate of the transformed rejection: k, and what its density is compared with.
struct Candidate {
  double k = 0;
  double ln_bound = 0;
  bool accepted = false;  // Without looking at the density.
};

// The constants of the method: where the hat is, and how much of v is below the density for sure.
struct Hat {
  double a = 0;
  double b = 0;
  double centre = 0;
  double squeeze = 0;
  double alpha = 0;
};

Candidate next_candidate(Random& random, const Hat& hat) noexcept {
  const double u = random.uniform() - 0.5;
  const double v = 1 - random.uniform();  // Above 0, for the logarithm.
  const double us = 0.5 - std::abs(u);
  Candidate candidate;
  candidate.k = std::floor((2 * hat.a / us + hat.b) * u + hat.centre);
  candidate.accepted = us >= 0.07 && v <= hat.squeeze;
  if (!candidate.accepted) {
    candidate.ln_bound = std::log(v * hat.alpha / (hat.a / (us * us) + hat.b));
  }
  return candidate;
}

std::uint64_t poisson_by_inversion(Random& random, double mean) noexcept {
  double left = random.uniform();
  double share = std::exp(-mean);
  std::uint64_t count = 0;
  // The bound is for what rounding leaves of the last tail.
  while (left >= share && count < 200) {
    left -= share;
    ++count;
    share *= mean / static_cast<double>(count);
  }
  return count;
}

std::uint64_t poisson_by_rejection(Random& random, double mean) noexcept {
  const double deviation = std::sqrt(mean);
  Hat hat;
  hat.b = 0.931 + 2.53 * deviation;
  hat.a = -0.059 + 0.02483 * hat.b;
  hat.centre = mean + 0.43;
  hat.squeeze = 0.9277 - 3.6224 / (hat.b - 2);
  hat.alpha = 1.1239 + 1.1328 / (hat.b - 3.4);
  const double ln_mean = std::log(mean);
  while (true) {
    const Candidate candidate = next_candidate(random, hat);
    if (candidate.k < 0) continue;
    const bool below = candidate.accepted || candidate.ln_bound <= candidate.k * ln_mean - mean -
                                                                       ln_factorial(candidate.k);
    if (below) return static_cast<std::uint64_t>(candidate.k);
  }
}

// p at most 0.5.
std::uint64_t binomial_by_inversion(Random& random, double n, double p) noexcept {
  const double ratio = p / (1 - p);
  double left = random.uniform();
  double share = std::exp(n * std::log1p(-p));
  double count = 0;
  while (left >= share && count < n) {
    left -= share;
    share *= (n - count) / (count + 1) * ratio;
    ++count;
    if (share <= 0) break;
  }
  return static_cast<std::uint64_t>(count);
}

// p at most 0.5, n p at least kSmallMean.
std::uint64_t binomial_by_rejection(Random& random, double n, double p) noexcept {
  const double deviation = std::sqrt(n * p * (1 - p));
  Hat hat;
  hat.b = 1.15 + 2.53 * deviation;
  hat.a = -0.0873 + 0.0248 * hat.b + 0.01 * p;
  hat.centre = n * p + 0.5;
  hat.squeeze = 0.92 - 4.2 / hat.b;
  hat.alpha = (2.83 + 5.1 / hat.b) * deviation;
  const double ln_ratio = std::log(p / (1 - p));
  const double mode = std::floor((n + 1) * p);
  const double ln_mode = ln_factorial(mode) + ln_factorial(n - mode);
  while (true) {
    const Candidate candidate = next_candidate(random, hat);
    const double k = candidate.k;
    if (k < 0 || k > n) continue;
    const bool below = candidate.accepted || candidate.ln_bound <= ln_mode - ln_factorial(k) -
                                                                       ln_factorial(n - k) +
                                                                       (k - mode) * ln_ratio;
    if (below) return static_cast<std::uint64_t>(k);
  }
}

}  // namespace

std::uint64_t draw_poisson(Random& random, double mean) noexcept {
  if (!(mean > 0)) return 0;
  return mean < kSmallMean ? poisson_by_inversion(random, mean)
                           : poisson_by_rejection(random, mean);
}

std::uint64_t draw_binomial(Random& random, std::uint64_t n, double probability) noexcept {
  if (n == 0 || !(probability > 0)) return 0;
  if (probability >= 1) return n;
  if (probability > 0.5) return n - draw_binomial(random, n, 1 - probability);
  const auto trials = static_cast<double>(n);
  return trials * probability < kSmallMean ? binomial_by_inversion(random, trials, probability)
                                           : binomial_by_rejection(random, trials, probability);
}

}  // namespace canaryd
