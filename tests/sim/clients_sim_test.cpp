// Clients that differ in latency, each from the others, and stay where the lot put them: a version
// that is stable's equal must not be rolled back because slow clients fell to it, and one that is
// much slower must be found all the same. Through the real block builder and the real analyzer,
// from fixed seeds.
#include "canaryd/analysis/analyzer.hpp"
#include "canaryd/base/random.hpp"
#include "canaryd/stats/block.hpp"
#include "canaryd/stats/client_contrast.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <numbers>
#include <string>
#include <vector>

namespace canaryd::sim {
namespace {

constexpr std::uint64_t kFirstSeed = 9000;
constexpr int kRuns = 20;
constexpr double kWithin = 0.3;  // Of the logarithm of a client's own responses.

struct World {
  std::size_t clients = 300;
  double between = 0.7;  // Of the logarithm of the clients' medians.
  std::uint64_t requests_per_second = 100;
  std::int64_t seconds = 400;
  double canary_factor = 1;
  double heavy = 0;  // So much of the requests is of one slow client of stable.
  double stay = 0;   // Seconds, on average: then another client comes in his place.
  bool told = true;  // How far apart the clients are.
};

// Logistic, with a standard deviation of 1; by rank, so that a draw costs no logarithm.
class Deviates {
 public:
  Deviates() : of_rank_(kRanks) {
    const double scale = std::sqrt(3.0) / std::numbers::pi;
    for (std::size_t i = 0; i < kRanks; ++i) {
      const double u = (static_cast<double>(i) + 0.5) / kRanks;
      of_rank_[i] = scale * std::log(u / (1 - u));
    }
  }
  [[nodiscard]] double draw(Random& random) const { return of_rank_[random.below(kRanks)]; }

 private:
  static constexpr std::size_t kRanks = 1 << 12;
  std::vector<double> of_rank_;
};

double deviate(Random& random) {
  static const Deviates deviates;
  return deviates.draw(random);
}

struct Client {
  std::uint64_t key = 0;
  double median_ms = 0;
  bool canary = false;
};

constexpr double kWeight = 0.1;

Client make_client(const World& world, Random& random) {
  Client client;
  client.key = random.next();
  client.median_ms = 40 * std::exp(world.between * deviate(random));
  client.canary = random.chance(kWeight);
  return client;
}

std::vector<Client> make_clients(const World& world, Random& random) {
  std::vector<Client> clients(world.clients);
  for (Client& client : clients) client = make_client(world, random);
  if (world.heavy > 0) {
    clients.front().median_ms = 1000;
    clients.front().canary = false;
  }
  return clients;
}

class Run {
 public:
  Run(const World& world, std::uint64_t seed)
      : world_(world), random_(seed), clients_(make_clients(world, random_)) {}

  analysis::Decision play() {
    builder_.set_latency_rules(analysis::latency_rules(settings_, BasisPoints(2500)));
    learn();
    analyzer_.begin_step({.next_weight = BasisPoints(2500), .has_control = true});
    for (std::int64_t second = 1; second <= world_.seconds; ++second) {
      pass(second);
      if (analyzer_.decision() == analysis::Decision::kRollback) {
        ended_ = second;
        return analysis::Decision::kRollback;
      }
    }
    return analyzer_.decision();
  }
  [[nodiscard]] std::int64_t ended() const noexcept { return ended_; }

 private:
  double draw(const Client& client) {
    return client.median_ms * std::exp(kWithin * deviate(random_));
  }
  const Client& any() {
    if (world_.heavy > 0 && random_.chance(world_.heavy)) return clients_.front();
    return clients_[random_.below(clients_.size())];
  }

  void learn() {
    stats::Histogram before;
    for (int i = 0; i < 5000; ++i) before.add(ms(draw(any())));
    builder_.add_past(before);
    static_cast<void>(builder_.change(0, 1, 0));
  }

  void come_and_go() {
    if (world_.stay <= 0) return;
    for (Client& client : clients_) {
      if (random_.chance(1 / world_.stay)) client = make_client(world_, random_);
    }
  }

