// Counts and values drawn by chance, from a Random that is passed in: what simulated traffic is
// made of.
//
// Exact in distribution. Counts with a small mean are found by inversion, others by transformed
// rejection (Hoermann, "The transformed rejection method", 1993), so a draw costs about the same
// whatever its mean. The same seed gives the same draws. Thread rule: that of the Random.
#pragma once

#include "canaryd/base/random.hpp"

#include <cstdint>

namespace canaryd {

// mean up to 1e12; 0 for a mean that is not above 0.
[[nodiscard]] std::uint64_t draw_poisson(Random& random, double mean) noexcept;
// How many of n succeed, each with this probability; outside [0, 1] it is clamped.
[[nodiscard]] std::uint64_t draw_binomial(Random& random,
                                          std::uint64_t n,
                                          double probability) noexcept;

}  // namespace canaryd
