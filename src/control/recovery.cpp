// What the store knew when the daemon started, and the runners that go on from there.
#include "control/controller_state.hpp"

#include <utility>

namespace canaryd::control {

Result<Recovered> recover(store::Store& store) {
  Recovered recovered;
  CANARYD_TRY_ASSIGN(recovered.latest, store.latest());
  for (const store::JournalRow& row : recovered.latest) {
    const auto state = rollout::parse_state(row.entry.state);
    if (!state) continue;  // Controller::create says so, if the rollout is still configured.
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
    CANARYD_TRY_ASSIGN(recovered.idle[row.entry.rollout],
                       store.stable_idle(row.entry.rollout, state->run));
  }
  return recovered;
}

Result<std::shared_ptr<Runner>> make_runner(const std::shared_ptr<RunnerHost>& host,
                                            const config::Rollout& config,
                                            const Recovered& recovered,
                                            WallTime now) {
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
  }
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

void announce_restart(Runner& runner, const char* why, bool has_versions) {
  if (runner.state().generation == 0) return;
  runner.restarted(why, has_versions);
}

}  // namespace canaryd::control