  void pass(std::int64_t second) {
    come_and_go();
    stats::Histogram stable;
    stats::Histogram canary;
    const stats::LatencyCuts cuts = builder_.latency_cuts();
    for (std::uint64_t i = 0; i < world_.requests_per_second; ++i) {
      const Client& client = any();
      const Duration took = ms(draw(client) * (client.canary ? world_.canary_factor : 1));
      (client.canary ? canary : stable).add(took);
      see(client, stats::latency_bucket(took), cuts);
    }
    builder_.add(Cohort::kStable, {stable.total(), 0}, stable);
    builder_.add(Cohort::kCanary, {canary.total(), 0}, canary);
    watch_.add(Cohort::kStable, came_[0]);
    watch_.add(Cohort::kCanary, came_[1]);
    came_ = {};
    if (world_.told && second % stats::kClientSpreadSeconds == 0) {
      builder_.set_clients(watch_.look(second));
    }
    if (const auto block = builder_.tick(second)) analyzer_.absorb(*block);
  }

  void see(const Client& client, std::size_t bucket, stats::LatencyCuts cuts) {
    stats::GroupCounts& group =
        came_[client.canary ? 1 : 0].groups[stats::client_group(client.key)];
    ++group.n;
    for (std::size_t q = 0; q < stats::kLatencyQuantiles; ++q) {
      if (cuts.is_slow(q, bucket)) ++group.slow[q];
    }
  }

  static Duration ms(double ms) { return Duration(static_cast<Duration::rep>(ms * 1e6)); }

  const World& world_;
  Random random_;
  std::vector<Client> clients_;
  analysis::Settings settings_;
  analysis::Analyzer analyzer_{settings_};
  stats::BlockBuilder builder_{0, 0, 0};
  std::array<stats::ClientGroups, 2> came_;
  stats::ClientWatch watch_{0};
  std::int64_t ended_ = 0;
};

int rolled_back(const char* what, const World& world, int runs = kRuns) {
  int count = 0;
  std::int64_t slowest = 0;
  for (int i = 0; i < runs; ++i) {
    Run run(world, kFirstSeed + static_cast<std::uint64_t>(i));
    if (run.play() != analysis::Decision::kRollback) continue;
    ++count;
    slowest = std::max(slowest, run.ended());
  }
  std::printf("%s: %d of %d rolled back, the last after %lld s\n",
              what,
              count,
              runs,
              static_cast<long long>(slowest));
  return count;
}

// What the other tests would not see if the model had no difference between clients.
TEST(ClientsSimTest, WithoutTheSpreadSlowClientsConvict) {
  EXPECT_GE(rolled_back("300 clients, equal, not told", {.told = false}), 2);
}

TEST(ClientsSimTest, SlowClientsDoNotConvict) {
  EXPECT_EQ(rolled_back("300 clients, equal", {}), 0);
  EXPECT_EQ(rolled_back("60 clients, equal", {.clients = 60}), 0);
}

// A handful of clients on the canary at a time, soon others: now and then the slow ones.
TEST(ClientsSimTest, SlowClientsWhoComeAndGoDoNotConvict) {
  constexpr int kMany = 200;
  World world{.clients = 60, .requests_per_second = 60, .seconds = 600, .stay = 120};
  EXPECT_LE(rolled_back("60 clients who stay 2 min, equal", world, kMany), kMany / 50);
  world.canary_factor = 2;
  EXPECT_GE(rolled_back("60 clients who stay 2 min, twice as slow", world), kRuns / 5);
  world.canary_factor = 5;
  EXPECT_EQ(rolled_back("60 clients who stay 2 min, five times as slow", world), kRuns);
}

TEST(ClientsSimTest, AMuchSlowerCanaryIsFound) {
  EXPECT_EQ(rolled_back("3000 clients, twice as slow", {.clients = 3000, .canary_factor = 2}),
            kRuns);
  EXPECT_EQ(rolled_back("300 clients, four times as slow", {.canary_factor = 4}), kRuns);
}

// Whose slowness says nothing against the canary.
TEST(ClientsSimTest, OneHeavyClientOfStableHidesNothing) {
  EXPECT_EQ(rolled_back("3000 clients, alike but one with 5 % of the requests, ten times as slow",
                        {.clients = 3000, .between = 0, .canary_factor = 10, .heavy = 0.05}),
            kRuns);
}

TEST(ClientsSimTest, ClientsThatAreAlikeCostNothing) {
  EXPECT_EQ(rolled_back("300 clients, alike, half as slow again",
                        {.between = 0, .seconds = 60, .canary_factor = 1.5}),
            kRuns);
}

}  // namespace
}  // namespace canaryd::sim
