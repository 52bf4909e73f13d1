#include "sim/rules.hpp"

#include "canaryd/base/random.hpp"
#include "canaryd/stats/block.hpp"
#include "canaryd/stats/client_contrast.hpp"
#include "canaryd/stats/dedupe.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace canaryd::sim {
namespace {

// The real block builder, dedupe table and analyzer.
class Canaryd final : public Rule {
 public:
  explicit Canaryd(const RuleOptions& options)
      : min_duration_(options.min_duration_seconds),
        window_(std::chrono::duration_cast<std::chrono::seconds>(options.settings.dedupe_window)
                    .count()),
        judges_latency_(options.settings.judges_latency()),
        analyzer_(options.settings) {}

  void begin_step(BasisPoints next) override {
    if (begun_) {
      analyzer_.weight_increased();
      // Nothing is left in it: each second's block was closed if it could be.
      static_cast<void>(builder_.change(now_, 0, 0));
    }
    builder_.set_latency_rules(analysis::latency_rules(analyzer_.settings(), next));
    begun_ = true;
    step_began_ = now_;
    analyzer_.begin_step({.next_weight = next, .has_control = true});
  }

  Ruling judge(std::int64_t second, const SecondCounts& counts) override {
    now_ = second + 1;
    if (judges_latency_) {
      builder_.add(Cohort::kCanary, counts.canary, counts.canary_times);
      builder_.add(Cohort::kStable, counts.stable, counts.stable_times);
    } else {
      builder_.add(Cohort::kCanary, counts.canary);
      builder_.add(Cohort::kStable, counts.stable);
    }
    stats::ClientGroups canary = alike(counts.canary, counts, Cohort::kCanary);
    stats::ClientGroups stable = alike(counts.stable, counts, Cohort::kStable);
    for (const KeyedFailure& failure : counts.clustered) {
      const stats::Repeat repeat = dedupe_.note(RolloutId(1), failure.key, second, window_);
      if (repeat == stats::Repeat::kNone) {
        auto& groups = failure.cohort == Cohort::kCanary ? canary : stable;
        groups.add(stats::client_group(failure.key), 1, 1);
        continue;
      }
      (failure.cohort == Cohort::kCanary ? canary : stable)
          .add_repetition(stats::client_group(failure.key));
      builder_.add_duplicates(failure.cohort, 1, repeat == stats::Repeat::kRepeated ? 1 : 0);
    }
    clients_.add(Cohort::kCanary, canary);
    clients_.add(Cohort::kStable, stable);
    if (now_ % stats::kClientSpreadSeconds == 0) {
      const stats::ClientSpread spread = clients_.look(now_);
      builder_.set_clients(spread, clients_.all_fail_more());
    }
    const auto block = builder_.tick(now_);
    if (!block) return Ruling::kHold;
    analyzer_.absorb(*block);
    const analysis::Decision decision = analyzer_.decision();
    if (decision == analysis::Decision::kRollback) return Ruling::kRollback;
    if (decision != analysis::Decision::kAccept) return Ruling::kHold;
    return now_ - step_began_ < min_duration_ ? Ruling::kHold : Ruling::kNext;
  }

 private:
  // Those who do not fail in clusters ask alike, and fail by chance.
  stats::ClientGroups alike(const stats::CohortCounts& counts,
                            const SecondCounts& second,
                            Cohort cohort) {
    const auto clustered = static_cast<std::uint64_t>(
        std::ranges::count(second.clustered, cohort, &KeyedFailure::cohort));
    stats::ClientGroups groups;
    for (std::size_t i = 0; i < stats::kClientGroups; ++i) {
      const bool one_more = i < (counts.n - clustered) % stats::kClientGroups;
      const std::size_t group = (i + static_cast<std::size_t>(now_)) % stats::kClientGroups;
      groups.add(group, (counts.n - clustered) / stats::kClientGroups + (one_more ? 1 : 0), 0);
    }
    for (std::uint64_t i = clustered; i < counts.bad; ++i) {
      groups.add(random_.below(stats::kClientGroups), 0, 1);
    }
    return groups;
  }

