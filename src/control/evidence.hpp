// The evidence of one run of a rollout: the analyzer, and the rows from which it can be made again.
//
// Each call that moves the analyzer leaves a row; the same rows in the same order give the same
// analyzer, bit by bit (docs/statistics.md, "After a restart"). Rows wait in pending() until they
// are written. Pure but for nothing: plain values.
#pragma once

#include "canaryd/analysis/analyzer.hpp"
#include "canaryd/base/error.hpp"
#include "canaryd/rollout/effect.hpp"
#include "canaryd/stats/block.hpp"
#include "canaryd/store/store.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace canaryd::control {

class Evidence {
 public:
  // A run that begins.
  Evidence(std::string rollout,
           std::uint64_t run,
           const analysis::Settings& settings,
           std::uint64_t first_index = 0);
  // A run that goes on after a restart. kMalformed: the rows are not ones that this class wrote. If
  // the first of them are missing (they were given up while the store failed), the others mean
  // nothing: the evidence begins anew behind them.
  [[nodiscard]] static Result<Evidence> replay(std::string rollout,
                                               std::uint64_t run,
                                               const analysis::Settings& settings,
                                               const std::vector<store::EvidenceRow>& rows);
  // The next of these rows, which go on where next_index() is; verdict() is what they lead to.
  [[nodiscard]] Result<void> replay_more(std::span<const store::EvidenceRow> rows);

  // `has_control`: somebody stays on stable, so that there is something to compare with.
  void begin_step(BasisPoints weight, BasisPoints next_weight, bool has_control);
  void absorb(const stats::Block& block);
  // Of a run that has ended: its verdict stays as it is, the next run is cut by what is known now.
  // Leaves no row.
  void learn(const stats::Block& block);

  [[nodiscard]] const analysis::Verdict& verdict() const noexcept { return verdict_; }
  [[nodiscard]] const analysis::Analyzer& analyzer() const noexcept { return analyzer_; }
  [[nodiscard]] std::uint64_t run() const noexcept { return run_; }
  // Of the row that comes next: those before it are what the verdict is made of.
  [[nodiscard]] std::uint64_t next_index() const noexcept { return next_index_; }
  // Of the step that was begun last.
  [[nodiscard]] BasisPoints weight() const noexcept { return weight_; }
  [[nodiscard]] BasisPoints next_weight() const noexcept { return next_weight_; }

  // By what the last blocks of this run were cut, over restarts.
  [[nodiscard]] const stats::KnownLatency& known_latency() const noexcept { return known_; }

  // Rows that are not written yet.
  [[nodiscard]] std::vector<store::EvidenceRow> take_pending() noexcept;
  // Written back after a write that failed; they go first again.
  void put_back(std::vector<store::EvidenceRow> rows);

 private:
  void add_row(store::EvidenceKind kind, std::vector<std::int64_t> values);
  void take_step(BasisPoints weight, BasisPoints next_weight, bool has_control);
  void take_block(const stats::Block& block);
  [[nodiscard]] Result<void> replay_row(const store::EvidenceRow& row);

  std::string rollout_;
  std::uint64_t run_ = 0;
  analysis::Analyzer analyzer_;
  analysis::Verdict verdict_;
  bool begun_ = false;
  BasisPoints weight_;
  BasisPoints next_weight_;
  stats::KnownLatency known_;
  std::uint64_t next_index_ = 0;
  std::vector<store::EvidenceRow> pending_;
};

// Requests of the canary behind a verdict: of the metric that has judged most of them.
[[nodiscard]] std::uint64_t judged_requests(const analysis::Verdict& verdict) noexcept;

}  // namespace canaryd::control
