// The traffic of a simulated service, second by second, as counts: no request is an object, only
// the failures of clients that fail again and again have a key.
//
// Good and bad responses of each cohort are Poisson with their own rates, so counts vary like real
// ones. Everything follows from the seed. Thread rule: none.
#pragma once

#include "canaryd/base/random.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/stats/block.hpp"
#include "canaryd/stats/histogram.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace canaryd::sim {

// What the world does in one second. Rates are fractions.
struct World {
  double requests_per_second = 0;
  double stable_rate = 0;
  double canary_rate = 0;
};

// Clients that fail more than once, in the cohort that their key falls into: users with a broken
// account, or retries of what failed. Besides the failures of World.
struct Clusters {
  double per_request = 0;  // The odds that a request begins one; 0: none.
  std::uint64_t size = 1;  // Failures of one client; the mean if `varies` (geometric).
  bool varies = false;
  std::uint64_t seconds = 1;  // Over which they are spread.
  bool known_client = true;   // False: no sticky key, so nothing to dedupe by.
};

// Each instance of both versions restarts now and then, and fails what it gets meanwhile.
struct Restarts {
  double per_instance_hour = 0;    // 0: none.
  unsigned instances = 8;          // Of each version.
  std::uint64_t most_seconds = 3;  // A restart takes 1 second up to this.
};

// Response times: log-logistic, with a tail as heavy as services have (p90 2.1 times the median,
// p99 4.6 times, p99.9 10 times), to the 5 % of stats::Histogram.
struct ResponseTimes {
  double median_ms = 0;  // 0: no times are drawn.
  // How many times as long the canary takes in a second of the rollout; unset: as long as stable.
  std::function<double(std::int64_t second)> canary_factor;
};

struct TrafficModel {
  // The world at a second of the rollout, at a weight (0 to 1).
  std::function<World(std::int64_t second, double weight)> world;
  Clusters clusters;
  Restarts restarts;
  ResponseTimes times;
};

struct KeyedFailure {
  Cohort cohort = Cohort::kNone;
  std::uint64_t key = 0;
};

struct SecondCounts {
  stats::CohortCounts stable;
  stats::CohortCounts canary;
  stats::Histogram stable_times;  // Of responses that did not fail; empty without ResponseTimes.
  stats::Histogram canary_times;
  std::vector<KeyedFailure> clustered;  // Those among the failures whose client has a key.
};

[[nodiscard]] std::uint64_t poisson(Random& random, double mean);

class Traffic {
 public:
  Traffic(const TrafficModel& model, std::uint64_t seed);
  // Seconds are asked for in order.
  [[nodiscard]] SecondCounts second(std::int64_t second, double weight);

 private:
  struct Client {
    Cohort cohort = Cohort::kNone;
    std::uint64_t key = 0;
    std::uint64_t failures_left = 0;
    std::uint64_t seconds_left = 0;
  };

  void add_good(SecondCounts& counts, Cohort cohort, double mean, std::int64_t second);
  double failing_share(std::vector<std::uint64_t>& down_for);
  void begin_clusters(double requests, double weight);
  void fail_clients(SecondCounts& counts);

  const TrafficModel& model_;
  Random random_;
  std::vector<double> bucket_odds_;  // Of a response time, by bucket.
  std::vector<Client> clients_;
  std::uint64_t next_key_ = 1;
  std::vector<std::uint64_t> stable_down_for_;
  std::vector<std::uint64_t> canary_down_for_;
};

}  // namespace canaryd::sim
