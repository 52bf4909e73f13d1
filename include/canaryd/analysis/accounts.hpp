// The two evidence accounts of a metric: the capital of a gambler who bets against a claim. If the
// claim is true it reaches a hundredfold with odds of at most 1/100, however often one looks (Ville
// 1939); so when it has, the claim is dropped. Both bets use only how the bad responses of one
// block are divided between the cohorts, given how its requests were divided: whatever hits both
// alike (outage, load, time of day) cancels out. Formulas: docs/statistics.md. Sources: Lindon,
// Malek 2022 (arXiv 2011.03567); Waudby-Smith, Ramdas (2010.09686); Shin, Ramdas, Rinaldo
// (e-detectors); Hoeffding 1963.
//
// Capital is kept in natural logarithms. Values: copyable, comparable bit by bit, deterministic.
// Thread rule: none.
#pragma once

#include "canaryd/analysis/metric.hpp"
#include "canaryd/analysis/settings.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace canaryd::analysis {

// ln(exp(a) + exp(b)), without leaving the range of double.
[[nodiscard]] double log_sum(double a, double b) noexcept;

// Account R bets against "the canary is within tolerance". Starts at capital 1 and is never reset
// inside a rollout.
class RollbackAccount {
 public:
  // How many times more often than tolerated each bet expects a bad response to come from the
  // canary.
  static constexpr std::array<double, 11> kRatios = {1.25, 1.5, 2, 3, 5, 8, 15, 30, 80, 250, 1000};
  static constexpr std::size_t kBets = kRatios.size();

  // What a block means to each bet, by the odds of its requests; costly, and the same for
  // metrics that count the same requests. Of one block at a time.
  struct Terms {
    double odds = -1;
    std::array<double, kBets> ln_norm{};
    std::array<double, kBets> stake{};
    void be_of(double block_odds) noexcept;
  };

  RollbackAccount(Tolerance tolerance, double burst_guard) noexcept;

  // A raised weight is a new chance to go wrong: part of the reserve is bet from here on. Of the
  // first four; the rest of the reserve is for time, or a long plan would have none left when a
  // canary turns bad late.
  void weight_increased() noexcept;
  // A block of `seconds` with these counts; a silent one changes nothing.
  void absorb(const MetricCounts& counts, std::uint32_t seconds, Terms& terms) noexcept;
  void absorb(const MetricCounts& counts, std::uint32_t seconds) noexcept {
    Terms terms;
    absorb(counts, seconds, terms);
  }

  // Logarithm of the whole capital, reserve included.
  [[nodiscard]] double ln_evidence() const noexcept { return ln_evidence_; }
  [[nodiscard]] double reserve() const noexcept { return reserve_; }

  // By how much a block moves a bet, before the burst guard.
  [[nodiscard]] static double increment(double ratio,
                                        const MetricCounts& counts,
                                        Tolerance tolerance) noexcept;

  friend bool operator==(const RollbackAccount&, const RollbackAccount&) = default;

 private:
  void bet_from_reserve(double amount) noexcept;
  void sum_up() noexcept;

  Tolerance tolerance_;
  double burst_guard_;
  std::array<double, kBets> ln_bets_;
  double reserve_;
  double seconds_ = 0;
  unsigned raises_ = 0;
  double ln_evidence_ = 0;
};

// Account A bets against "the canary is worse than the next step may bear". A new one for each
// step.
class AcceptAccount {
 public:
  // What share of the limit's bad responses each bet expects the canary not to have.
  static constexpr std::array<double, 10> kShares = {.02, .05, .1, .2, .35, .5, .7, .85, .95, .99};
  static constexpr std::size_t kBets = kShares.size();

  // As RollbackAccount::Terms.
  struct Terms {
    double odds = -1;
    std::array<double, kBets> ln_gain{};
    void be_of(double block_odds) noexcept;
  };

  // next_weight in (0, 1]: at a small weight a worse canary harms few, so the limit is the
  // tolerance divided by it.
  AcceptAccount(Tolerance tolerance, double next_weight) noexcept;

  // With `may_gain` false no bet gains by it (EmptyClaim); to lose is always honest.
  void absorb(const MetricCounts& counts, Terms& terms, bool may_gain = true) noexcept;
  void absorb(const MetricCounts& counts) noexcept {
    Terms terms;
    absorb(counts, terms);
  }

  // Added up when asked for: not every account is, in every block.
  [[nodiscard]] double ln_evidence() const noexcept;
  // The rate that stable's rate makes the limit.
  [[nodiscard]] double limit(double stable_rate) const noexcept;
  // Canary requests until ln_evidence() reaches `boundary`, if the best bet goes on as it did so
  // far in this step; 0 when it is reached; nothing when no bet gains.
  [[nodiscard]] std::optional<double> requests_needed(double boundary) const noexcept;
  // As that, of a canary that from now on is as bad as stable, by what each bet can expect;
  // `stable_per_canary`: requests of stable to one of the canary. Nothing when none gains.
  [[nodiscard]] std::optional<double> requests_if_equal(double boundary,
                                                        double stable_rate,
                                                        double stable_per_canary) const noexcept;

  [[nodiscard]] static double increment(double share,
                                        const MetricCounts& counts,
                                        Tolerance scaled) noexcept;

  friend bool operator==(const AcceptAccount&, const AcceptAccount&) = default;

 private:
  Tolerance scaled_;
  std::array<double, kBets> ln_bets_;
  double canary_n_ = 0;
};

// When nearly all of stable is bad, what the tolerance allows is everything: "the canary is worse"
// cannot be true, a bet against it cannot but win, and says nothing of a canary that is as bad. Of
// about the last forty requests of stable, so that few of them are not taken for a whole outage.
class EmptyClaim {
 public:
  // After a block; whether account A may gain by it.
  [[nodiscard]] bool may_gain(const MetricCounts& counts, Tolerance tolerance) noexcept;

  friend bool operator==(const EmptyClaim&, const EmptyClaim&) = default;

 private:
  MetricCounts recent_;
};

// Is stable in an outage? Beside one any canary looks good, and a few seconds outweigh what a bad
// one has shown before; beside one of both, nothing is shown. An outage: of about stable's last
// hundred requests at least one in five failed, and three times as large a share as in all of the
// run that was none. Known after 200 requests; what lasts for half an hour is usual from then on.
class StableOutage {
 public:
  // After a block of so many seconds.
  void note(const MetricCounts& errors, std::uint32_t seconds) noexcept;
  [[nodiscard]] bool is_on() const noexcept { return on_; }

  friend bool operator==(const StableOutage&, const StableOutage&) = default;

 private:
  double recent_n_ = 0;
  double recent_bad_ = 0;
  double usual_n_ = 0;
  double usual_bad_ = 0;
  std::uint32_t seconds_ = 0;  // For so long it is on.
  bool on_ = false;
};

}  // namespace canaryd::analysis
