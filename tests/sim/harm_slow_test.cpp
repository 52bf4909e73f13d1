// What releases cost users over a long time: a thousand of them, of which one in twenty is bad. The
// figures of docs/statistics.md: ctest -L slow -R Figures -V.
#include "canaryd/simulate/study.hpp"
#include "sim/figure_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>

namespace canaryd::sim {
namespace {

constexpr std::size_t kReleases = 1000;
constexpr std::size_t kBadOf = 20;                 // One of so many.
constexpr double kBadErrors[] = {1.0, 0.1, 0.02};  // In turn.

struct Service {
  double requests_per_second = 0;
  double error_rate = 0;
  std::uint64_t cap = 0;  // exposure.max_failed_requests.
};

// No fallback: what the canary fails, users see.
simulate::Scenario release(const Service& service, double canary_errors) {
  simulate::Scenario scenario;
  scenario.plan.name = "shop";
  scenario.plan.stable = "v1";
  scenario.plan.canary = "v2";
  scenario.settings.latency_quantiles = {};
  scenario.traffic.requests_per_second = service.requests_per_second;
  scenario.traffic.stable_error_rate = service.error_rate;
  scenario.traffic.canary_error_rate = canary_errors;
  scenario.protection.max_failed_requests = service.cap;
  scenario.limit_seconds = 24 * 3600;
  return scenario;
}

struct Harm {
  std::size_t bad_rolled_back = 0;
  std::size_t good_promoted = 0;
  // Failed requests that users saw and stable would have served, of all releases and of the bad
  // ones.
  double sum = 0;
  double bad_sum = 0;
  std::uint64_t most = 0;  // Failed requests of one bad release.
};

void add(Harm& harm, const Service& service, bool bad, const simulate::RunResult& run) {
  const double anyway = service.error_rate * static_cast<double>(run.canary_requests);
  const double more = static_cast<double>(run.user_failures) - anyway;
  harm.sum += more;
  if (!bad) {
    if (run.outcome == simulate::Outcome::kPromoted) ++harm.good_promoted;
    return;
  }
  if (run.outcome == simulate::Outcome::kRolledBack) ++harm.bad_rolled_back;
  harm.most = std::max(harm.most, run.user_failures);
  harm.bad_sum += more;
}

Harm releases(const Service& service, std::uint64_t first_seed) {
  Harm harm;
  for (std::size_t i = 0; i < kReleases; ++i) {
    const bool bad = i % kBadOf == 0;
    const double errors = bad ? kBadErrors[i / kBadOf % std::size(kBadErrors)] : service.error_rate;
    add(harm, service, bad, simulate::run_rollout(release(service, errors), first_seed + i));
  }
  return harm;
}

TEST(HarmFigures, AThousandReleasesOfWhichOneInTwentyIsBad) {
  FigureTable table("A thousand releases, 50 bad (failing 100, 10, 2 % in turn)");
  constexpr std::size_t kBad = kReleases / kBadOf;
  std::uint64_t seed = 1'000'000;
  for (const Service& service : {Service{50, 0.0001, 200},
                                 Service{500, 0.0001, 200},
                                 Service{5000, 0.0001, 200},
                                 // The last is held to its cap.
                                 Service{500, 0.0001, 20},
                                 Service{5000, 0.0001, 20}}) {
    const Harm harm = releases(service, seed);
    const double mean = harm.sum / kReleases;
    // A bad release costs at most the cap, and what is under way when it is reached: at the first
    // step's 1 %, with the usual 50 ms. A good one costs nothing.
    const auto under_way =
        static_cast<std::uint64_t>(std::ceil(service.requests_per_second * 0.01 * 0.05));
    const double budget = static_cast<double>(service.cap) * kBad / kReleases;
    table.add({.cell = text("%g requests/s, %g %% errors, cap %llu",
                            service.requests_per_second,
                            100 * service.error_rate,
                            static_cast<unsigned long long>(service.cap)),
               .runs = static_cast<int>(kReleases),
               .seed = seed,
               .goal = text("at most %g failed requests a release", budget),
               .seen = text("%.2f a release, %.0f a bad one, at most %llu; %zu of %zu bad rolled "
                            "back, %zu of %zu good promoted",
                            mean,
                            harm.bad_sum / kBad,
                            static_cast<unsigned long long>(harm.most),
                            harm.bad_rolled_back,
                            kBad,
                            harm.good_promoted,
                            kReleases - kBad),
               .ok = mean <= budget && harm.most <= service.cap + under_way &&
                     harm.bad_rolled_back == kBad && harm.good_promoted == kReleases - kBad});
    seed += kReleases;
  }
}

}  // namespace
}  // namespace canaryd::sim