  std::int64_t min_duration_;
  std::int64_t window_;
  bool judges_latency_;
  analysis::Analyzer analyzer_;
  stats::BlockBuilder builder_{0, 0, 0};
  stats::DedupeTable dedupe_;
  stats::ClientWatch clients_{0};
  Random random_{1};
  std::int64_t now_ = 0;
  std::int64_t step_began_ = 0;
  bool begun_ = false;
};

double share(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

// A fixed limit for the canary's success rate, looked at once an interval.
class FixedLimit final : public Rule {
 public:
  struct Form {
    double success_min = 0;
    std::int64_t interval_seconds = 0;
    int checks_a_step = 1;
    int bad_checks_max = 0;       // The next one rolls back.
    bool stays_when_bad = false;  // A bad check keeps the weight.
  };
  explicit FixedLimit(const Form& form) : form_(form) {}

  void begin_step(BasisPoints) override { checks_ = 0; }

  Ruling judge(std::int64_t, const SecondCounts& counts) override {
    sum_.n += counts.canary.n;
    sum_.bad += counts.canary.bad;
    if (++seconds_ < form_.interval_seconds) return Ruling::kHold;
    const bool bad =
        sum_.n > 0 &&
        1 - share(static_cast<double>(sum_.bad), static_cast<double>(sum_.n)) < form_.success_min;
    sum_ = {};
    seconds_ = 0;
    if (bad && ++bad_checks_ > form_.bad_checks_max) return Ruling::kRollback;
    if (bad && form_.stays_when_bad) return Ruling::kHold;
    return ++checks_ >= form_.checks_a_step ? Ruling::kNext : Ruling::kHold;
  }

 private:
  Form form_;
  stats::CohortCounts sum_;
  std::int64_t seconds_ = 0;
  int checks_ = 0;
  int bad_checks_ = 0;
};

class Kayenta final : public Rule {
 public:
  void begin_step(BasisPoints) override {
    stable_.clear();
    canary_.clear();
  }

  Ruling judge(std::int64_t, const SecondCounts& counts) override {
    add(sum_stable_, counts.stable);
    add(sum_canary_, counts.canary);
    if (++seconds_ < 60) return Ruling::kHold;
    seconds_ = 0;
    if (sum_stable_.n > 0) stable_.push_back(rate(sum_stable_));
    if (sum_canary_.n > 0) canary_.push_back(rate(sum_canary_));
    sum_stable_ = sum_canary_ = {};
    if (++points_ < kPoints) return Ruling::kHold;
    points_ = 0;
    return kayenta_is_high(stable_, canary_) ? Ruling::kRollback : Ruling::kNext;
  }

 private:
  static constexpr int kPoints = 10;

  static void add(stats::CohortCounts& sum, const stats::CohortCounts& counts) {
    sum.n += counts.n;
    sum.bad += counts.bad;
  }
  static double rate(const stats::CohortCounts& counts) {
    return share(static_cast<double>(counts.bad), static_cast<double>(counts.n));
  }

  std::vector<double> stable_;
  std::vector<double> canary_;
  stats::CohortCounts sum_stable_;
  stats::CohortCounts sum_canary_;
  int seconds_ = 0;
  int points_ = 0;
};

}  // namespace

std::string_view to_string(RuleName name) noexcept {
  switch (name) {
    case RuleName::kCanaryd:
      return "canaryd";
    case RuleName::kFlagger:
      return "Flagger";
    case RuleName::kArgo:
      return "Argo Rollouts";
    case RuleName::kKayenta:
      return "Kayenta";
  }
  return "canaryd";
}

std::unique_ptr<Rule> make_rule(RuleName name, const RuleOptions& options) {
  switch (name) {
    case RuleName::kFlagger:
      return std::make_unique<FixedLimit>(FixedLimit::Form{.success_min = 0.99,
                                                           .interval_seconds = 60,
                                                           .checks_a_step = 1,
                                                           .bad_checks_max = 4,
                                                           .stays_when_bad = true});
    case RuleName::kArgo:
      return std::make_unique<FixedLimit>(FixedLimit::Form{.success_min = 0.95,
                                                           .interval_seconds = 300,
                                                           .checks_a_step = 2,
                                                           .bad_checks_max = 3,
                                                           .stays_when_bad = false});
    case RuleName::kKayenta:
      return std::make_unique<Kayenta>();
    case RuleName::kCanaryd:
      break;
  }
  return std::make_unique<Canaryd>(options);
}

bool kayenta_is_high(std::span<const double> stable, std::span<const double> canary) {
  // No data is no classification, and what is equal passes at once.
  if (stable.empty() || canary.empty() || std::ranges::equal(stable, canary)) return false;
  std::vector<double> differences;
  for (const double one : canary) {
    for (const double other : stable) differences.push_back(one - other);
  }
  std::ranges::sort(differences);
  constexpr double kNormalQuantile = 2.3263;  // 98 %, two-sided.
  const double n = static_cast<double>(canary.size());
  const double m = static_cast<double>(stable.size());
  const double rank = n * m / 2 - kNormalQuantile * std::sqrt(n * m * (n + m + 1) / 12);
  const std::size_t lowest = rank > 1 ? static_cast<std::size_t>(rank) - 1 : 0;
  const double estimate = differences[differences.size() / 2];
  return differences[lowest] > 0.25 * std::abs(estimate);
}

}  // namespace canaryd::sim
