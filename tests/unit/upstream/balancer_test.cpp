#include "canaryd/upstream/balancer.hpp"

#include "canaryd/base/hash.hpp"
#include "unit/upstream/upstream_rig.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <string>

namespace canaryd::upstream {
namespace {

class ChoiceTest : public UpstreamTest {
 protected:
  ChoiceTest() {
    spec.endpoints = {address("10.0.0.2:80"), address("10.0.0.3:80"), address("10.0.0.4:80")};
  }
  std::map<std::string, int> count(int picks, const Endpoint* avoid = nullptr) {
    std::map<std::string, int> counts;
    for (int i = 0; i < picks; ++i) {
      const Lease each = app->acquire(avoid);
      ++counts[to_string(each.endpoint()->address())];
    }
    return counts;
  }
};

TEST_F(ChoiceTest, RoundRobinTakesTurns) {
  spec.load_balancer = LoadBalancer::kRoundRobin;
  make();
  const auto counts = count(30);
  ASSERT_EQ(counts.size(), 3U);
  for (const auto& [endpoint, times] : counts) EXPECT_EQ(times, 10) << endpoint;
}

TEST_F(ChoiceTest, LeastRequestSpreads) {
  make();
  const auto counts = count(3000);
  ASSERT_EQ(counts.size(), 3U);
  for (const auto& [endpoint, times] : counts) {
    EXPECT_GT(times, 850) << endpoint;
    EXPECT_LT(times, 1150) << endpoint;
  }
}

TEST_F(ChoiceTest, LeastRequestPassesOverTheBusiest) {
  make();
  const Lease held = app->acquire();
  const Endpoint* const busiest = held.endpoint();
  // It is one of three, and always the worse of two.
  EXPECT_EQ(count(300).count(to_string(busiest->address())), 0U);
}

TEST_F(ChoiceTest, LoadStaysEven) {
  make();
  std::vector<Lease> held;
  for (int i = 0; i < 300; ++i) held.push_back(app->acquire());
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_GE(active(i), 95U);
    EXPECT_LE(active(i), 105U);
  }
}

TEST_F(ChoiceTest, ARetryGoesElsewhere) {
  for (const LoadBalancer kind : {LoadBalancer::kRoundRobin, LoadBalancer::kLeastRequest}) {
    spec.load_balancer = kind;
    make();
    const Lease failed = app->acquire();
    const auto counts = count(300, failed.endpoint());
    EXPECT_EQ(counts.count(to_string(failed.endpoint()->address())), 0U);
    EXPECT_EQ(counts.size(), 2U);
  }
}

TEST_F(ChoiceTest, WithOneEndpointThereIsNoElsewhere) {
  spec.endpoints.resize(1);
  make();
  const Lease failed = app->acquire();
  EXPECT_EQ(app->acquire(failed.endpoint()).endpoint(), failed.endpoint());
}

// ---- Weights

class WeightTest : public ChoiceTest {
 protected:
  WeightTest() {
    spec.endpoints = {
        {address("10.0.0.2:80"), 5}, {address("10.0.0.3:80"), 1}, {address("10.0.0.4:80"), 1}};
  }
  // Each share is within three standard deviations of what the weights ask for.
  void expect_by_weight(const std::map<std::string, int>& counts) const {
    double total_weight = 0;
    double total = 0;
    for (const EndpointSpec& each : spec.endpoints) total_weight += each.weight;
    for (const auto& [endpoint, times] : counts) total += times;
    for (const EndpointSpec& each : spec.endpoints) {
      const double part = each.weight / total_weight;
      const double sigma = std::sqrt(total * part * (1 - part));
      const auto found = counts.find(to_string(each.address));
      ASSERT_NE(found, counts.end()) << to_string(each.address);
      EXPECT_NEAR(found->second, total * part, 3 * sigma) << found->first;
    }
  }
};

TEST_F(WeightTest, RoundRobinIsExactAndSmooth) {
  spec.load_balancer = LoadBalancer::kRoundRobin;
  make();
  std::string order;
  for (int i = 0; i < 14; ++i) {
    const std::string text = to_string(app->acquire().endpoint()->address());
    order += text == "10.0.0.2:80" ? 'a' : text == "10.0.0.3:80" ? 'b' : 'c';
  }
  EXPECT_EQ(order, "aabacaaaabacaa");
}

TEST_F(WeightTest, LeastRequestIsByWeightWhileThereIsNoLoad) {
  make();
  expect_by_weight(count(70000));
}

TEST_F(WeightTest, LeastRequestKeepsTheLoadByWeight) {
  make();
  std::vector<Lease> held;
  for (int i = 0; i < 700; ++i) held.push_back(app->acquire());
  EXPECT_NEAR(static_cast<double>(active(0)), 500, 10);
  EXPECT_NEAR(static_cast<double>(active(1)), 100, 10);
  EXPECT_NEAR(static_cast<double>(active(2)), 100, 10);
}

// Also where little is under way: an endpoint that has nothing to do is no better for that alone.
TEST_F(WeightTest, LeastRequestKeepsTheWeightsWithFewRequestsUnderWay) {
  spec.endpoints = {{address("10.0.0.2:80"), 9}, {address("10.0.0.3:80"), 1}};
  make();
  constexpr int kRequests = 20000;
  for (const std::size_t under_way : {1U, 2U, 4U, 8U, 32U}) {
    std::deque<Lease> held;
    int light = 0;
    for (int i = 0; i < kRequests; ++i) {
      held.push_back(app->acquire());
      if (to_string(held.back().endpoint()->address()) == "10.0.0.3:80") ++light;
      if (held.size() == under_way) held.pop_front();
    }
    EXPECT_GT(light, kRequests * 5 / 100) << under_way;
    EXPECT_LT(light, kRequests * 12 / 100) << under_way;
  }
}

// Also the third try goes to where none has been, and only then back, but not to the last one.
TEST_F(WeightTest, EachRetryGoesWhereNoneHasBeen) {
  for (const LoadBalancer kind :
       {LoadBalancer::kRoundRobin, LoadBalancer::kLeastRequest, LoadBalancer::kConsistentHash}) {
    spec.load_balancer = kind;
    make();
    for (std::uint64_t key = 1; key < 100; ++key) {
      Tried tried;
      for (std::size_t i = 0; i < 3; ++i) {
        const Endpoint* const next = app->acquire(tried, false, key << 40U).endpoint();
        EXPECT_FALSE(tried.has(next)) << i;
        tried.add(next);
      }
      EXPECT_NE(app->acquire(tried, false, key << 40U).endpoint(), tried.last());
    }
  }
}

TEST_F(WeightTest, ARetryGoesElsewhere) {
  for (const LoadBalancer kind :
       {LoadBalancer::kRoundRobin, LoadBalancer::kLeastRequest, LoadBalancer::kConsistentHash}) {
    spec.load_balancer = kind;
    make();
    const Lease failed = app->acquire();
    EXPECT_EQ(count(300, failed.endpoint()).count(to_string(failed.endpoint()->address())), 0U);
  }
  spec.load_balancer = LoadBalancer::kLeastRequest;
  spec.endpoints.resize(2);
  make();
  const Lease failed = app->acquire();
  EXPECT_NE(app->acquire(failed.endpoint()).endpoint(), failed.endpoint());
}

// ---- Consistent hash

class HashTest : public WeightTest {
 protected:
  static constexpr int kKeys = 20000;

