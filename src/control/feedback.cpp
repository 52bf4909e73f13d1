#include "control/feedback.hpp"

#include <array>
#include <chrono>

namespace canaryd::control {

std::string_view to_string(VoteOutcome outcome) noexcept {
  constexpr std::array<std::string_view, kVoteOutcomes> kWords = {
      "counted", "duplicate", "no_evidence", "rate_limited"};
  return kWords[static_cast<std::size_t>(outcome)];
}

VoteOutcome Feedback::take(CastVote vote, Monotonic now, WallTime wall_now) {
  Known& known = rollouts_[vote.rollout];
  const VoteOutcome outcome = judge(known, vote, now);
  ++known.totals.outcomes[static_cast<std::size_t>(outcome)];
  if (outcome == VoteOutcome::kCounted) {
    (vote.cohort == Cohort::kCanary ? known.totals.canary : known.totals.stable).add(vote.score);
  }
  const bool heard = outcome == VoteOutcome::kCounted || outcome == VoteOutcome::kNoEvidence;
  if (heard && !vote.comment.empty()) keep_comment(std::move(vote), wall_now);
  return outcome;
}

VoteOutcome Feedback::judge(Known& known, const CastVote& vote, Monotonic now) {
  if (now - known.second >= std::chrono::seconds(1)) {
    known.second = now;
    known.in_second = 0;
  }
  if (known.in_second >= kVotesPerSecond) return VoteOutcome::kRateLimited;
  ++known.in_second;
  if (vote.run > known.run) {
    known.run = vote.run;
    known.voters.clear();
    known.earlier.clear();
  }
  if (vote.run < known.run) return VoteOutcome::kNoEvidence;
  const bool is_known = vote.voter != 0;
  if (is_known && (known.voters.contains(vote.voter) || known.earlier.contains(vote.voter))) {
    return VoteOutcome::kDuplicate;
  }
  const bool counted =
      vote.counts &&
      collector_.add_vote(vote.rollout, vote.run, vote.epoch, vote.cohort, vote.score);
  // Who was not counted has not voted yet.
  if (!counted) return VoteOutcome::kNoEvidence;
  if (is_known) {
    if (known.voters.size() >= kVotersKept) {
      known.earlier = std::exchange(known.voters, {});
    }
    known.voters.insert(vote.voter);
  }
  return VoteOutcome::kCounted;
}

// What users say matters less than that nothing grows: those that do not fit are lost.
void Feedback::keep_comment(CastVote vote, WallTime now) {
  if (comments_.size() >= kCommentsWaiting) return;
  store::Comment comment;
  comment.rollout = std::move(vote.rollout);
  comment.at = now;
  comment.place = next_place_++;
  comment.cohort = canaryd::to_string(vote.cohort);
  comment.score = vote.score;
  comment.actor = std::move(vote.actor);
  comment.text = std::move(vote.comment);
  comments_.push_back(std::move(comment));
}

Feedback::Totals Feedback::totals(std::string_view rollout) const {
  const auto found = rollouts_.find(rollout);
  return found == rollouts_.end() ? Totals{} : found->second.totals;
}

}  // namespace canaryd::control
