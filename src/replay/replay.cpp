// The recording's clock: lines into seconds, seconds into blocks. What is made of the blocks is in
// judge.cpp.
#include "canaryd/replay/replay.hpp"

#include <algorithm>
#include <chrono>
#include <tuple>
#include <utility>

namespace canaryd::replay {
namespace {

// No daemon changes its weight so often; what does is no recording, and would fill the memory.
constexpr std::size_t kGroupsMax = 64;
constexpr std::size_t kWaitingFailuresMax = 1'000'000;
// Workers take a new table one after the other, and a clock may be adjusted meanwhile.
constexpr std::int64_t kTableSlackMs = 1000;

}  // namespace

Replay::Replay(const rollout::Plan& plan, const analysis::Settings& settings)
    : plan_(plan), settings_(settings) {
  settings_.segments.clear();
  // No recording has votes: nothing may wait for them.
  if (settings_.tolerance.feedback) settings_.tolerance.feedback->required = false;
}

Result<void> Replay::add(const RecordedRequest& request) {
  // No second is judged that such a line could be in.
  if (newest_ms_ && request.ended_ms < *newest_ms_ - kSortMs) {
    return fail(ErrorCode::kMalformed,
                std::to_string((*newest_ms_ - request.ended_ms) / 1000) +
                    " s behind a line before it; lines may be out of order by 5 s");
  }
  if (has_weight_ && *has_weight_ != request.weight.has_value()) {
    return fail(ErrorCode::kMalformed, "some lines have a weight and some have none");
  }
  Error error;
  Group* const group = group_of(request, error);
  if (group == nullptr) return fail(std::move(error));
  has_weight_ = request.weight.has_value();
  if (!newest_ms_ && !request.tells_route) settings_.routes.clear();
  group->first_start_ms = std::min(group->first_start_ms, request.started_ms);
  group->last_start_ms = std::max(group->last_start_ms, request.started_ms);
  count(request, group->all);
  count_client(request, group->all);
  // With one route the sum says it all.
  const auto route = settings_.routes.size() >= 2 ? request.route : std::nullopt;
  if (route) {
    count(request, group->routes[*route]);
    count_client(request, group->routes[*route]);
  }
  if (request.bad && request.client != 0) {
    group->failures.push_back({request.client, request.cohort, route});
    ++waiting_failures_;
  }
  newest_ms_ = std::max(newest_ms_.value_or(request.ended_ms), request.ended_ms);
  while (!waiting_.empty() && (waiting_.begin()->first + 1) * 1000 + kSortMs <= *newest_ms_) {
    judge_second(waiting_.begin()->first, waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
  }
  return {};
}

void Replay::count(const RecordedRequest& request, Counts& all) {
  const bool canary = request.cohort == Cohort::kCanary;
  stats::CohortCounts& counts = canary ? all.canary : all.stable;
  ++counts.n;
  if (request.client_error) ++counts.client_errors;
  if (request.bad) {
    ++counts.bad;
  } else if (!request.left) {
    (canary ? all.canary_latency : all.stable_latency).add(request.latency);
  }
}

void Replay::count_client(const RecordedRequest& request, Counts& all) {
  if (request.bad || request.client == 0) return;
  const std::size_t cohort = request.cohort == Cohort::kCanary ? 1 : 0;
  if (request.left) return all.left[cohort].add(stats::client_group(request.client), 1, 0);
  auto& groups = all.clients[cohort];
  if (groups.empty()) groups.resize(stats::kClientGroups);
  groups[stats::client_group(request.client)].add(request.latency);
}

Replay::Group* Replay::group_of(const RecordedRequest& request, Error& error) {
  if (waiting_failures_ >= kWaitingFailuresMax) {
    error = {ErrorCode::kLimit,
             Origin::kLocal,
             Retry::kNever,
             "more than a million failures within 6 s"};
    return nullptr;
  }
  std::vector<Group>& groups = waiting_[request.ended_ms / 1000];
  const auto found = std::ranges::find_if(groups, [&](const Group& group) {
    return group.weight == request.weight && group.revision == request.revision;
  });
  if (found != groups.end()) return &*found;
  if (groups.size() == kGroupsMax) {
    error = {
        ErrorCode::kLimit, Origin::kLocal, Retry::kNever, "more than 64 weights within a second"};
    return nullptr;
  }
  Group& made = groups.emplace_back();
  made.weight = request.weight;
  made.revision = request.revision;
  made.first_start_ms = made.last_start_ms = request.started_ms;
  return &made;
}

// ---- A second is complete

void Replay::judge_second(std::int64_t second, std::vector<Group>& groups) {
  if (!began_ms_) began_ms_ = second * 1000;
  judged_until_ = second + 1;
  for (Track& track : tracks_) pass_gap(track, second);
  std::ranges::sort(groups, {}, [](const Group& group) {
    return std::tuple(group.first_start_ms, group.revision, group.weight);
  });
  for (Group& group : groups) {
    waiting_failures_ -= group.failures.size();
    const bool in_force =
        table_ && group.weight == table_->weight && group.revision == table_->revision;
    if (!in_force && table_ && group.last_start_ms <= table_->began_ms + kTableSlackMs) {
      late_requests_ += group.all.stable.n + group.all.canary.n;
      continue;
    }
    if (!in_force) put_in_force(second, group);
    take(second, group);
  }
  judge_clients(second + 1);
  for (Track& track : tracks_) tick(track, second + 1);
  decide((second + 1) * 1000);
}

void Replay::put_in_force(std::int64_t second, const Group& group) {
  ++epoch_;
  const bool first = !table_;
  const bool another_run = first || table_->revision != group.revision;
  table_ = Table{group.weight, group.revision, group.first_start_ms};
  if (another_run) {
    begin_run(second, group.weight.has_value());
    if (!first) note(EventKind::kRevision, tracks_.front(), second * 1000, {});
  }
  if (!group.weight) return;
  Track& track = tracks_.front();
  const auto block = track.builder.change(second, epoch_, 0);
  if (block) track.analyzer.absorb(*block);
  if (*group.weight > BasisPoints(0) && *group.weight != track.weight) {
    begin_step(track, second, *group.weight);
  }
  track.builder.set_latency_rules(analysis::latency_rules(settings_, track.next_weight));
}

void Replay::take(const Group& group, Track& track) {
  const Counts& all = group.all;
  track.builder.add(Cohort::kStable, all.stable, all.stable_latency);
  track.builder.add(Cohort::kCanary, all.canary, all.canary_latency);
  track.canary_requests += all.canary.n;
  for (const auto& [route, counts] : group.routes) {
    track.builder.add_route(route, Cohort::kStable, counts.stable, counts.stable_latency);
    track.builder.add_route(route, Cohort::kCanary, counts.canary, counts.canary_latency);
  }
}

void Replay::take_clients(const Counts& all, stats::LatencyCuts cuts, stats::ClientWatch& to) {
  for (const Cohort cohort : {Cohort::kStable, Cohort::kCanary}) {
    const auto& groups = all.clients[cohort == Cohort::kCanary ? 1 : 0];
    stats::ClientGroups came = all.left[cohort == Cohort::kCanary ? 1 : 0];
    for (std::size_t i = 0; i < groups.size(); ++i) came.add(i, groups[i], cuts);
    to.add(cohort, came);
  }
}

// All tracks have learned the same of stable.
void Replay::take_clients(const Group& group) {
  const stats::BlockBuilder& builder = tracks_.front().builder;
  take_clients(group.all, builder.latency_cuts(), clients_);
  for (const auto& [route, counts] : group.routes) {
    take_clients(counts, builder.route_latency_cuts(route), route_clients_.at(route));
  }
}

void Replay::take_failure(const Failure& failure, const stats::ClientGroups& came) {
  clients_.add(failure.cohort, came);
  if (failure.route) route_clients_.at(*failure.route).add(failure.cohort, came);
}

// By the time since the last look, as in the daemon: a recording need not have lines in any given
// second.
void Replay::judge_clients(std::int64_t now_second) {
  if (now_second - clients_second_ < stats::kClientSpreadSeconds) return;
  clients_second_ = now_second;
  const stats::ClientSpread spread = clients_.look(now_second);
  for (Track& track : tracks_) track.builder.set_clients(spread, clients_.all_fail_more());
  for (std::size_t i = 0; i < route_clients_.size(); ++i) {
    const stats::ClientSpread of_route = route_clients_[i].look_at_part(now_second, spread);
    for (Track& track : tracks_) track.builder.set_route_clients(i, of_route);
  }
}

void Replay::take(std::int64_t second, Group& group) {
  take_clients(group);
  for (Track& track : tracks_) take(group, track);
  // Not in the order of the lines, which may be any within a second.
  std::ranges::sort(group.failures);
  const std::int64_t window =
      std::chrono::duration_cast<std::chrono::seconds>(settings_.dedupe_window).count();
  for (const Failure& failure : group.failures) {
    const stats::Repeat repeat = dedupe_.note(RolloutId(1), failure.client, second, window);
    if (repeat == stats::Repeat::kNone) {
      stats::ClientGroups counted;
      counted.add(stats::client_group(failure.client), 1, 1);
      take_failure(failure, counted);
      continue;
    }
    stats::ClientGroups again;
    again.add_repetition(stats::client_group(failure.client));
    take_failure(failure, again);
    const std::uint64_t repeats = repeat == stats::Repeat::kRepeated ? 1 : 0;
    for (Track& track : tracks_) {
      track.builder.add_duplicates(failure.cohort, 1, repeats);
      if (failure.route) track.builder.add_route_duplicates(*failure.route, failure.cohort, 1);
    }
  }
  stable_requests_ += group.all.stable.n;
  canary_requests_ += group.all.canary.n;
}

Outcome Replay::finish() {
  for (auto& [second, groups] : waiting_) judge_second(second, groups);
  waiting_.clear();
  Outcome outcome;
  if (rollback_) {
    outcome = *rollback_;
  } else if (!tracks_.empty()) {
    const Track& track = track_at_end();
    outcome = track.accepted ? *track.accepted : held(track);
    // An accepted step is judged on, and can still fail.
    outcome.verdict = verdict_at_end(track);
    // Of a recording without weights, only now it is known which step it was.
    if (track.accepted && !table_->weight) {
      note(EventKind::kAccept, track, *outcome.at_ms, outcome.summary);
    }
  } else {
    outcome.reason = analysis::to_string(outcome.verdict.reason);
    outcome.summary = "no request to judge by";
  }
  outcome.began_ms = began_ms_;
  outcome.timeline = std::move(timeline_);
  outcome.events_left_out = events_left_out_;
  outcome.late_requests = late_requests_;
  outcome.canary_share = canary_share();
  return outcome;
}

}  // namespace canaryd::replay
