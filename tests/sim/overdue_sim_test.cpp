// Verdicts where requests hang, and count while they do: request by request, as workers count them,
// through the real block builder and the real analyzer, from fixed seeds. A tenth of the requests
// hangs for 2 to 60 s; what has not ended after 30 s times out and fails, and half of the clients
// that wait give up before.
#include "canaryd/analysis/analyzer.hpp"
#include "canaryd/base/draw.hpp"
#include "canaryd/base/random.hpp"
#include "canaryd/stats/block.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace canaryd::sim {
namespace {

constexpr std::uint64_t kFirstSeed = 7000;
constexpr int kRuns = 40;
constexpr double kTimeout = 30;

Duration seconds(double value) {
  return Duration(static_cast<Duration::rep>(value * 1e9));
}

struct Request {
  double start = 0;
  double end = 0;
  bool gone = false;
  bool timed_out = false;
  bool overdue = false;
};

// One version: what is under way, and what it has counted since the last reading.
class Version {
 public:
  Version(Cohort cohort, double rate, double hangs) : cohort_(cohort), rate_(rate), hangs_(hangs) {}

  void second(std::int64_t now, Random& random, stats::BlockBuilder& builder) {
    for (std::uint64_t n = draw_poisson(random, rate_); n > 0; --n) begin(now, random);
    stats::CohortCounts counts;
    stats::Histogram latency;
    stats::Overdue overdue;
    std::erase_if(under_way_, [&](const Request& request) {
      if (request.end > static_cast<double>(now + 1)) return false;
      if (request.gone) return true;
      ++counts.n;
      if (request.timed_out) {
        ++counts.bad;
        return true;
      }
      latency.add(seconds(request.end - request.start));
      if (request.overdue) ++overdue.ended;
      return true;
    });
    const auto after = builder.overdue_after();
    for (Request& request : under_way_) {
      const double age = static_cast<double>(now + 1) - request.start;
      if (!after || request.overdue || seconds(age) < *after) continue;
      request.overdue = true;
      ++overdue.counted;
    }
    builder.add(cohort_, counts, latency, overdue);
  }

 private:
  void begin(std::int64_t now, Random& random) {
    Request request;
    request.start = static_cast<double>(now) + random.uniform();
    double takes = 0.02 + 0.2 * random.uniform();
    if (random.chance(hangs_)) {
      takes = std::min(2 + 58 * random.uniform(), kTimeout);
      const double patience = 40 * random.uniform();
      request.gone = patience < takes;
      request.timed_out = !request.gone && takes == kTimeout;
      takes = std::min(takes, patience);
    }
    request.end = request.start + takes;
    under_way_.push_back(request);
  }

  Cohort cohort_;
  double rate_;
  double hangs_;
  std::vector<Request> under_way_;
};

// The second of the rollback; 0: none.
std::int64_t rolled_back_after(std::uint64_t seed, double canary_hangs, std::int64_t length) {
  analysis::Settings settings;
  settings.warm_up = {};
  settings.tolerance.errors = {.relative = 0, .absolute = 0};
  settings.tolerance.latency = {.stretch = 0, .floor = {}, .relative = 0, .absolute = 0};
  analysis::Analyzer analyzer(settings);
  analyzer.begin_step({});
  stats::BlockBuilder builder(0, 1, 0);
  builder.set_latency_rules(analysis::latency_rules(settings, BasisPoints(BasisPoints::kMax)));
  Random random(seed);
  Version stable(Cohort::kStable, 40, 0.1);
  Version canary(Cohort::kCanary, 20, canary_hangs);
  for (std::int64_t now = 0; now < length; ++now) {
    stable.second(now, random, builder);
    canary.second(now, random, builder);
    if (const auto block = builder.tick(now + 1)) analyzer.absorb(*block);
    if (analyzer.decision() == analysis::Decision::kRollback) return now + 1;
  }
  return 0;
}

// With no tolerance at all, so that whatever favours one version would be found. 1 % may be.
TEST(OverdueSim, AnEqualCanaryIsNotBlamedForHangs) {
  int rolled_back = 0;
  for (int i = 0; i < kRuns; ++i) {
    if (rolled_back_after(kFirstSeed + static_cast<std::uint64_t>(i), 0.1, 200) > 0) ++rolled_back;
  }
  EXPECT_LE(rolled_back, 2) << "seeds from " << kFirstSeed;
}

TEST(OverdueSim, OneThatHangsMoreOftenIsFoundBeforeTheFirstTimeout) {
  int in_time = 0;
  for (int i = 0; i < kRuns; ++i) {
    const auto seed = kFirstSeed + static_cast<std::uint64_t>(i);
    const std::int64_t after = rolled_back_after(seed, 0.6, 60);
    if (after > 0 && after < static_cast<std::int64_t>(kTimeout)) ++in_time;
  }
  EXPECT_GE(in_time, kRuns * 9 / 10) << "seeds from " << kFirstSeed;
}

}  // namespace
}  // namespace canaryd::sim
