#include "canaryd/base/random.hpp"

#include "canaryd/base/error.hpp"

#include <bit>
#include <sys/random.h>

namespace canaryd {
namespace {

__extension__ using Wide = unsigned __int128;

std::uint64_t splitmix64(std::uint64_t& state) noexcept {
  std::uint64_t z = (state += 0x9e3779b97f4a7c15U);
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31U);
}

}  // namespace

Random::Random(std::uint64_t seed) noexcept : state_{} {
  for (auto& word : state_) word = splitmix64(seed);
}

std::uint64_t Random::next() noexcept {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t carried = state_[1] << 17U;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= carried;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::uint64_t Random::below(std::uint64_t bound) noexcept {
  CANARYD_ASSERT(bound > 0);
  return static_cast<std::uint64_t>((static_cast<Wide>(next()) * bound) >> 64U);
}

double Random::uniform() noexcept {
  return static_cast<double>(next() >> 11U) * 0x1.0p-53;
}

std::uint64_t entropy_seed() {
  std::uint64_t seed = 0;
  const auto got = getrandom(&seed, sizeof seed, 0);
  CANARYD_ASSERT(got == sizeof seed);
  return seed;
}

}  // namespace canaryd