  HashTest() { spec.load_balancer = LoadBalancer::kConsistentHash; }

  static std::uint64_t key(int i) { return siphash({}, std::to_string(i)); }
  // Where each key goes, on a worker of its own.
  std::vector<std::string> places() {
    SimRuntime worker(net);
    Upstream other(worker, spec, test::make_share(spec));
    std::vector<std::string> result;
    for (int i = 0; i < kKeys; ++i) {
      result.push_back(to_string(other.acquire(nullptr, false, key(i)).endpoint()->address()));
    }
    return result;
  }
  static std::map<std::string, int> tally(const std::vector<std::string>& places) {
    std::map<std::string, int> counts;
    for (const std::string& each : places) ++counts[each];
    return counts;
  }
};

TEST_F(HashTest, SpreadsByWeight) {
  expect_by_weight(tally(places()));
  for (EndpointSpec& each : spec.endpoints) each.weight = 3;
  expect_by_weight(tally(places()));
}

TEST_F(HashTest, IsTheSameOnEveryWorkerAndInEveryOrder) {
  const auto here = places();
  EXPECT_EQ(places(), here);
  std::reverse(spec.endpoints.begin(), spec.endpoints.end());
  EXPECT_EQ(places(), here);
}

// In every version and on every host: these must never change.
TEST_F(HashTest, IsWhatItAlwaysWas) {
  make();
  std::string order;
  for (int i = 0; i < 24; ++i) {
    const auto endpoint = app->acquire(nullptr, false, key(i)).endpoint()->address();
    order += std::to_string(endpoint.ip.bytes()[3]);
  }
  EXPECT_EQ(order, "233322244432224222224324");
}

TEST_F(HashTest, AnEndpointThatGoesMovesItsOwnKeysOnly) {
  for (const bool equal : {false, true}) {
    if (equal) {
      for (EndpointSpec& each : spec.endpoints) each.weight = 1;
    }
    const auto before = places();
    const EndpointSpec gone = spec.endpoints[1];
    spec.endpoints.erase(spec.endpoints.begin() + 1);
    const auto after = places();
    for (std::size_t i = 0; i < before.size(); ++i) {
      EXPECT_TRUE(after[i] == before[i] || before[i] == to_string(gone.address)) << i;
    }
    spec.endpoints.insert(spec.endpoints.begin() + 1, gone);
  }
}

TEST_F(HashTest, WeightThatGrowsOnlyDrawsKeysToItself) {
  const auto before = places();
  spec.endpoints[1].weight = 3;
  const auto after = places();
  const std::string grown = to_string(spec.endpoints[1].address);
  EXPECT_NE(after, before);
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_TRUE(after[i] == before[i] || after[i] == grown) << i;
  }
}

}  // namespace
}  // namespace canaryd::upstream
