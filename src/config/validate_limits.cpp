// Rollouts that nothing judges at 100 %, limits that an ordinary day breaks, and a circuit that
// cannot see a canary that hangs.
#include "canaryd/analysis/verdict.hpp"
#include "config/validate.hpp"

#include <cstdint>
#include <string>

namespace canaryd::config {
namespace {

void warn_unguarded(const Rollout& rollout, const std::string& path, Reader& in) {
  if (rollout.plan.bake.holdback.value() > 0 || rollout.analysis.limits.any()) return;
  in.warn_at(path,
             path +
                 ": nothing judges the canary at 100 %, where nobody is left on stable to "
                 "compare it with",
             "set analysis.limits or bake.holdback");
}

void warn_broken(const Rollout& rollout, const std::string& path, Reader& in) {
  const auto& limit = rollout.analysis.limits.errors;
  if (!limit || !rollout.expected_error_rate || *rollout.expected_error_rate < *limit) return;
  in.warn_at(path + ".analysis.limits.errors",
             path + ".analysis.limits.errors: " + analysis::format_rate(*limit) +
                 " is not above expected_error_rate, " +
                 analysis::format_rate(*rollout.expected_error_rate) +
                 ": a canary as good as stable would be rolled back");
}

// So many are never silent at once: the rest waits in the queue, where nobody is charged.
void warn_blind(const Config& config, const Rollout& rollout, const std::string& path, Reader& in) {
  const Upstream& canary = config.upstreams[rollout.canary.index()];
  const std::uint64_t failures = rollout.circuit.consecutive_failures;
  if (!canary.concurrency || canary.concurrency->max >= failures) return;
  const std::string slots = std::to_string(canary.concurrency->max);
  const std::string key = "upstreams." + canary.name + ".concurrency.max";
  in.warn_at(path,
             path + ": " + key + " is " + slots + ", and circuit.consecutive_failures " +
                 std::to_string(failures) +
                 ": a canary that hangs is not suspended before its requests time out",
             "raise " + key + " to " + std::to_string(failures) +
                 ", or lower circuit.consecutive_failures to " + slots);
}

}  // namespace

void check_limits(const Config& config, Reader& in) {
  for (const Rollout& rollout : config.rollouts) {
    const std::string path = "rollouts." + rollout.name;
    warn_unguarded(rollout, path, in);
    warn_broken(rollout, path, in);
    warn_blind(config, rollout, path, in);
  }
}

}  // namespace canaryd::config
