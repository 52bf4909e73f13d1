// Rollouts that nothing judges at 100 %, and limits that an ordinary day breaks.
#include "canaryd/analysis/verdict.hpp"
#include "config/validate.hpp"

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

}  // namespace

void check_limits(const Config& config, Reader& in) {
  for (const Rollout& rollout : config.rollouts) {
    const std::string path = "rollouts." + rollout.name;
    warn_unguarded(rollout, path, in);
    warn_broken(rollout, path, in);
  }
}

}  // namespace canaryd::config
