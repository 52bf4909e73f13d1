// Read parity of the rollouts that ask for it (analysis/parity.hpp): while one has not begun, its
// reads are asked again of both versions, and what they answer is compared here. It does not begin
// by itself before parity is shown.
//
// What has been compared is in memory alone: a restart of the daemon, another version or revision,
// and another `parity` in the file begin anew.
//
// Thread rule: the control thread; workers only see the policies, and push into the queues. Bounds:
// one look compares for kLookMost, and kReadsPerLook reads at most; what is left waits in the
// queues, and what finds those full is counted as busy.
#pragma once

#include "canaryd/analysis/parity.hpp"
#include "canaryd/base/clock.hpp"
#include "canaryd/base/log.hpp"
#include "canaryd/config/config.hpp"
#include "canaryd/control/parity_view.hpp"
#include "canaryd/proxy/parity_policy.hpp"
#include "canaryd/stats/parity_read.hpp"
#include "canaryd/telemetry/metrics.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace canaryd::control {

class ParityWatches {
 public:
  static constexpr Duration kLookMost = std::chrono::milliseconds(10);
  static constexpr int kReadsPerLook = 64;

  ParityWatches(std::size_t workers, const Clock& clock, Log& log)
      : workers_(workers), clock_(clock), log_(log) {}

  // Before a table is made: what the workers do for this rollout, which has not begun. Not on: it
  // asks for no parity.
  [[nodiscard]] proxy::ParityPolicy policy_for(const config::Rollout& rollout);
  // Null before a rollout asks for parity.
  [[nodiscard]] std::shared_ptr<stats::ParityQueue> queue(std::size_t worker) const;

  // Several times a second.
  void look();

  // Whether it may begin by itself, as far as parity goes.
  [[nodiscard]] bool allows(const config::Rollout& rollout) const;
  // For people: "reads differ: 12 of 400, at most 0.5 % may; value /total". Empty: it asks for no
  // parity.
  [[nodiscard]] std::string figures(const config::Rollout& rollout) const;
  // Empty: it asks for no parity.
  [[nodiscard]] std::optional<ParityView> view(const config::Rollout& rollout) const;
  [[nodiscard]] std::optional<telemetry::ParityMetrics> metrics(
      const config::Rollout& rollout) const;

 private:
  struct Watch {
    std::uint64_t id = 0;
    std::string rollout;
    config::Parity asked;
    std::string subject;  // Versions and revision.
    analysis::Parity parity;
    std::shared_ptr<stats::ParityCounts> counts;
  };

  [[nodiscard]] const Watch* find(const config::Rollout& rollout) const;
  void make_queues();
  [[nodiscard]] std::unique_ptr<stats::ParityRead> next_read();
  void take(const stats::ParityRead& read);
  void tell(const Watch& watch) const;

  std::size_t workers_;
  const Clock& clock_;
  Log& log_;
  std::uint64_t last_id_ = 0;
  std::map<std::string, Watch> watches_;                     // By rollout.
  std::vector<std::shared_ptr<stats::ParityQueue>> queues_;  // Index: worker; empty until needed.
  std::size_t next_queue_ = 0;
};

}  // namespace canaryd::control
