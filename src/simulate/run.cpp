#include "canaryd/simulate/run.hpp"

#include "canaryd/analysis/analyzer.hpp"
#include "canaryd/rollout/machine.hpp"
#include "canaryd/stats/block.hpp"
#include "canaryd/stats/dedupe.hpp"
#include "simulate/gatekeeper.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::simulate {
namespace {

using rollout::Phase;

rollout::Judgement judgement_of(analysis::Decision decision) noexcept {
  switch (decision) {
    case analysis::Decision::kAccept:
      return rollout::Judgement::kAccept;
    case analysis::Decision::kRollback:
      return rollout::Judgement::kRollback;
    case analysis::Decision::kHold:
      break;
  }
  return rollout::Judgement::kHold;
}

// Enough for every quantile that is judged.
constexpr std::uint64_t kLearned = 200'000;

// Nothing but an operator moves it on.
bool is_held_for_good(const rollout::State& state) noexcept {
  return state.phase == Phase::kHeld && (state.hold == rollout::HoldReason::kInconclusive ||
                                         state.hold == rollout::HoldReason::kVerdict);
}

class Simulation {
 public:
  Simulation(const Scenario& scenario, std::uint64_t seed, std::vector<TracePoint>* trace)
      : scenario_(scenario),
        plan_(scenario.plan),
        random_(seed),
        world_(scenario.traffic, random_),
        gatekeeper_(scenario.protection, random_),
        analyzer_(scenario.settings),
        trace_(trace) {
    plan_.mode = rollout::Mode::kEnforce;
    // There is no calendar here, and everybody agrees at once.
    plan_.freeze.clear();
    plan_.asks_before_step = false;
    for (rollout::Step& step : plan_.steps) step.approvals = {};
    builder_.begin_run(scenario.traffic.broken_route ? scenario.settings.routes.size() : 0);
    learn();
    state_ = rollout::initial_state(plan_, wall_now());
    run_.seed = seed;
    run_.steps.resize(plan_.steps.size());
  }

  RunResult take() {
    happen(rollout::Start{});
    while (!over_ && second_ < scenario_.limit_seconds) one_second();
    run_.seconds = second_;
    run_.users_exposed = world_.users_below(served_);
    return std::move(run_);
  }

 private:
  void one_second() {
    const std::int64_t during = second_;
    traffic(during);
    ++second_;
    if (const auto block = builder_.tick(second_)) analyzer_.absorb(*block);
    if (const auto tripped = gatekeeper_.look(state_, during)) happen(*tripped);
    if (const auto decided = gatekeeper_.watch(state_, during)) happen(*decided);
    if (!over_) happen(tick());
    if (!over_ && state_.phase == Phase::kWaiting) approve();
    // In the same second.
    if (!over_ && state_.phase == Phase::kWaiting) happen(tick());
    if (trace_ != nullptr) trace();
  }

  void traffic(std::int64_t during) {
    const double weight = gatekeeper_.effective(rollout::served_weight(state_)).ratio();
    served_ = std::max(served_, weight);
    Second planned = world_.next(during, weight);
    Sent sent = gatekeeper_.send(planned.canary, during);
    // What the gate, once shut, keeps from the canary.
    const CohortSecond diverted =
        world_.divert(planned.canary.requests - sent.counts.requests, during);
    planned.stable.requests += diverted.requests;
    planned.stable.failures += diverted.failures;
    if (diverted.requests == 0) add_route(planned);
    planned.canary = sent.counts;
    add_evidence(Cohort::kStable, during, planned.stable);
    add_evidence(Cohort::kCanary, during, planned.canary);
    step_requests_ += sent.counts.requests;
    count(sent);
    if (weight <= 0 && state_.phase == Phase::kSuspended) {
      const Sent probe = gatekeeper_.probe(world_.error_rate(Cohort::kCanary, during), during);
      planned.canary.requests += probe.counts.requests;
      planned.canary.failures += probe.counts.failures;
      count(probe);
    }
    gatekeeper_.note(during, planned, builder_.stable_slow());
  }

  // The daemon has seen stable for a while when a rollout begins.
  void learn() {
    gatekeeper_.learn(scenario_.traffic.requests_per_second, scenario_.traffic.stable_error_rate);
    if (!scenario_.settings.judges_latency()) return;
    stats::Histogram past;
    world_.add_latencies(Cohort::kStable, 0, kLearned, past);
    builder_.add_past(past);
  }

  void count(const Sent& sent) noexcept {
    run_.canary_requests += sent.counts.requests;
    run_.canary_failures += sent.counts.failures;
    run_.user_failures += sent.user_failures;
  }

  void add_evidence(Cohort cohort, std::int64_t during, const CohortSecond& counts) {
    const stats::CohortCounts judged{.n = counts.requests, .bad = counts.failures};
    if (!scenario_.settings.judges_latency()) {
      builder_.add(cohort, judged);
    } else {
      stats::Histogram latency;
      world_.add_latencies(cohort, during, counts.requests - counts.failures, latency);
      builder_.add(cohort, judged, latency);
    }
    if (scenario_.settings.dedupe_window >= std::chrono::seconds(1)) {
      const std::uint64_t first = counts.failures - counts.repeated;
      builder_.add_duplicates(cohort,
                              counts.repeated,
                              std::min(counts.repeated, stats::DedupeTable::kRepeatsMax * first));
    }
  }

