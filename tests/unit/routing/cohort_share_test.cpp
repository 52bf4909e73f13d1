// The draw: each cohort has its share of whatever keys there are, and nobody is moved back.
#include "canaryd/routing/cohort_pick.hpp"
#include "unit/routing/requests.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace canaryd::routing {
namespace {

using test::fields;
using test::make_rollout;

const IpAddress kClient = IpAddress::v4({203, 0, 113, 7});

struct Golden {
  std::string_view salt;
  std::string key;
  std::uint16_t bucket;
};
const Golden kGolden[] = {
#include "golden_buckets.inc"
};

TEST(CohortPick, NoVersionEverMovesAUser) {
  static_assert(std::size(kGolden) == 20);
  for (const Golden& golden : kGolden) {
    EXPECT_EQ(bucket_of(key_from_salt(golden.salt), golden.key), golden.bucket)
        << golden.salt << " " << golden.key;
  }
}

TEST(CohortPick, BucketsCoverTheirRangeEvenly) {
  EXPECT_EQ(bucket_of(0), 0);
  EXPECT_EQ(bucket_of(UINT64_MAX), kBuckets - 1);
  EXPECT_EQ(bucket_of(UINT64_MAX / 2), kBuckets / 2 - 1);
  EXPECT_EQ(bucket_of(UINT64_MAX / 2 + 1), kBuckets / 2);
}

constexpr int kKeys = 100'000;

struct Population {
  const char* name;
  std::function<std::string(int)> key;
};

std::string ip_bytes(int i) {
  const auto n = static_cast<unsigned>(i);
  return {10, static_cast<char>(n >> 16U), static_cast<char>(n >> 8U), static_cast<char>(n)};
}

std::vector<Population> populations() {
  auto random = std::make_shared<Random>(7);
  return {
      {"random", [random](int) { return std::string(make_fresh_id(*random).text()); }},
      {"sequential", [](int i) { return std::to_string(i); }},
      {"names", [](int i) { return "customer-" + std::to_string(100'000 + i) + "-eu"; }},
      {"addresses", ip_bytes},
  };
}

std::vector<std::uint16_t> buckets(std::string_view salt,
                                   int count,
                                   const std::function<std::string(int)>& key) {
  const HashKey hash_key = key_from_salt(salt);
  std::vector<std::uint16_t> result;
  result.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) result.push_back(bucket_of(hash_key, key(i)));
  return result;
}

double share_below(const std::vector<std::uint16_t>& all, unsigned weight) {
  const auto below =
      std::count_if(all.begin(), all.end(), [weight](auto bucket) { return bucket < weight; });
  return static_cast<double>(below) / static_cast<double>(all.size());
}

double three_sigma(double p, std::size_t n) {
  return 3 * std::sqrt(p * (1 - p) / static_cast<double>(n));
}

// Row A1. Fixed keys and salts, so the outcome is fixed too.
TEST(CohortPick, ShareIsExactForEveryKindOfKey) {
  for (const std::string_view salt : {"shop-v1", "shop-v2"}) {
    for (const Population& population : populations()) {
      const auto all = buckets(salt, kKeys, population.key);
      for (const unsigned weight : {100U, 500U, 1000U, 2500U, 5000U}) {
        const double p = weight / 10000.0;
        EXPECT_NEAR(share_below(all, weight), p, three_sigma(p, all.size()))
            << salt << " " << population.name << " " << weight;
      }
    }
  }
}

TEST(CohortPick, ShareIsExactDownToOneBasisPoint) {
  const auto all = buckets("checkout", 1'000'000, [](int i) { return std::to_string(i); });
  EXPECT_NEAR(share_below(all, 1), 0.0001, three_sigma(0.0001, all.size()));
}

// Row A2.
TEST(CohortPick, NobodyReturnsWhileTheWeightGrows) {
  std::vector<Rollout> steps;
  for (const unsigned weight : {10U, 100U, 500U, 1000U, 2500U, 5000U, 10000U}) {
    steps.push_back(make_rollout(weight));
  }
  Random random(1);
  int on_canary = 0;
  for (int i = 0; i < kKeys; ++i) {
    const std::string user = "user-" + std::to_string(i);
    const http::FieldList list = fields({{"X-User", user}});
    bool moved = false;
    for (const Rollout& step : steps) {
      const bool canary =
          pick_cohort(step, {list, "", kClient, false, random}).cohort == Cohort::kCanary;
      ASSERT_TRUE(canary || !moved) << user << " at " << step.weight.percent() << " %";
      moved = canary;
    }
    on_canary += moved ? 1 : 0;
  }
  EXPECT_EQ(on_canary, kKeys);
}

// Row A6: phi coefficient of the two memberships.
TEST(CohortPick, SaltsAreIndependent) {
  const auto sequential = [](int i) { return std::to_string(i); };
  const auto a = buckets("checkout", kKeys, sequential);
  for (const std::string_view salt : {"checkouu", "orders", "checkout "}) {
    const auto b = buckets(salt, kKeys, sequential);
    for (const unsigned weight : {1000U, 5000U}) {
      double both = 0;
      for (std::size_t i = 0; i < a.size(); ++i) both += (a[i] < weight && b[i] < weight) ? 1 : 0;
      const double p = share_below(a, weight);
      const double q = share_below(b, weight);
      const double phi = (both / kKeys - p * q) / std::sqrt(p * (1 - p) * q * (1 - q));
      EXPECT_LT(std::abs(phi), 0.01) << salt << " " << weight;
    }
  }
}

}  // namespace
}  // namespace canaryd::routing
