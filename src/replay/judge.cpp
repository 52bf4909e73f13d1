// Blocks into verdicts, verdicts into the end of a step: what control and the state machine do in
// the daemon (control/evidence.hpp, src/rollout/tick.cpp).
#include "canaryd/replay/replay.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

namespace canaryd::replay {

std::string_view to_string(EventKind kind) noexcept {
  switch (kind) {
    case EventKind::kStep:
      return "step";
    case EventKind::kRevision:
      return "revision";
    case EventKind::kAccept:
      return "accept";
    case EventKind::kRollback:
      return "rollback";
  }
  return "step";
}

// What is known of stable's latency stays.
void Replay::begin_run(std::int64_t second, bool weighted) {
  clients_ = stats::ClientWatch(second);
  clients_second_ = second;
  stats::BlockBuilder blocks =
      tracks_.empty() ? stats::BlockBuilder(second, epoch_, 0) : std::move(tracks_.front().builder);
  const std::size_t routes = settings_.routes.size() >= 2 ? settings_.routes.size() : 0;
  route_clients_.assign(routes, stats::ClientWatch(second));
  blocks.begin_run(routes);
  static_cast<void>(blocks.change(second, epoch_, 0));
  tracks_.clear();
  if (weighted) {
    tracks_.emplace_back(settings_, std::move(blocks));
  } else {
    begin_all_steps(blocks, second);
  }
}

// The first step of a run is no raise, and neither is a return to a lower one.
void Replay::begin_step(Track& track, std::int64_t second, BasisPoints weight) {
  if (track.weight > BasisPoints(0) && weight > track.weight) track.analyzer.weight_increased();
  track.weight = weight;
  track.next_weight = rollout::weight_above(plan_, weight);
  track.step = rollout::step_at(plan_, weight);
  track.began_ms = second * 1000;
  track.canary_requests = 0;
  track.accepted.reset();
  track.analyzer.begin_step(
      {.next_weight = track.next_weight, .has_control = weight < BasisPoints(BasisPoints::kMax)});
  note(EventKind::kStep, track, track.began_ms, {});
}

// All have the same evidence; which of them was meant the end tells.
void Replay::begin_all_steps(const stats::BlockBuilder& blocks, std::int64_t second) {
  for (std::size_t step = 0; step < plan_.steps.size(); ++step) {
    Track& track = tracks_.emplace_back(settings_, blocks);
    track.step = step;
    track.weight = rollout::step_weight(plan_, step);
    track.next_weight = rollout::weight_above(plan_, track.weight);
    track.began_ms = second * 1000;
    track.analyzer.begin_step({.next_weight = track.next_weight, .has_control = true});
    track.builder.set_latency_rules(analysis::latency_rules(settings_, track.next_weight));
  }
}

// Seconds without a line. The open block is given up when it has been open for too long; once one
// was empty, so are all up to `second`, and they change nothing.
void Replay::pass_gap(Track& track, std::int64_t second) {
  constexpr std::int64_t kMost = stats::BlockBuilder::kMaxOpenSeconds;
  while (track.builder.open().start_second + kMost <= second) {
    const std::int64_t end = track.builder.open().start_second + kMost;
    const auto block = track.builder.tick(end);
    if (!block) return;
    track.analyzer.absorb(*block);
    if (block->stable.n > 0 || block->canary.n > 0) continue;
    static_cast<void>(track.builder.change(end + (second - end) / kMost * kMost, epoch_, 0));
  }
}

void Replay::tick(Track& track, std::int64_t second) {
  if (const auto block = track.builder.tick(second)) track.analyzer.absorb(*block);
}

// Rollback first: a step that has been accepted can still fail.
void Replay::decide(std::int64_t at_ms) {
  if (rollback_) return;
  for (Track& track : tracks_) {
    analysis::Verdict verdict = track.analyzer.evaluate();
    if (verdict.decision == analysis::Decision::kRollback) {
      rollback_ = outcome_of(std::move(verdict), at_ms);
      note(EventKind::kRollback, track_at_end(), at_ms, rollback_->summary);
      return;
    }
    if (!track.accepted) try_accept(track, std::move(verdict), at_ms);
  }
}

std::string_view Replay::missing_minimum(const Track& track, std::int64_t at_ms) const {
  const rollout::Step& step = plan_.steps[track.step];
  if (std::chrono::milliseconds(at_ms - track.began_ms) < step.min_duration) return "min_duration";
  if (track.canary_requests < std::max<std::uint64_t>(1, step.min_requests)) return "min_requests";
  return {};
}

analysis::Verdict Replay::verdict_at_end(const Track& track) {
  analysis::Verdict verdict = track.analyzer.evaluate();
  const stats::Block open = track.builder.open();
  verdict.reason = analysis::what_is_missing(verdict.reason, open.stable.n > 0, open.canary.n > 0);
  return verdict;
}

Outcome Replay::held(const Track& track) const {
  const std::int64_t end_ms = *judged_until_ * 1000;
  Outcome outcome = outcome_of(verdict_at_end(track), end_ms);
  if (outcome.decision == analysis::Decision::kHold) return outcome;
  outcome.decision = analysis::Decision::kHold;
  outcome.reason = missing_minimum(track, end_ms);
  outcome.summary = outcome.reason + " of the step is not reached; " + outcome.summary;
  return outcome;
}

void Replay::try_accept(Track& track, analysis::Verdict verdict, std::int64_t at_ms) {
  if (track.weight == BasisPoints(0) || !missing_minimum(track, at_ms).empty()) return;
  const bool uncontrolled =
      verdict.reason == analysis::Reason::kNoControl && !rollout::step_above(plan_, track.weight);
  if (verdict.decision != analysis::Decision::kAccept && !uncontrolled) return;
  track.accepted = outcome_of(std::move(verdict), at_ms);
  track.accepted->decision = analysis::Decision::kAccept;
  if (table_->weight) note(EventKind::kAccept, track, at_ms, track.accepted->summary);
}

Outcome Replay::outcome_of(analysis::Verdict verdict, std::int64_t at_ms) const {
  Outcome outcome;
  outcome.decision = verdict.decision;
  outcome.reason = analysis::to_string(verdict.reason);
  outcome.summary = analysis::describe(verdict);
  outcome.at_ms = at_ms;
  outcome.canary_requests = canary_requests_;
  outcome.stable_requests = stable_requests_;
  outcome.verdict = std::move(verdict);
  return outcome;
}

void Replay::note(EventKind kind, const Track& track, std::int64_t at_ms, std::string reason) {
  if (timeline_.size() == kTimelineMax) {
    ++events_left_out_;
    return;
  }
  timeline_.push_back(
      {kind, at_ms, track.weight, track.next_weight, canary_requests_, std::move(reason)});
}

std::optional<double> Replay::canary_share() const {
  const double all = static_cast<double>(canary_requests_ + stable_requests_);
  if (all <= 0) return std::nullopt;
  return static_cast<double>(canary_requests_) / all;
}

const Replay::Track& Replay::track_at_end() const {
  const double share = canary_share().value_or(0);
  const auto distance = [share](const Track& track) {
    return std::abs(std::log(std::max(share, 1e-9) / track.weight.ratio()));
  };
  if (tracks_.size() == 1) return tracks_.front();
  return *std::ranges::min_element(tracks_, {}, distance);
}

}  // namespace canaryd::replay