  // Not of a second in which the gate shut: it is not known what came by the route then.
  void add_route(const Second& second) {
    const auto& route = scenario_.traffic.broken_route;
    if (!route) return;
    const auto add = [&](Cohort cohort, const CohortSecond& counts) {
      builder_.add_route(route->route, cohort, {.n = counts.requests, .bad = counts.failures}, {});
    };
    add(Cohort::kStable, second.stable_by_route);
    add(Cohort::kCanary, second.canary_by_route);
  }

  [[nodiscard]] rollout::Tick tick() const {
    rollout::Tick tick;
    const analysis::Decision decision = analyzer_.decision();
    const bool holds = decision == analysis::Decision::kHold;
    const analysis::Reason reason = analyzer_.hold_reason();
    tick.judgement = judgement_of(decision);
    tick.requests = step_requests_;
    tick.no_data = holds && (analysis::is_no_data(reason) || analyzer_.has_silent_metric());
    tick.both_failing = gatekeeper_.degraded();
    tick.no_control = holds && reason == analysis::Reason::kNoControl;
    return tick;
  }

  void approve() {
    rollout::Approve approve;
    approve.gate = plan_.steps[state_.step].gate;
    happen(std::move(approve));
  }

  void happen(rollout::Event::What what) {
    rollout::Event event;
    event.what = std::move(what);
    rollout::Transition transition = rollout::step(plan_, state_, event, wall_now());
    if (transition.outcome != rollout::Outcome::kChanged) return;
    note_steps(state_, transition.state);
    state_ = std::move(transition.state);
    run_.cause = transition.change.cause;
    for (const rollout::Effect& effect : transition.effects) {
      if (const auto* begun = std::get_if<rollout::BeginStep>(&effect)) begin_step(*begun);
    }
    gatekeeper_.follow(state_);
    end_if_over();
  }

  // As control does it: first the evidence of the old weight, then the new step.
  void begin_step(const rollout::BeginStep& begun) {
    const auto step = static_cast<std::uint32_t>(begun.step);
    if (const auto block = builder_.change(second_, ++epoch_, step)) analyzer_.absorb(*block);
    if (begun_weight_ && begun.weight > *begun_weight_) analyzer_.weight_increased();
    begun_weight_ = begun.weight;
    analysis::StepTarget target;
    if (begun.next_weight > BasisPoints(0)) target.next_weight = begun.next_weight;
    target.has_control = begun.weight.value() < BasisPoints::kMax;
    builder_.set_latency_rules(analysis::latency_rules(scenario_.settings, target.next_weight));
    analyzer_.begin_step(target);
    step_requests_ = 0;
  }

  void note_steps(const rollout::State& before, const rollout::State& after) {
    const bool begins = before.phase == Phase::kIdle;
    const bool rises = !begins && after.weight > before.weight;
    if (rises || after.phase == Phase::kBaking) {
      StepTime& left = run_.steps[before.step];
      if (!left.passed) left.passed = second_;
    }
    if (!begins && !rises) return;
    StepTime& entered = run_.steps[after.step];
    if (!entered.begun) entered.begun = second_;
  }

  void end_if_over() noexcept {
    if (state_.phase == Phase::kBaking || state_.phase == Phase::kPromoted) {
      run_.outcome = Outcome::kPromoted;
    } else if (state_.phase == Phase::kRolledBack) {
      run_.outcome = Outcome::kRolledBack;
    } else if (is_held_for_good(state_)) {
      run_.outcome = Outcome::kHeld;
    } else {
      return;
    }
    over_ = true;
  }

  void trace() const {
    const analysis::Verdict verdict = analyzer_.evaluate();
    double accept = 0;
    if (verdict.deciding < verdict.metrics.size()) {
      accept = 1;
      for (const analysis::MetricReport& metric : verdict.metrics) {
        if (metric.required) accept = std::min(accept, metric.accept_evidence);
      }
    }
    trace_->push_back({.second = second_,
                       .weight = rollout::served_weight(state_).ratio(),
                       .rollback_evidence = verdict.rollback_evidence,
                       .accept_evidence = accept,
                       .user_failures = run_.user_failures});
  }

  [[nodiscard]] WallTime wall_now() const noexcept {
    return WallTime(std::chrono::seconds(second_));
  }

  const Scenario& scenario_;
  rollout::Plan plan_;
  Random random_;
  World world_;
  Gatekeeper gatekeeper_;
  analysis::Analyzer analyzer_;
  stats::BlockBuilder builder_{0, 0, 0};
  rollout::State state_;
  std::optional<BasisPoints> begun_weight_;
  std::uint64_t epoch_ = 0;
  std::uint64_t step_requests_ = 0;
  std::int64_t second_ = 0;  // That have passed.
  double served_ = 0;        // The greatest weight so far.
  bool over_ = false;
  RunResult run_;
  std::vector<TracePoint>* trace_;
};

}  // namespace

std::string_view to_string(Outcome outcome) noexcept {
  switch (outcome) {
    case Outcome::kPromoted:
      return "promoted";
    case Outcome::kRolledBack:
      return "rolled_back";
    case Outcome::kHeld:
      return "held";
    case Outcome::kRunning:
      return "running";
  }
  return "running";
}

RunResult run_rollout(const Scenario& scenario,
                      std::uint64_t seed,
                      std::vector<TracePoint>* trace) {
  return Simulation(scenario, seed, trace).take();
}

}  // namespace canaryd::simulate
