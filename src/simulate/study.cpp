#include "canaryd/simulate/study.hpp"

#include "canaryd/base/error.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

namespace canaryd::simulate {
namespace {

constexpr double kEachTail = 0.025;

double ln_choose(double n, double k) noexcept {
  // Not lgamma, which is not thread-safe; n is at most a million, and this is not called often.
  double sum = 0;
  for (double i = 1; i <= std::min(k, n - k); ++i)
    sum += std::log((n - std::min(k, n - k) + i) / i);
  return sum;
}

// P(X <= k) of a binomial, summed from k downwards, where the terms fall fast if k is below the
// mean.
double lower_tail(double n, double k, double ln_choose_k, double p) noexcept {
  double term = std::exp(ln_choose_k + k * std::log(p) + (n - k) * std::log1p(-p));
  double sum = 0;
  for (double i = k; i >= 0 && term > sum * 1e-16; --i) {
    sum += term;
    term *= i / (n - i + 1) * (1 - p) / p;
  }
  return sum;
}

// The p at which at most k of n would come with odds of kEachTail only.
double upper_bound(std::size_t count, std::size_t of) noexcept {
  if (count == of) return 1;
  const auto n = static_cast<double>(of);
  const auto k = static_cast<double>(count);
  const double ln_choose_k = ln_choose(n, k);
  double low = k / n;
  double high = 1;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (lower_tail(n, k, ln_choose_k, middle) > kEachTail ? low : high) = middle;
  }
  return high;
}

std::size_t index_of(Outcome outcome) noexcept {
  return static_cast<std::size_t>(outcome);
}

template <class ValueOf>
std::optional<Spread> spread_of(const std::vector<RunResult>& runs, const ValueOf& value_of) {
  std::vector<double> values;
  for (const RunResult& run : runs) {
    if (const std::optional<double> value = value_of(run)) values.push_back(*value);
  }
  return spread(std::move(values));
}

StepFigures step_figures(const Scenario& scenario,
                         const std::vector<RunResult>& runs,
                         std::size_t index) {
  StepFigures figures;
  figures.weight = rollout::step_weight(scenario.plan, index);
  figures.seconds = spread_of(runs, [&](const RunResult& run) -> std::optional<double> {
    const StepTime& time = run.steps[index];
    if (time.begun) ++figures.reached;
    if (!time.begun || !time.passed) return std::nullopt;
    ++figures.passed;
    return static_cast<double>(*time.passed - *time.begun);
  });
  return figures;
}

std::uint64_t typical_seed(const Study& study, const std::vector<RunResult>& runs) {
  const auto most = std::max_element(
      study.outcomes.begin(), study.outcomes.end(), [](const Odds& a, const Odds& b) {
        return a.count < b.count;
      });
  const auto outcome = static_cast<Outcome>(most - study.outcomes.begin());
  std::vector<const RunResult*> candidates;
  for (const RunResult& run : runs) {
    if (run.outcome == outcome) candidates.push_back(&run);
  }
  const auto middle = candidates.begin() + static_cast<std::ptrdiff_t>((candidates.size() - 1) / 2);
  std::nth_element(
      candidates.begin(), middle, candidates.end(), [](const RunResult* a, const RunResult* b) {
        return std::pair(a->seconds, a->seed) < std::pair(b->seconds, b->seed);
      });
  return (*middle)->seed;
}

}  // namespace

std::vector<RunResult> run_many(const Scenario& scenario, const Effort& effort) {
  CANARYD_ASSERT(effort.runs > 0 && effort.runs <= kMostRuns);
  std::vector<RunResult> runs(effort.runs);
  std::atomic<std::size_t> next{0};
  std::atomic<std::size_t> done{0};
  const auto work = [&](bool reports) {
    for (std::size_t i = next.fetch_add(1); i < runs.size(); i = next.fetch_add(1)) {
      runs[i] = run_rollout(scenario, effort.first_seed + i);
      const std::size_t finished = done.fetch_add(1) + 1;
      if (reports && effort.progress) effort.progress(finished);
    }
  };
  const std::size_t threads =
      std::min<std::size_t>(std::clamp(effort.threads, 1U, kMostThreads), effort.runs);
  {
    std::vector<std::jthread> helpers;
    for (std::size_t i = 1; i < threads; ++i) helpers.emplace_back(work, false);
    work(true);
  }
  if (effort.progress) effort.progress(runs.size());
  return runs;
}

Odds odds(std::size_t count, std::size_t of) {
  Odds result{.count = count, .of = of};
  if (of == 0) return result;
  result.high = upper_bound(count, of);
  result.low = 1 - upper_bound(of - count, of);
  return result;
}

std::optional<Spread> spread(std::vector<double> values) {
  if (values.empty()) return std::nullopt;
  std::sort(values.begin(), values.end());
  const auto at = [&values](double share) {
    const double rank = std::ceil(share * static_cast<double>(values.size()));
    return values[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
  };
  return Spread{.p10 = at(0.1), .median = at(0.5), .p90 = at(0.9)};
}

Study summarise(const Scenario& scenario, const std::vector<RunResult>& runs) {
  CANARYD_ASSERT(!runs.empty());
  Study study;
  study.runs = runs.size();
  study.first_seed = runs.front().seed;
  for (const Outcome outcome : kOutcomes) {
    const std::size_t index = index_of(outcome);
    study.seconds[index] =
        spread_of(runs, [outcome](const RunResult& run) -> std::optional<double> {
          if (run.outcome != outcome) return std::nullopt;
          return static_cast<double>(run.seconds);
        });
    std::size_t count = 0;
    for (const RunResult& run : runs) {
      if (run.outcome != outcome) continue;
      ++count;
      ++study.causes[index][std::string(rollout::to_string(run.cause))];
    }
    study.outcomes[index] = odds(count, runs.size());
  }
  const auto all = [&runs](auto member) {
    return spread_of(runs, [member](const RunResult& run) -> std::optional<double> {
      return static_cast<double>(run.*member);
    });
  };
  study.canary_requests = all(&RunResult::canary_requests);
  study.canary_failures = all(&RunResult::canary_failures);
  study.user_failures = all(&RunResult::user_failures);
  study.users_exposed = all(&RunResult::users_exposed);
  for (std::size_t i = 0; i < scenario.plan.steps.size(); ++i) {
    study.steps.push_back(step_figures(scenario, runs, i));
  }
  study.typical_seed = typical_seed(study, runs);
  return study;
}

}  // namespace canaryd::simulate
