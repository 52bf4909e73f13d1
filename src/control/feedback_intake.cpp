// Votes on their way from workers and API to the evidence, and their comments to the store.
#include "canaryd/base/hash.hpp"
#include "control/controller_state.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::control {
namespace {

// The salt that the cohorts are drawn with: so the id of a vote, if it is the user's sticky key, is
// the same voter as the user's browser.
std::uint64_t voter_of(const config::Rollout& rollout, std::string_view id) {
  return id.empty() ? 0 : siphash(key_from_salt(rollout.cohort.salt), id);
}

// Where all users are on one version, what they say of it compares nothing.
bool is_split(const InForce& now) noexcept {
  return now.admission == rollout::Admission::kSplit && now.weight > BasisPoints(0) &&
         now.weight < BasisPoints(BasisPoints::kMax);
}

}  // namespace

void Controller::State::receive_votes() {
  for (telemetry::ReceivedVote& received : parts.collector->take_votes()) {
    CastVote vote;
    vote.rollout = std::move(received.rollout);
    vote.run = received.run;
    vote.epoch = received.epoch;
    vote.cohort = received.vote.cohort;
    vote.score = received.vote.score;
    vote.counts = received.vote.counts;
    vote.voter = received.vote.key_hash;
    vote.comment = received.vote.text();
    vote.actor = "browser";
    static_cast<void>(feedback.take(std::move(vote), parts.clock->now(), parts.clock->wall_now()));
  }
}

void Controller::State::save_comments() {
  store::Batch batch;
  batch.comments = feedback.take_comments();
  if (batch.empty()) return;
  // A store that fails says so elsewhere; a comment is not worth keeping for it.
  parts.store->write(std::move(batch), store::Keep::kOnce, [](const Result<void>&) {});
}

FeedbackStatus Controller::feedback(FeedbackRequest request) {
  const Runner* const runner = state_->find(request.rollout);
  if (runner == nullptr) return FeedbackStatus::kNotFound;
  const InForce now = runner->in_force();
  CastVote vote;
  vote.voter = voter_of(runner->config(), request.id);
  vote.rollout = std::move(request.rollout);
  vote.run = now.run;
  vote.epoch = now.epoch;
  vote.cohort = request.cohort;
  vote.score = request.score;
  vote.counts = is_split(now);
  vote.comment = std::move(request.comment);
  vote.actor = std::move(request.actor);
  const Clock& clock = *state_->parts.clock;
  switch (state_->feedback.take(std::move(vote), clock.now(), clock.wall_now())) {
    case VoteOutcome::kCounted:
      return FeedbackStatus::kCounted;
    case VoteOutcome::kDuplicate:
      return FeedbackStatus::kDuplicate;
    case VoteOutcome::kNoEvidence:
      return FeedbackStatus::kNoEvidence;
    case VoteOutcome::kRateLimited:
      return FeedbackStatus::kRateLimited;
  }
  return FeedbackStatus::kNoEvidence;
}

namespace {

void read_comments(Controller::State& state, CommentQuery query, Backend::CommentsDone done) {
  // Those that wait come first, so that whoever has just commented finds it.
  state.save_comments();
  state.parts.store->comments(std::move(query.rollout),
                              query.limit,
                              [done = std::move(done)](Result<std::vector<store::Comment>> found) {
                                if (!found) {
                                  done(fail(std::move(found).error()));
                                  return;
                                }
                                std::vector<CommentView> views;
                                for (store::Comment& comment : *found) {
                                  views.push_back({comment.at,
                                                   std::move(comment.rollout),
                                                   std::move(comment.cohort),
                                                   comment.score,
                                                   std::move(comment.actor),
                                                   std::move(comment.text)});
                                }
                                done(std::move(views));
                              });
}

}  // namespace

void Controller::comments(CommentQuery query, CommentsDone done) {
  State* const state = state_.get();
  if (state->find(query.rollout) != nullptr) {
    read_comments(*state, std::move(query), std::move(done));
    return;
  }
  // What has left the file has comments if it has a history.
  history({query.rollout, 1, std::nullopt},
          [state, still = state->alive, query, done = std::move(done)](
              const Result<std::vector<HistoryRow>>& known) {
            if (!*still) return;
            if (!known) return done(fail(Error(known.error())));
            read_comments(*state, query, done);
          });
}

}  // namespace canaryd::control
