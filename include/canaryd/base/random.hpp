// Seeded random numbers, passed in wherever chance is needed, so that a run can be repeated from
// its seed.
//
// The generator is xoshiro256** (Blackman, Vigna 2018) seeded by splitmix64: the same seed gives
// the same numbers on every host and with every standard library, which std:: distributions do not
// promise. Not for secrets. Thread rule: one owner.
#pragma once

#include <array>
#include <cstdint>

namespace canaryd {

class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept;

  [[nodiscard]] std::uint64_t next() noexcept;
  // Uniform in [0, bound); bound must be above 0. The bias is below bound / 2^64.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) noexcept;
  // Uniform in [0, 1), 53 bits.
  [[nodiscard]] double uniform() noexcept;
  [[nodiscard]] bool chance(double probability) noexcept { return uniform() < probability; }

 private:
  std::array<std::uint64_t, 4> state_;
};

// A seed nobody can predict, from the operating system.
[[nodiscard]] std::uint64_t entropy_seed();

}  // namespace canaryd
