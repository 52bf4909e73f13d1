#include "telemetry/families.hpp"

namespace canaryd::telemetry {
namespace {

double sum_of_scores(const stats::VoteCounts& votes) {
  return stats::kScoreMax * static_cast<double>(votes.n) - static_cast<double>(votes.quarters);
}

}  // namespace

void write_feedback(const MetricsSnapshot& from, Families& to) {
  auto votes = to.counter("canaryd_feedback_votes_total", "Votes of users taken as evidence.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    votes.add({{"rollout", rollout.name}, {"cohort", "stable"}}, rollout.votes_stable.n);
    votes.add({{"rollout", rollout.name}, {"cohort", "canary"}}, rollout.votes_canary.n);
  }
  auto scores = to.counter("canaryd_feedback_score_total", "Sum of their scores, 1 to 5.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    scores.add({{"rollout", rollout.name}, {"cohort", "stable"}},
               sum_of_scores(rollout.votes_stable));
    scores.add({{"rollout", rollout.name}, {"cohort", "canary"}},
               sum_of_scores(rollout.votes_canary));
  }
  auto ignored = to.counter("canaryd_feedback_ignored_total", "Votes that are no evidence.");
  for (const RolloutMetrics& rollout : from.rollouts) {
    for (const auto& [reason, count] : rollout.votes_ignored) {
      ignored.add({{"rollout", rollout.name}, {"reason", reason}}, count);
    }
  }
}

}  // namespace canaryd::telemetry
