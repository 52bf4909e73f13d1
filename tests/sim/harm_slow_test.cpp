// What releases cost users over a long time: a thousand of them, of which one in twenty is bad. The
// figures of docs/statistics.md: ctest -L slow -R Figures -V.
#include "canaryd/simulate/study.hpp"
#include "sim/figure_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace canaryd::sim {
namespace {

constexpr std::size_t kReleases = 1000;
constexpr std::size_t kBadOf = 20;                 // One of so many.
constexpr double kBadErrors[] = {1.0, 0.1, 0.02};  // In turn.
constexpr std::uint64_t kCap = 200;

struct Service {
  double requests_per_second = 0;
  double error_rate = 0;
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
  scenario.protection.max_failed_requests = kCap;
  scenario.limit_seconds = 24 * 3600;
  return scenario;
}

struct Harm {
  std::size_t bad_rolled_back = 0;
  std::size_t good_promoted = 0;
  double sum = 0;          // Failed requests that users saw and stable would have served.
  std::uint64_t most = 0;  // Failed requests of one bad release.
};

void add(Harm& harm, const Service& service, bool bad, const simulate::RunResult& run) {
  if (!bad) {
    if (run.outcome == simulate::Outcome::kPromoted) ++harm.good_promoted;
    return;
  }
  if (run.outcome == simulate::Outcome::kRolledBack) ++harm.bad_rolled_back;
  harm.most = std::max(harm.most, run.user_failures);
  const double anyway = service.error_rate * static_cast<double>(run.canary_requests);
  harm.sum += std::max(0.0, static_cast<double>(run.user_failures) - anyway);
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
  FigureTable table(
      "A thousand releases, 50 bad (failing 100, 10, 2 % in turn), exposure.max_failed_requests "
      "200");
  constexpr std::size_t kBad = kReleases / kBadOf;
  // The cap alone promises as much: a bad release costs at most the cap.
  constexpr double kBudget = static_cast<double>(kCap) * kBad / kReleases;
  std::uint64_t seed = 1'000'000;
  for (const Service& service :
       {Service{50, 0.0001}, Service{500, 0.0001}, Service{5000, 0.0001}}) {
    const Harm harm = releases(service, seed);
    const double mean = harm.sum / kReleases;
    table.add(
        {.cell = text(
             "%g requests/s, %g %% errors", service.requests_per_second, 100 * service.error_rate),
         .runs = static_cast<int>(kReleases),
         .seed = seed,
         .goal = text("at most %g failed requests a release", kBudget),
         .seen = text("%.2f a release, %.0f a bad one, at most %llu; %zu of %zu bad rolled "
                      "back, %zu of %zu good promoted",
                      mean,
                      harm.sum / kBad,
                      static_cast<unsigned long long>(harm.most),
                      harm.bad_rolled_back,
                      kBad,
                      harm.good_promoted,
                      kReleases - kBad),
         .ok = mean <= kBudget && harm.bad_rolled_back == kBad &&
               harm.good_promoted == kReleases - kBad});
    seed += kReleases;
  }
}

}  // namespace
}  // namespace canaryd::sim
