#include "canaryd/routing/mirror_share.hpp"

#include "canaryd/routing/cohort_pick.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace canaryd::routing {
namespace {

constexpr int kKeys = 100'000;

std::uint64_t key_hash(int user) {
  return siphash(key_from_salt("checkout"), "user-" + std::to_string(user));
}
std::string id(int request) {
  return "id-" + std::to_string(request);
}

// Four standard deviations of a binomial count.
double slack(double expected, double share) {
  return 4 * std::sqrt(expected * (1 - share));
}

TEST(MirrorShare, TakesItsShareOfTheKeysAndOfTheIds) {
  const MirrorShare mirror("shop", BasisPoints(500));
  int keys = 0;
  int ids = 0;
  for (int i = 0; i < kKeys; ++i) {
    keys += mirror.has(key_hash(i), "") ? 1 : 0;
    ids += mirror.has(0, id(i)) ? 1 : 0;
  }
  EXPECT_NEAR(keys, kKeys * 0.05, slack(kKeys * 0.05, 0.05));
  EXPECT_NEAR(ids, kKeys * 0.05, slack(kKeys * 0.05, 0.05));
}

TEST(MirrorShare, AKeyDecidesWhateverTheId) {
  const MirrorShare mirror("shop", BasisPoints(5000));
  for (int user = 0; user < 100; ++user) {
    const bool first = mirror.has(key_hash(user), id(0));
    for (int request = 1; request < 10; ++request) {
      ASSERT_EQ(mirror.has(key_hash(user), id(request)), first);
    }
  }
}

// Of the canary's users the same share is copied as of stable's.
TEST(MirrorShare, HasNothingToDoWithTheCohort) {
  const MirrorShare mirror("shop", BasisPoints(2000));
  int canaries = 0;
  int copied = 0;
  for (int i = 0; i < kKeys; ++i) {
    if (bucket_of(key_hash(i)) >= 1000) continue;
    ++canaries;
    copied += mirror.has(key_hash(i), "") ? 1 : 0;
  }
  EXPECT_NEAR(copied, canaries * 0.2, slack(canaries * 0.2, 0.2));
}

TEST(MirrorShare, RoutesDrawApartAndAGrowingShareOnlyAdds) {
  const MirrorShare small("shop", BasisPoints(1000));
  const MirrorShare large("shop", BasisPoints(3000));
  const MirrorShare other("api", BasisPoints(1000));
  int both = 0;
  int first = 0;
  for (int i = 0; i < kKeys; ++i) {
    const bool in_small = small.has(key_hash(i), "");
    ASSERT_TRUE(!in_small || large.has(key_hash(i), ""));
    first += in_small ? 1 : 0;
    both += in_small && other.has(key_hash(i), "") ? 1 : 0;
  }
  EXPECT_NEAR(both, first * 0.1, slack(first * 0.1, 0.1));
}

TEST(MirrorShare, AllAndNothing) {
  const MirrorShare all("shop", BasisPoints(BasisPoints::kMax));
  const MirrorShare none;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(all.has(key_hash(i), "") && all.has(0, id(i)));
    ASSERT_FALSE(none.has(key_hash(i), "") || none.has(0, id(i)));
  }
}

// Every host and version draws the same ones: this holds the formula still.
TEST(MirrorShare, NoVersionDrawsOthers) {
  const MirrorShare mirror("shop", BasisPoints(5000));
  std::string drawn;
  for (int i = 0; i < 16; ++i) drawn += mirror.has(key_hash(i), "") ? '1' : '0';
  drawn += ' ';
  for (int i = 0; i < 16; ++i) drawn += mirror.has(0, id(i)) ? '1' : '0';
  EXPECT_EQ(drawn, "1000010111010011 0010010111001001");
}

}  // namespace
}  // namespace canaryd::routing
