#include "canaryd/upstream/ejection.hpp"

#include "unit/upstream/upstream_rig.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <string>
#include <thread>

namespace canaryd::upstream {
namespace {

constexpr std::array kKinds{
    LoadBalancer::kRoundRobin, LoadBalancer::kLeastRequest, LoadBalancer::kConsistentHash};

class EjectionTest : public UpstreamTest {
 protected:
  EjectionTest() {
    spec.outlier_detection = OutlierDetection{};
    set_endpoints(4);
  }
  void set_endpoints(int count) {
    spec.endpoints.clear();
    for (int i = 0; i < count; ++i) {
      spec.endpoints.emplace_back(address("10.0.0." + std::to_string(i + 2) + ":80"));
    }
  }
  // By the last number of its address, from 0.
  Endpoint& endpoint(std::size_t index) {
    for (std::uint64_t key = 0;; ++key) {
      const Lease found = app->acquire(nullptr, false, key);
      if (&found.endpoint()->state() == share.endpoints[index].state.get()) {
        return *found.endpoint();
      }
    }
  }
  void fail(Endpoint& endpoint, int times) {
    for (int i = 0; i < times; ++i) app->count_failure(endpoint);
  }
  // A new table that has no others.
  void keep(const std::vector<std::size_t>& indices) {
    std::vector<EndpointSpec> kept;
    for (const std::size_t index : indices) kept.push_back(spec.endpoints[index]);
    spec.endpoints = kept;
    make();
  }
  // The last two of four; the last one's time is over first.
  void eject_two() {
    make();
    Endpoint& later = endpoint(2);
    fail(endpoint(3), 5);
    net.run_for(5s);
    fail(later, 5);
    EXPECT_EQ(ejected(), 2);
  }
  [[nodiscard]] bool ejected(std::size_t index) const {
    return share.endpoints[index].state->ejected(runtime.now());
  }
  [[nodiscard]] int ejected() const {
    int count = 0;
    for (std::size_t i = 0; i < share.endpoints.size(); ++i) count += ejected(i) ? 1 : 0;
    return count;
  }
  std::map<std::size_t, int> count(int picks) {
    std::map<std::size_t, int> counts;
    for (int i = 0; i < picks; ++i) {
      const Lease each = app->acquire(nullptr, false, static_cast<std::uint64_t>(i) << 20U);
      if (!each) continue;
      for (std::size_t at = 0; at < share.endpoints.size(); ++at) {
        if (&each.endpoint()->state() == share.endpoints[at].state.get()) ++counts[at];
      }
    }
    return counts;
  }
};

TEST_F(EjectionTest, FailuresInARowEject) {
  make();
  Endpoint& bad = endpoint(1);
  fail(bad, 4);
  EXPECT_EQ(ejected(), 0);
  app->count_success(bad);
  fail(bad, 4);
  EXPECT_EQ(ejected(), 0);
  fail(bad, 1);
  EXPECT_TRUE(ejected(1));
  EXPECT_EQ(ejected(), 1);
}

TEST_F(EjectionTest, AnEjectionEndsAndTheRowBeginsAnew) {
  make();
  Endpoint& bad = endpoint(1);
  fail(bad, 5);
  // What was still under way.
  fail(bad, 7);
  net.run_for(29999ms);
  EXPECT_TRUE(ejected(1));
  net.run_for(1ms);
  EXPECT_FALSE(ejected(1));
  fail(bad, 4);
  EXPECT_FALSE(ejected(1));
  fail(bad, 1);
  EXPECT_TRUE(ejected(1));
}

// ---- Another rule, by a reload

TEST_F(EjectionTest, AShorterTimeHoldsForWhoIsOut) {
  make();
  fail(endpoint(1), 5);
  net.run_for(5s);
  spec.outlier_detection->ejection = 10s;
  make();
  net.run_for(9999ms);
  EXPECT_TRUE(ejected(1));
  net.run_for(1ms);
  EXPECT_FALSE(ejected(1));
}

TEST_F(EjectionTest, ALongerTimeIsForTheNextOne) {
  make();
  fail(endpoint(1), 5);
  net.run_for(5s);
  spec.outlier_detection->ejection = 1h;
  make();
  net.run_for(24999ms);
  EXPECT_TRUE(ejected(1));
  net.run_for(1ms);
  EXPECT_FALSE(ejected(1));
}

// Whether it is looked at any more or not, what is shown of it and what it gets are the same.
TEST_F(EjectionTest, WithoutTheRuleNobodyIsOut) {
  for (const bool checked : {false, true}) {
    share = {};
    spec.outlier_detection = OutlierDetection{};
    spec.health_check = checked;
    make();
    fail(endpoint(1), 5);
    spec.outlier_detection.reset();
    make();
    EXPECT_EQ(ejected(), 0);
    EXPECT_GT(count(400)[1], 40);
  }
}

TEST_F(EjectionTest, ARequestUnderAnOlderTableEjectsByTheRuleInForce) {
  make();
  share.state->ejection_max = 10s;
  fail(endpoint(1), 5);
  EXPECT_TRUE(ejected(1));
  net.run_for(10s);
  EXPECT_FALSE(ejected(1));
  share.state->ejection_max = 0s;
  fail(endpoint(1), 20);
  EXPECT_EQ(ejected(), 0);
}

// ---- Other endpoints, or fewer that may be out

TEST_F(EjectionTest, WhoIsLeftAloneIsInUse) {
  set_endpoints(2);
  make();
  fail(endpoint(1), 5);
  ASSERT_TRUE(ejected(1));
  keep({1});
  EXPECT_EQ(ejected(), 0);
  EXPECT_TRUE(app->acquire());
}

TEST_F(EjectionTest, OfTheOnesThatAreLeftTheSoonestIsBack) {
  eject_two();
  keep({2, 3});
  EXPECT_TRUE(ejected(0));
  EXPECT_FALSE(ejected(1));
  net.run_for(29999ms);
  EXPECT_TRUE(ejected(0));
  net.run_for(1ms);
  EXPECT_FALSE(ejected(0));
}

TEST_F(EjectionTest, ALowerLimitHoldsForWhoIsOut) {
  for (const auto& [percent, out] : std::map<int, int>{{49, 1}, {25, 1}, {24, 0}}) {
    share = {};
    spec.outlier_detection = OutlierDetection{};
    eject_two();
    spec.outlier_detection->max_ejected_percent = static_cast<std::uint8_t>(percent);
    make();
    EXPECT_EQ(ejected(), out) << percent;
    EXPECT_EQ(ejected(2), out == 1) << percent;
  }
}

TEST_F(EjectionTest, WhereTheLimitHoldsNobodyIsBack) {
  eject_two();
  const auto stays = [this](int out) {
    EXPECT_EQ(ejected(), out);
    net.run_for(1s);
  };
  make();
  stays(2);
  set_endpoints(5);
  make();
  stays(2);
  keep({0, 1, 2, 3});
  stays(2);
  keep({1, 2});
  stays(1);
  spec.outlier_detection->max_ejected_percent = 100;
  keep({1});
  stays(1);
}

// Even where both are out for as long.
TEST_F(EjectionTest, TwoWorkersBringBackNoMoreThanOne) {
  make();
  Endpoint& first = endpoint(2);
  Endpoint& second = endpoint(3);
  fail(first, 5);
  fail(second, 5);
  for (int worker = 0; worker < 2; ++worker) {
    share.counters = nullptr;
    keep(worker == 0 ? std::vector<std::size_t>{2, 3} : std::vector<std::size_t>{0, 1});
    EXPECT_FALSE(ejected(0));
    EXPECT_TRUE(ejected(1));
  }
}

TEST_F(EjectionTest, ARequestUnderAnOlderTableEjectsAmongWhoIsLeft) {
  set_endpoints(3);
  make();
  Endpoint& gone = endpoint(0);
  Endpoint& left = endpoint(1);
  UpstreamSpec fewer = spec;
  fewer.endpoints = {spec.endpoints[1]};
  const UpstreamShare fewer_share = test::make_share(fewer, share);
  const Upstream after(runtime, fewer, fewer_share, app.get());
  fail(left, 20);
  EXPECT_EQ(ejected(), 0);
  // More are there again.
  const Upstream last(runtime, spec, test::make_share(spec, fewer_share), &after);
  fail(gone, 20);
  EXPECT_EQ(ejected(), 0);
  fail(left, 1);
  EXPECT_TRUE(ejected(1));
}

TEST_F(EjectionTest, TheOthersShareWhatItHad) {
  for (const LoadBalancer kind : kKinds) {
    for (const bool equal : {true, false}) {
      share = {};
      spec.load_balancer = kind;
      set_endpoints(4);
      if (!equal) spec.endpoints[0].weight = 2;
      make();
      fail(endpoint(1), 5);
      const auto counts = count(4000);
      EXPECT_EQ(counts.count(1), 0U);
      const double part = equal ? 4000.0 / 3 : 1000;
      for (const std::size_t other : {0U, 2U, 3U}) {
        const double expected = !equal && other == 0 ? 2 * part : part;
        EXPECT_NEAR(counts.at(other), expected, 130) << static_cast<int>(kind) << equal << other;
      }
      net.run_for(30s);
      EXPECT_GT(count(400)[1], 40);
    }
  }
}

TEST_F(EjectionTest, AtMostItsPartIsOut) {
  const std::map<int, int> most{{1, 0}, {2, 1}, {3, 1}, {4, 2}, {5, 2}, {9, 4}};
  for (const auto& [endpoints, out] : most) {
    share = {};
    set_endpoints(endpoints);
    make();
    for (int i = 0; i < endpoints; ++i) fail(endpoint(static_cast<std::size_t>(i)), 20);
    EXPECT_EQ(ejected(), out) << endpoints;
    // As long as they are.
    net.run_for(10s);
    for (std::size_t i = 0; i < share.endpoints.size(); ++i) {
      if (!ejected(i)) fail(endpoint(i), 20);
    }
    EXPECT_EQ(ejected(), out) << endpoints;
    net.run_for(20s);
    EXPECT_EQ(ejected(), 0) << endpoints;
  }
}

TEST_F(EjectionTest, WithAllOutThereIsNone) {
  spec.outlier_detection->max_ejected_percent = 100;
  for (const LoadBalancer kind : kKinds) {
    for (const int endpoints : {1, 2, 3}) {
      share = {};
      spec.load_balancer = kind;
      set_endpoints(endpoints);
      make();
      std::vector<Endpoint*> all;
      for (int i = 0; i < endpoints; ++i) all.push_back(&endpoint(static_cast<std::size_t>(i)));
      for (Endpoint* each : all) fail(*each, 5);
      EXPECT_FALSE(app->acquire());
      EXPECT_FALSE(app->acquire(all.front()));
      net.run_for(30s);
      EXPECT_TRUE(app->acquire());
    }
  }
}

TEST_F(EjectionTest, ARetryComesBackRatherThanFail) {
  for (const LoadBalancer kind : kKinds) {
    share = {};
    spec.load_balancer = kind;
    set_endpoints(2);
    make();
    Endpoint& first = endpoint(0);
    Endpoint& second = endpoint(1);
    EXPECT_EQ(app->acquire(&first).endpoint(), &second);
    fail(second, 5);
    EXPECT_EQ(app->acquire(&first).endpoint(), &first);
  }
}

TEST_F(EjectionTest, TheUnhealthyGetNothing) {
  spec.outlier_detection.reset();
  spec.health_check = true;
  for (const LoadBalancer kind : kKinds) {
    share = {};
    spec.load_balancer = kind;
    make();
    share.endpoints[2].state->set_health(Health::kUnhealthy, runtime.now());
    const auto counts = count(400);
    EXPECT_EQ(counts.count(2), 0U);
    EXPECT_EQ(counts.size(), 3U);
    for (const EndpointShare& each : share.endpoints)
      each.state->set_health(Health::kUnhealthy, runtime.now());
    EXPECT_FALSE(app->acquire());
    share.endpoints[0].state->set_health(Health::kHealthy, runtime.now());
    EXPECT_EQ(count(40).size(), 1U);
  }
}

// ---- Slow start

class SlowStartTest : public EjectionTest {
 protected:
  SlowStartTest() {
    spec.slow_start = 20s;
    spec.load_balancer = LoadBalancer::kRoundRobin;
  }
  void eject_one() {
    make();
    fail(endpoint(1), 5);
    net.run_for(30s);
  }
};

TEST_F(SlowStartTest, TheWeightGrowsWithTime) {
  for (const LoadBalancer kind : kKinds) {
    share = {};
    spec.load_balancer = kind;
    eject_one();
    for (int seconds = 0; seconds <= 25; seconds += 5) {
      const double part = std::min(seconds / 20.0, 1.0);
      const double expected = 4000 * part / (3 + part);
      // By turns it is exact; two choices by weight draw a light one a little more often.
      const double slack = kind == LoadBalancer::kRoundRobin ? 3 : 90;
      EXPECT_NEAR(count(4000)[1], expected, slack) << static_cast<int>(kind) << " " << seconds;
      net.run_for(5s);
    }
  }
}

TEST_F(SlowStartTest, ItsOwnWeightIsWhatItGrowsTo) {
  set_endpoints(4);
  spec.endpoints[1].weight = 6;
  eject_one();
  net.run_for(10s);
  EXPECT_NEAR(count(600)[1], 300, 2);
  net.run_for(10s);
  EXPECT_NEAR(count(900)[1], 600, 2);
}

TEST_F(SlowStartTest, BeginsWhenBothAreOver) {
  spec.health_check = true;
  make();
  fail(endpoint(1), 5);
  EndpointState& state = *share.endpoints[1].state;
  state.set_health(Health::kUnhealthy, runtime.now());
  net.run_for(40s);
  EXPECT_EQ(count(40).count(1), 0U);
  state.set_health(Health::kHealthy, runtime.now());
  net.run_for(10s);
  EXPECT_NEAR(count(700)[1], 100, 2);
  // Further good checks are no new beginning.
  state.set_health(Health::kHealthy, runtime.now());
  EXPECT_NEAR(count(700)[1], 100, 2);
}

TEST_F(SlowStartTest, BeginsWhenTheRuleIsGone) {
  spec.health_check = true;
  make();
  fail(endpoint(1), 5);
  net.run_for(5s);
  spec.outlier_detection.reset();
  make();
  net.run_for(10s);
  EXPECT_NEAR(count(700)[1], 100, 2);
}

TEST_F(SlowStartTest, BeginsWhenTooManyAreOut) {
  eject_two();
  spec.outlier_detection->max_ejected_percent = 25;
  make();
  net.run_for(10s);
  EXPECT_NEAR(count(500)[3], 100, 2);
}

TEST_F(SlowStartTest, WhoNeverWasOutHasItsWholeShare) {
  make();
  const auto counts = count(400);
  for (const auto& [endpoint, times] : counts) EXPECT_EQ(times, 100) << endpoint;
}

TEST_F(SlowStartTest, AKeyThatMovesGoesToWhoGrows) {
  spec.load_balancer = LoadBalancer::kConsistentHash;
  eject_one();
  const auto place = [this](std::uint64_t key) {
    return app->acquire(nullptr, false, key << 20U).endpoint();
  };
  std::vector<Endpoint*> before;
  for (std::uint64_t key = 0; key < 1000; ++key) before.push_back(place(key));
  net.run_for(10s);
  const Endpoint* const grows = &endpoint(1);
  for (std::uint64_t key = 0; key < 1000; ++key) {
    Endpoint* const now = place(key);
    EXPECT_TRUE(now == before[key] || now == grows) << key;
  }
}

// Workers that fail everywhere at once, each with its own view of the upstream: never are more out
// than may be.
TEST_F(EjectionTest, HoldsAcrossWorkers) {
  constexpr int kRounds = 200;
  set_endpoints(7);
  for (int round = 0; round < kRounds; ++round) {
    share = {};
    make();
    std::atomic<int> most{0};
    const auto work = [&] {
      SimNetwork own_net;
      SimRuntime own(own_net);
      UpstreamShare mine = share;
      mine.counters = std::make_shared<UpstreamCounters>();
      for (EndpointShare& each : mine.endpoints) {
        each.counters = std::make_shared<EndpointCounters>();
      }
      Upstream upstream(own, spec, mine);
      for (std::uint64_t i = 0; i < 200; ++i) {
        const Lease one = upstream.acquire(nullptr, false, i);
        if (!one) continue;
        upstream.count_failure(*one.endpoint());
        int out = 0;
        for (const EndpointShare& each : mine.endpoints) {
          out += each.state->ejected(own.now()) ? 1 : 0;
        }
        int seen = most.load();
        while (out > seen && !most.compare_exchange_weak(seen, out)) {
        }
      }
    };
    std::thread other(work);
    work();
    other.join();
    ASSERT_LE(most.load(), 3);
    // Who came while the other decided has been back since.
    ASSERT_EQ(ejected(), 3);
  }
}

// Requests of the older table fail on while one worker after the other gets the new one.
TEST_F(EjectionTest, HoldsAcrossWorkersWhenEndpointsGo) {
  constexpr int kRounds = 200;
  for (int round = 0; round < kRounds; ++round) {
    share = {};
    set_endpoints(7);
    make();
    const UpstreamShare before = share;
    keep({0, 1, 2});
    const auto work = [&] {
      SimNetwork own_net;
      SimRuntime own(own_net);
      UpstreamShare old_share = before;
      UpstreamShare new_share = share;
      old_share.counters = new_share.counters = std::make_shared<UpstreamCounters>();
      UpstreamSpec old_spec = spec;
      old_spec.endpoints.clear();
      for (const EndpointShare& each : before.endpoints) {
        old_spec.endpoints.emplace_back(each.state->address());
      }
      Upstream old(own, old_spec, old_share);
      std::vector<Endpoint*> failing;
      for (int i = 0; i < 40; ++i) failing.push_back(old.acquire().endpoint());
      const auto fail_all = [&] {
        for (int i = 0; i < 5; ++i) {
          for (Endpoint* each : failing) old.count_failure(*each);
        }
      };
      fail_all();
      const Upstream next(own, spec, new_share, &old);
      fail_all();
    };
    std::thread other(work);
    work();
    other.join();
    ASSERT_LE(ejected(), 1);
  }
}

}  // namespace
}  // namespace canaryd::upstream
