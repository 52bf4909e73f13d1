#include "sim/rollout_sim_model.hpp"

#include "sim/analysis_model.hpp"

#include <chrono>
#include <utility>

namespace canaryd::sim {
namespace {

using namespace std::chrono_literals;
using rollout::Phase;

config::Rollout make_config() {
  config::Rollout rollout;
  rollout.name = "shop";
  rollout.stable = UpstreamId(0);
  rollout.canary = UpstreamId(1);
  rollout.plan.name = "shop";
  rollout.plan.stable = "old";
  rollout.plan.canary = "new";
  rollout.plan.steps.clear();
  for (const unsigned percent : {10U, 50U, 100U}) {
    rollout::Step step;
    step.weight = BasisPoints(percent * 100);
    step.min_duration = 2s;
    rollout.plan.steps.push_back(step);
  }
  rollout.plan.bake.duration = 20s;
  rollout.plan.bake.holdback = BasisPoints(1000);
  // A service that can live with half a percentage point decides within seconds, so that a thousand
  // rollouts fit into a test.
  rollout.analysis.tolerance.errors.absolute = 0.005;
  rollout.analysis.latency_quantiles.clear();  // This world has none.
  return rollout;
}

bool is_over(Phase phase) noexcept {
  return phase == Phase::kRolledBack || phase == Phase::kAborted || phase == Phase::kPromoted;
}

stats::CohortCounts responses(Random& random, double mean, double bad_rate) {
  const std::uint64_t bad = poisson(random, mean * bad_rate);
  return {.n = bad + poisson(random, mean * (1 - bad_rate)), .bad = bad};
}

}  // namespace

RolloutSim::RolloutSim(const RolloutScenario& scenario, Log& log, std::uint64_t seed)
    : scenario_(scenario), log_(log), random_(seed), config_(make_config()) {
  boot();
}

RolloutSim::~RolloutSim() {
  power_off();
}

RolloutResult RolloutSim::run() {
  while (second_ < scenario_.horizon_seconds && !is_over(runner_->state().phase)) one_second();
  result_.seconds = second_;
  disk_fails_until_ = slow_until_ = 0;
  disk_.catch_up(*store_);
  disk_.work();
  for (int i = 0; i < 2; ++i) {
    // The last tick retries what is not durable.
    clock_.advance(1s);
    runner_->tick({});
    settle();
    runner_->save_evidence();
    settle();
  }
  result_.phase = runner_->state().phase;
  if (!runner_->durable()) violated("not durable although the disk works");
  if (fell_ && result_.phase != Phase::kRolledBack && result_.phase != Phase::kAborted) {
    violated("users were sent back while the weight grew");
  }
  check_replay();
  return result_;
}

// ---- The daemon

void RolloutSim::boot() {
  store_ = std::make_unique<store::AsyncStore>(std::make_unique<canaryd::test::MemoryStore>(disk_),
                                               loop_.executor());
  host_ = std::make_shared<control::RunnerHost>();
  host_->store = store_.get();
  host_->log = &log_;
  host_->now = [this] { return clock_.now(); };
  host_->wall_now = [this] { return clock_.wall_now(); };
  host_->publish = [this](std::function<void()> done) { take_table(std::move(done)); };
  canaryd::test::MemoryStore reader(disk_);
  const auto recovered = control::recover(reader);
  CANARYD_ASSERT(recovered.has_value());
  auto made = control::make_runner(host_, config_, *recovered, clock_.wall_now());
  CANARYD_ASSERT(made.has_value());
  runner_ = std::move(*made);
  table_ = runner_->in_force();
  builder_.emplace(second_, table_.epoch, table_.step);
  const auto rows = disk_.journal();
  const BasisPoints durable = rows.empty() ? BasisPoints(0) : rows.back().entry.weight_after;
  if (effective() > durable) violated("more is in force after a restart than was durable");
  if (abort_acknowledged_ && effective().value() != 0) violated("an acknowledged abort was lost");
  control::announce_restart(*runner_, "daemon started");
}

// The store does what it was asked already; nobody hears of it any more.
void RolloutSim::power_off() {
  store_.reset();
  loop_.forget();
  waiting_tables_.clear();
  runner_.reset();
}

void RolloutSim::crash() {
  ++result_.crashes;
  power_off();
  disk_.work();
  disk_fails_until_ = slow_until_ = 0;
  // What was in force and not durable may come back; that is no user sent back and forth by us.
  fell_ = false;
  boot();
  seen_ = effective();
  settle();
}

// ---- One second

void RolloutSim::one_second() {
  ++second_;
  clock_.advance(1s);
  disk_.catch_up(*store_);
  if (second_ >= disk_fails_until_) disk_.work();
  if (random_.chance(scenario_.disk_fails)) {
    disk_.fail();
    disk_fails_until_ = second_ + 1 + static_cast<std::int64_t>(random_.below(10));
  }
  if (random_.chance(scenario_.disk_is_slow)) {
    slow_until_ = second_ + 1 + static_cast<std::int64_t>(random_.below(5));
  }
  const bool dies = random_.chance(scenario_.crashes);
  if (dies && random_.chance(0.3)) disk_.fail();  // With the very last write.

  traffic();
  rollout::Tick tick;
  const analysis::Verdict& verdict = runner_->evidence().verdict();
  if (verdict.decision == analysis::Decision::kAccept) tick.judgement = rollout::Judgement::kAccept;
  if (verdict.decision == analysis::Decision::kRollback) {
    tick.judgement = rollout::Judgement::kRollback;
  }
  tick.no_data =
      analysis::is_no_data(verdict.reason) || analysis::silent_metric(verdict) != nullptr;
  tick.requests = static_cast<std::uint64_t>(verdict.metrics.front().canary_n);
  runner_->tick(tick);
  check();
  meddle();
  if (second_ % 5 == 0) runner_->save_evidence();
  if (dies) {
    settle_in_part();
    crash();
  } else if (second_ >= slow_until_) {
    settle();
  }
  check();
}

void RolloutSim::traffic() {
  const double weight = effective().ratio();
  const double rate = scenario_.requests_per_second;
  const auto canary = responses(random_, rate * weight, scenario_.canary_rate);
  builder_->add(Cohort::kCanary, canary);
  builder_->add(Cohort::kStable, responses(random_, rate * (1 - weight), scenario_.stable_rate));
  result_.canary_requests += canary.n;
  result_.canary_failures += canary.bad;
  if (weight > 0) ++result_.exposed_seconds;
  if (const auto closed = builder_->tick(second_)) runner_->absorb(*closed);
}

void RolloutSim::command(rollout::Event::What what) {
  rollout::Event event;
  const bool aborts = std::holds_alternative<rollout::Abort>(what);
  event.what = std::move(what);
  event.actor = "anna";
  runner_->handle(std::move(event), [this, aborts](const control::Runner::Answer& answer) {
    if (aborts && answer.durable && !answer.failed) abort_acknowledged_ = true;
  });
  if (aborts && effective().value() != 0) violated("an abort did not act at once");
}

void RolloutSim::meddle() {
  if (random_.chance(scenario_.operator_aborts)) {
    result_.aborted_by_operator = true;
    command(rollout::Abort{});
    return;
  }
  const bool is_paused = runner_->state().phase == Phase::kPaused;
  if (is_paused && random_.chance(0.2)) command(rollout::Resume{});
  if (!random_.chance(scenario_.operator_meddles)) return;
  const BasisPoints before = effective();
  if (random_.chance(0.5)) {
    command(rollout::Pause{});
    return;
  }
  // A reload with another second step, or with the first one again.
  const unsigned second = config_.plan.steps[1].weight == BasisPoints(5000) ? 3000 : 5000;
  config_.plan.steps[1].weight = BasisPoints(second);
  runner_->prepare(config_.plan);
  runner_->replan({config_}, true);
  if (effective() != before) violated("a reload moved the weight");
}

// ---- The data plane

void RolloutSim::take_table(std::function<void()> done) {
  // As control does: the old table's evidence first.
  const control::InForce next = runner_->in_force();
  if (next.epoch != table_.epoch) {
    if (const auto closed = builder_->change(second_, next.epoch, next.step)) {
      runner_->absorb(*closed);
    }
  }
  table_ = next;
  if (done) waiting_tables_.push_back(std::move(done));
  check();
}

void RolloutSim::deliver_tables() {
  for (const auto& done : std::exchange(waiting_tables_, {})) {
    done();
    check();
  }
}

void RolloutSim::settle() {
  loop_.settle(*store_);
  while (!waiting_tables_.empty()) {
    deliver_tables();
    loop_.settle(*store_);
  }
}

void RolloutSim::settle_in_part() {
  for (std::uint64_t effects = random_.below(6); effects > 0; --effects) {
    if (!waiting_tables_.empty()) {
      deliver_tables();
      continue;
    }
    bool back = false;
    store_->verify_some({}, 1, [&back](const Result<store::Verification>&) { back = true; });
    loop_.run_one();
    while (!back && random_.chance(0.7)) loop_.run_one();
    check();
    if (!back) return;
  }
}

// ---- The invariants

BasisPoints RolloutSim::effective() const {
  return table_.gate->effective(table_.weight);
}

void RolloutSim::check() {
  const BasisPoints now = effective();
  const Phase phase = runner_->state().phase;
  const auto rows = disk_.journal();
  const BasisPoints durable = rows.empty() ? BasisPoints(0) : rows.back().entry.weight_after;
  if (now > durable) violated("the weight in force is above the durable one");
  if (fell_ && now.value() > 0) violated("users came back to a canary that was taken away");
  if (now < seen_) fell_ = true;
  if ((phase == Phase::kRolledBack || phase == Phase::kAborted) && now.value() != 0) {
    violated("somebody is on a canary that was rolled back");
  }
  seen_ = now;
}

void RolloutSim::check_replay() {
  const auto rows = disk_.journal();
  if (rows.empty()) return;
  const auto state = rollout::parse_state(rows.back().entry.state);
  if (!state || !(*state == runner_->state())) violated("the journal gives another state");
  for (std::size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].entry.generation != rows[i - 1].entry.generation + 1) {
      violated("the journal has a gap");
    }
  }
  const std::uint64_t run = runner_->state().run;
  if (runner_->evidence().run() != run) return;
  const auto replayed =
      control::Evidence::replay("shop", run, config_.analysis, disk_.evidence("shop", run));
  if (!replayed || !(replayed->analyzer() == runner_->evidence().analyzer())) {
    violated("the evidence rows give another analyzer");
  }
}

void RolloutSim::violated(const std::string& what) {
  result_.violations.push_back(what + " in second " + std::to_string(second_));
}

}  // namespace canaryd::sim
