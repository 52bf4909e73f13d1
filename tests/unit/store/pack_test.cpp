#include "store/pack.hpp"

#include "canaryd/base/random.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace canaryd::store {
namespace {

EvidenceRow row_with(std::vector<std::int64_t> values) {
  return {"checkout", 3, 17, EvidenceKind::kBlock, std::move(values)};
}

TEST(PackTest, ValuesOfAnySizeComeBack) {
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  for (const auto& values : {std::vector<std::int64_t>{},
                             {0},
                             {kMin, kMax, -1, 1, 63, 64, -64, -65},
                             std::vector<std::int64_t>(kMaxValues, kMin)}) {
    EvidenceRow back = row_with({9});
    ASSERT_TRUE(unpack_values(pack_values(row_with(values)), back).has_value());
    EXPECT_EQ(back.values, values);
  }
  EXPECT_EQ(pack_values(row_with({0, 1, -1, 60})).size(), 8U) << "small numbers take a byte each";
}

TEST(PackTest, ARowInAnotherPlaceIsDamaged) {
  const std::string bytes = pack_values(row_with({1, 2, 3}));
  EvidenceRow other = row_with({});
  other.index = 18;
  EXPECT_FALSE(unpack_values(bytes, other).has_value());
  other = row_with({});
  other.rollout = "catalog";
  EXPECT_FALSE(unpack_values(bytes, other).has_value());
}

TEST(PackTest, DamageIsFoundAndNeverCrashes) {
  const std::string good = pack_values(row_with({1, -200, 30'000, 4}));
  int accepted = 0;
  for (std::uint64_t seed = 1; seed <= 20'000; ++seed) {
    Random random(seed);
    std::string bytes = good;
    if (random.chance(0.3)) bytes.resize(random.below(bytes.size()));
    if (!bytes.empty())
      bytes[random.below(bytes.size())] ^= static_cast<char>(1 + random.below(255));
    EvidenceRow row = row_with({});
    if (unpack_values(bytes, row)) ++accepted;
  }
  EXPECT_EQ(accepted, 0);
}

}  // namespace
}  // namespace canaryd::store
