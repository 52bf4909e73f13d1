#include "canaryd/upstream/balancer.hpp"

#include "unit/upstream/upstream_rig.hpp"

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

}  // namespace
}  // namespace canaryd::upstream
