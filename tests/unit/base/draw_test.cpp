#include "canaryd/base/draw.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

namespace canaryd {
namespace {

struct Moments {
  double mean = 0;
  double variance = 0;
};

Moments moments_of(int samples, const std::function<double()>& draw) {
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < samples; ++i) {
    const double value = draw();
    sum += value;
    squares += value * value;
  }
  const double mean = sum / samples;
  return {mean, squares / samples - mean * mean};
}

TEST(Draw, PoissonHasEqualMeanAndVariance) {
  constexpr int kSamples = 100'000;
  // On both sides of the change of method.
  for (const double mean : {0.003, 0.5, 4.0, 9.99, 10.0, 11.0, 75.0, 5000.0}) {
    Random random(11);
    const Moments got =
        moments_of(kSamples, [&] { return static_cast<double>(draw_poisson(random, mean)); });
    EXPECT_NEAR(got.mean, mean, 5 * std::sqrt(mean / kSamples)) << mean;
    const double spread = std::sqrt((2 + 1 / mean) / kSamples);
    EXPECT_NEAR(got.variance / mean, 1, 5 * spread) << mean;
  }
}

TEST(Draw, BinomialHasItsMoments) {
  constexpr int kSamples = 100'000;
  for (const std::uint64_t n : {1U, 7U, 100U, 10'000U}) {
    for (const double p : {0.001, 0.05, 0.3, 0.5, 0.8, 0.999}) {
      Random random(13);
      const Moments got =
          moments_of(kSamples, [&] { return static_cast<double>(draw_binomial(random, n, p)); });
      const double mean = static_cast<double>(n) * p;
      const double variance = mean * (1 - p);
      EXPECT_NEAR(got.mean, mean, 5 * std::sqrt(variance / kSamples)) << n << " " << p;
      const double spread = std::sqrt((2 + 1 / variance) / kSamples);
      EXPECT_NEAR(got.variance / variance, 1, 5 * spread) << n << " " << p;
    }
  }
}

// The share of the zeros tells more about the shape than the moments do.
TEST(Draw, ZeroComesAsOftenAsItShould) {
  constexpr int kSamples = 100'000;
  Random random(17);
  int poisson = 0;
  int binomial = 0;
  for (int i = 0; i < kSamples; ++i) {
    poisson += draw_poisson(random, 2) == 0 ? 1 : 0;
    binomial += draw_binomial(random, 40, 0.05) == 0 ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(poisson) / kSamples, std::exp(-2.0), 0.005);
  EXPECT_NEAR(static_cast<double>(binomial) / kSamples, std::pow(0.95, 40), 0.005);
}

TEST(Draw, TheEdgesAreSure) {
  Random random(1);
  EXPECT_EQ(draw_poisson(random, 0), 0U);
  EXPECT_EQ(draw_poisson(random, -1), 0U);
  EXPECT_EQ(draw_poisson(random, std::nan("")), 0U);
  EXPECT_EQ(draw_binomial(random, 0, 0.5), 0U);
  EXPECT_EQ(draw_binomial(random, 9, 0), 0U);
  EXPECT_EQ(draw_binomial(random, 9, 1), 9U);
  EXPECT_EQ(draw_binomial(random, 9, 7), 9U);
  for (int i = 0; i < 1000; ++i) EXPECT_LE(draw_binomial(random, 30, 0.49), 30U);
}

TEST(Draw, TheSameSeedGivesTheSameDraws) {
  Random first(5);
  Random second(5);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(draw_poisson(first, 20), draw_poisson(second, 20));
    EXPECT_EQ(draw_binomial(first, 100, 0.4), draw_binomial(second, 100, 0.4));
  }
}

}  // namespace
}  // namespace canaryd
