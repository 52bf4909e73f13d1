// Clients that differ: the evidence of what they differ in counts for less, and of nothing else.
#include "canaryd/analysis/analyzer.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace canaryd::analysis {
namespace {

constexpr std::size_t kErrors = 0;
constexpr std::size_t kP50 = 1;

class ClientsTest : public ::testing::Test {
 protected:
  static Analyzer begun(const Settings& settings) {
    Analyzer analyzer(settings);
    analyzer.begin_step({.next_weight = BasisPoints(BasisPoints::kMax), .has_control = true});
    return analyzer;
  }
  // A second in which the canary's median is slower than stable's and its errors are as many.
  static stats::Block slower(const stats::ClientSpread& clients) {
    stats::Block block;
    block.seconds = 1;
    block.stable = {100, 1};
    block.canary = {100, 3};
    block.latency.stable_n = 99;
    block.latency.canary_n = 97;
    block.latency.slow[0] = {
        .threshold = 100, .limit = 102, .limit_next = 102, .stable_slow = 50, .canary_slow = 70};
    block.clients = clients;
    return block;
  }
  static stats::ClientSpread differ(std::uint32_t hundredths, std::uint32_t ln_ways = 20'000) {
    stats::ClientSpread clients;
    clients.effect[0] = hundredths;
    clients.ln_ways = ln_ways;
    return clients;
  }

  Analyzer alike_ = begun({});
  Analyzer unlike_ = begun({});
};

TEST_F(ClientsTest, TheEvidenceIsDivided) {
  for (int i = 0; i < 5; ++i) {
    alike_.absorb(slower({}));
    unlike_.absorb(slower(differ(400)));
  }
  ASSERT_GT(alike_.ln_rollback(kP50), 1);
  EXPECT_EQ(unlike_.ln_rollback(kP50), alike_.ln_rollback(kP50) / 4);
  EXPECT_EQ(unlike_.ln_rollback(kErrors), alike_.ln_rollback(kErrors));
  EXPECT_EQ(unlike_.ln_accept(kP50), alike_.ln_accept(kP50));
  EXPECT_LT(unlike_.ln_all(), alike_.ln_all());
  EXPECT_EQ(unlike_.evaluate().metrics[kP50].design_effect, 4);
  EXPECT_EQ(alike_.evaluate().metrics[kP50].design_effect, 1);
}

TEST_F(ClientsTest, SoIsThatOfErrors) {
  stats::ClientSpread clients;
  clients.effect[stats::kClientErrors] = 400;
  clients.ln_ways = 20'000;
  for (int i = 0; i < 5; ++i) {
    alike_.absorb(slower({}));
    unlike_.absorb(slower(clients));
  }
  ASSERT_GT(alike_.ln_rollback(kErrors), 0.4);
  EXPECT_EQ(unlike_.ln_rollback(kErrors), alike_.ln_rollback(kErrors) / 4);
  EXPECT_EQ(unlike_.ln_rollback(kP50), alike_.ln_rollback(kP50));
  EXPECT_EQ(unlike_.ln_accept(kErrors), alike_.ln_accept(kErrors));
  EXPECT_EQ(unlike_.evaluate().metrics[kErrors].design_effect, 4);
}

// What is known now holds for all that was seen before.
TEST_F(ClientsTest, ItIsAllEvidenceByWhatIsKnownLast) {
  for (int i = 0; i < 5; ++i) {
    alike_.absorb(slower(differ(10'000)));
    unlike_.absorb(slower({}));
  }
  alike_.absorb(slower(differ(200)));
  unlike_.absorb(slower(differ(200)));
  EXPECT_EQ(unlike_.ln_rollback(kP50), alike_.ln_rollback(kP50));
}

TEST_F(ClientsTest, NoMoreThanTheLotHasWays) {
  for (int i = 0; i < 60; ++i) unlike_.absorb(slower(differ(110, 1609)));
  EXPECT_DOUBLE_EQ(unlike_.ln_rollback(kP50), 1.609);
}

// Of those of the others nothing follows for it.
TEST_F(ClientsTest, ARouteHasClientsOfItsOwn) {
  Settings settings;
  settings.routes = {"a", "b"};
  Analyzer alike = begun(settings);
  Analyzer unlike = begun(settings);
  stats::Block block = slower({});
  block.routes.push_back(
      {0, {.seconds = 1, .stable = {100, 1}, .canary = {100, 1}, .latency = block.latency}});
  stats::Block told = block;
  told.routes[0].clients = differ(400);
  stats::Block elsewhere = block;
  elsewhere.clients = differ(400);
  Analyzer hidden = begun(settings);
  for (int i = 0; i < 5; ++i) {
    alike.absorb(block);
    unlike.absorb(told);
    hidden.absorb(elsewhere);
  }
  EXPECT_EQ(unlike.ln_total(), alike.ln_total());
  EXPECT_LT(unlike.ln_all(), alike.ln_all());
  EXPECT_LT(hidden.ln_total(), alike.ln_total());
  // What is left is the route's, in full: half of the capital is the sum's.
  const double of_routes = 2 * std::exp(alike.ln_all()) - std::exp(alike.ln_total());
  EXPECT_NEAR(2 * std::exp(hidden.ln_all()) - std::exp(hidden.ln_total()), of_routes, 1e-9);
}

}  // namespace
}  // namespace canaryd::analysis
