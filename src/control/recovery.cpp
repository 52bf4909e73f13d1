// What the store knew when the daemon started, and the runners that go on from there.
#include "canaryd/base/units.hpp"
#include "control/controller_state.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

namespace canaryd::control {
namespace {

// What was written later than now was written by a clock that was ahead, and so were its times.
// Left there, nothing would last until the clock has caught up.
void set_right(rollout::State& state, const store::JournalEntry& newest, WallTime now, Log& log) {
  const WallTime written = std::max({newest.at, state.since, state.step_since, state.timer_since});
  const WallTime::duration ahead = written - now;
  if (ahead <= WallTime::duration::zero()) return;
  for (WallTime* const time :
       {&state.since, &state.step_since, &state.timer_since, &state.run_since}) {
    *time = std::max(*time - ahead, WallTime());
  }
  // As while the daemon runs: that may be a clock which is slewed.
  if (ahead <= ClockWatch::kTolerance) return;
  log.warn(
      kClockSet,
      newest.rollout + ": the newest entry of its history is " + format_duration_brief(ahead) +
          " ahead of the wall clock, which was set back: what has to last goes on from there, "
          "what has a date follows the clock",
      {{"rollout", newest.rollout}, {"seconds", -std::chrono::duration<double>(ahead).count()}});
}

// Of a clock that was ahead, the end is further off than the gate's rule allows.
void limit_approvals(rollout::State& state, const rollout::Plan& plan, WallTime now) {
  for (auto& [gate, given] : state.approvals) {
    // Of steps that share a gate, an approval may have been given for the one with the most time.
    std::optional<Duration> longest;
    for (const rollout::Step& step : plan.steps) {
      if (step.gate != gate) continue;
      const Duration expires = step.approvals.expires;
      const bool never = expires <= Duration::zero();
      longest = std::max(longest.value_or(expires), never ? Duration::max() : expires);
    }
    if (!longest || *longest == Duration::max()) continue;
    const auto counts = std::chrono::ceil<std::chrono::milliseconds>(*longest);
    for (auto& [who, until] : given) until = std::min(until, now + counts);
  }
}

Result<rollout::State> journalled_state(const config::Rollout& config,
                                        const Recovered& recovered,
                                        WallTime now,
                                        Log& log) {
  rollout::State state = rollout::initial_state(config.plan, now);
  for (const store::JournalRow& row : recovered.latest) {
    if (row.entry.rollout != config.name) continue;
    auto parsed = rollout::parse_state(row.entry.state);
    if (!parsed) {
      Error error = std::move(parsed).error();
      error.context =
          "rollout " + config.name + ": the journalled state cannot be read: " + error.context;
      return fail(std::move(error));
    }
    state = std::move(*parsed);
    set_right(state, row.entry, now, log);
    limit_approvals(state, config.plan, now);
  }
  return state;
}

}  // namespace

Result<Recovered> recover(store::Store& store) {
  Recovered recovered;
  CANARYD_TRY_ASSIGN(recovered.latest, store.latest());
  for (const store::JournalRow& row : recovered.latest) {
    const auto state = rollout::parse_state(row.entry.state);
    if (!state) continue;  // Controller::create says so, if the rollout is still configured.
    recovered.turn =
        std::max({recovered.turn, state->group_turn, state->run_turn, state->bake_turn});
    store::EvidenceQuery query;
    query.rollout = row.entry.rollout;
    query.run = state->run;
    std::vector<store::EvidenceRow>& rows = recovered.evidence[row.entry.rollout];
    for (;;) {
      CANARYD_TRY_ASSIGN(std::vector<store::EvidenceRow> page, store.evidence(query));
      const bool last = page.size() < query.limit;
      rows.insert(rows.end(), page.begin(), page.end());
      if (last) break;
      query.from_index = rows.back().index + 1;
    }
    CANARYD_TRY_ASSIGN(recovered.exposure[row.entry.rollout],
                       store.exposure_used(row.entry.rollout, state->run));
    CANARYD_TRY_ASSIGN(const std::uint64_t idle, store.stable_idle(row.entry.rollout, state->run));
    recovered.idle[row.entry.rollout] = {row.entry.rollout, state->run, idle};
  }
  return recovered;
}

Result<std::shared_ptr<Runner>> make_runner(const std::shared_ptr<RunnerHost>& host,
                                            const config::Rollout& config,
                                            const Recovered& recovered,
                                            WallTime now) {
  CANARYD_TRY_ASSIGN(rollout::State state, journalled_state(config, recovered, now, *host->log));
  std::vector<store::EvidenceRow> rows;
  if (const auto found = recovered.evidence.find(config.name); found != recovered.evidence.end()) {
    if (!found->second.empty() && found->second.front().run == state.run) rows = found->second;
  }
  auto evidence = Evidence::replay(config.name, state.run, config.analysis, rows);
  if (!evidence) {
    Error error = std::move(evidence).error();
    error.context =
        "rollout " + config.name + ": the journalled evidence cannot be read: " + error.context;
    return fail(std::move(error));
  }
  // The crash came between the transition and its row of evidence.
  const bool same_step =
      evidence->weight() == state.weight && evidence->next_weight() == state.next_weight;
  if (state.run > 0 && state.weight > BasisPoints(0) && !same_step) {
    evidence->begin_step(state.weight, state.next_weight, state.weight.value() < BasisPoints::kMax);
  }
  const std::uint64_t run = state.run;
  auto runner = std::make_shared<Runner>(host, config, std::move(state), std::move(*evidence));
  const auto used = recovered.exposure.find(config.name);
  if (run > 0 && used != recovered.exposure.end()) runner->recall_exposure(used->second);
  // The file may mean other versions now than the journal.
  runner->prepare(config.plan);
  return runner;
}

void announce_restart(Runner& runner, const char* why, bool has_versions, Runner::Done done) {
  if (runner.state().generation > 0) {
    runner.restarted(why, has_versions, std::move(done));
  } else if (done) {
    done({});
  }
}

}  // namespace canaryd::control
