#include "control/runner.hpp"

#include "canaryd/base/units.hpp"
#include "control/verdict_record.hpp"

#include <algorithm>
#include <utility>
#include <variant>

namespace canaryd::control {
namespace {

template <class Effect>
const Effect* find_effect(const rollout::Transition& transition) {
  for (const rollout::Effect& effect : transition.effects) {
    if (const auto* found = std::get_if<Effect>(&effect)) return found;
  }
  return nullptr;
}

bool ends_canary(const rollout::Event& event) noexcept {
  const auto* const back = std::get_if<rollout::RollBack>(&event.what);
  return std::holds_alternative<rollout::Abort>(event.what) ||
         (back != nullptr && back->over == Duration::zero());
}

bool ends_canary(const rollout::Plan& plan, const rollout::Tick& tick) noexcept {
  if (plan.mode != rollout::Mode::kEnforce) return false;
  const bool by_verdict = tick.judgement == rollout::Judgement::kRollback &&
                          plan.on_failure == rollout::OnFailure::kRollback;
  const bool degraded = !tick.stable_up || tick.both_failing;
  return by_verdict || (tick.readings == rollout::Readings::kRollback && !degraded);
}

// Everybody on the canary leaves nobody to compare it with.
bool has_control(BasisPoints weight) noexcept {
  return weight.value() < BasisPoints::kMax;
}

}  // namespace

Runner::Runner(std::shared_ptr<RunnerHost> host,
               config::Rollout config,
               rollout::State state,
               Evidence evidence)
    : host_(std::move(host)),
      config_(std::move(config)),
      state_(std::move(state)),
      evidence_(std::move(evidence)),
      queries_(host_->http_io, host_->read_file, host_->log),
      gate_(std::make_shared<routing::CohortGate>()),
      // Generation 0 is a gate that nobody opened, hence the one more.
      gate_generation_(state_.generation + 1),
      served_(rollout::served_weight(state_)),
      admission_(rollout::admission(state_)) {
  // What is durable may be in force from the first table on.
  gate_->begin(gate_generation_, served_);
  // Where no endpoint was healthy nothing has to be probed: it goes on as soon as one is.
  if (state_.phase == rollout::Phase::kSuspended && !state_.unhealthy) {
    gate_->open(gate_generation_, host_->now() + config_.circuit.open_for);
  }
}

InForce Runner::in_force() const {
  InForce now;
  now.weight = served_;
  now.waiting = state_.weight;
  now.admission = admission_;
  now.watched = watches_stable();
  now.stable_gone = rollout::stable_is_gone(state_);
  now.run = gate_generation_;
  now.epoch = epoch_;
  now.step = static_cast<std::uint32_t>(state_.step);
  now.gate = gate_;
  // Tables are published before the evidence of a new run begins.
  const bool begun = evidence_.run() == state_.run;
  const analysis::Settings& settings = begun ? evidence_.analyzer().settings() : config_.analysis;
  const bool last = state_.next_weight == BasisPoints(0);
  now.latency =
      analysis::latency_rules(settings, last ? BasisPoints(BasisPoints::kMax) : state_.next_weight);
  if (settings.routes.size() >= 2) now.routes = settings.routes;
  now.segments = settings.segments;
  if (begun) now.known = evidence_.known_latency();
  return now;
}

bool Runner::watches_stable() const noexcept {
  const bool late =
      state_.phase == rollout::Phase::kPromoted || state_.phase == rollout::Phase::kRetiring;
  return late && config_.plan.retire.has_value();
}

// ---- The queue

void Runner::handle(rollout::Event event, Done done, std::optional<std::uint64_t> if_match) {
  if (busy_ && ends_canary(event)) brake();
  enqueue({std::move(event), nullptr, std::move(done), if_match, std::nullopt});
}

void Runner::tick(const rollout::Tick& tick, std::string reason, std::string at_start) {
  if (!durable_) retry_store();
  if (postponed_ != nullptr && !busy_) {
    const auto next = std::move(postponed_);
    replan(std::move(*next), tick.stable_up);
  }
  if (busy_) {
    // Levels come again with the next tick; only a bad verdict does not wait, and is queued once.
    const bool ends = ends_canary(config_.plan, tick) && !rollout::stable_is_gone(state_);
    if (braked_ || !ends) return;
    brake();
  }
  rollout::Event event;
  event.what = tick;
  event.reason = std::move(reason);
  event.evidence = at_start.empty() ? evidence_text(tick) : std::move(at_start);
  enqueue({std::move(event), nullptr, nullptr, std::nullopt, state_.run});
}

void Runner::follow_health(bool up, bool proven) {
  rollout::Event event;
  if (!up) {
    // There is nowhere to go back to.
    if (rollout::stable_is_gone(state_)) return;
    // One that waits in the queue is enough: levels come again.
    if (busy_ ? braked_ : rollout::served_weight(state_) == BasisPoints(0)) return;
    if (busy_) brake();
    event.what = rollout::CircuitOpened{rollout::Trip::kUnhealthy};
    event.reason = "no healthy endpoint";
  } else {
    if (!proven || busy_ || state_.phase != rollout::Phase::kSuspended) return;
    // Where the circuit is open it is the probes that decide.
    if (gate_->state().open) return;
    event.what = rollout::CircuitClosed{};
  }
  enqueue({std::move(event), nullptr, nullptr, std::nullopt, std::nullopt});
}

// The figures behind what the machine may do next; how many requests and how long, it adds itself.
std::string Runner::evidence_text(const rollout::Tick& tick) const {
  // The same order as in the machine.
  const bool by_verdict = tick.judgement == rollout::Judgement::kRollback &&
                          (tick.readings != rollout::Readings::kRollback ||
                           config_.plan.on_failure == rollout::OnFailure::kRollback);
  if (tick.readings > rollout::Readings::kOpen && !by_verdict) return queries().why;
  if (watches_stable() && tick.judgement != rollout::Judgement::kRollback) {
    return idle_text(tick.stable_use);
  }
  const analysis::Verdict& verdict = evidence_.verdict();
  // What has not begun has no figures of its own; those that are there belong to the run before.
  if (state_.phase == rollout::Phase::kIdle || verdict.deciding >= verdict.metrics.size())
    return {};
  if (verdict.reason == analysis::Reason::kNoControl) {
    const bool limited = evidence_.analyzer().settings().limits.any();
    return limited ? "no stable traffic to compare with, judged by limits alone"
                   : "no stable traffic to compare with";
  }
  return analysis::describe_rates(verdict);
}

std::string Runner::idle_text(const rollout::StableUse& use) const {
  if (use.active) return "requests or tunnels are open";
  return "no request to " + state_.stable + " for " +
         format_duration_brief(use.idle.value_or(Duration::zero()));
}

void Runner::absorb(stats::Block block) {
  if (is_over() && block.limits_only()) return;
  if (is_over()) block.limits = {};
  evidence_.absorb(block);
}

bool Runner::is_over() const noexcept {
  return state_.phase == rollout::Phase::kPromoted || state_.phase == rollout::Phase::kRetiring ||
         state_.phase == rollout::Phase::kRetired;
}

void Runner::prepare(const rollout::Plan& next) noexcept {
  if (rollout::is_another_rollout(next, state_) && !rollout::stable_is_gone(state_)) brake();
}

void Runner::replan(Replanning next, bool stable_up) {
  // What is still to be told of an earlier reload is told with this one.
  const std::string earlier = postponed_ == nullptr ? "" : postponed_->changes;
  if (!earlier.empty()) next.changes = earlier + (next.changes.empty() ? "" : "; ") + next.changes;
  postponed_ = nullptr;
  rollout::Event event;
  event.what = rollout::NewPlan{stable_up, !next.changes.empty()};
  event.actor = next.actor;
  event.reason = next.reason.empty() ? "configuration reloaded" : next.reason;
  event.evidence = next.changes;
  enqueue({std::move(event),
           std::make_unique<Replanning>(std::move(next)),
           nullptr,
           std::nullopt,
           std::nullopt});
}

// Users are taken off the canary now; the machine, the tables and the journal follow in their
// order.
void Runner::brake() noexcept {
  if (state_.phase == rollout::Phase::kRetired) return;
  braked_ = true;
  gate_->lower(gate_generation_, BasisPoints(0));
}

// The queue is done. If what braked changed nothing after all, the weight in force is the durable
// one again.
void Runner::release_brake() noexcept {
  if (!braked_) return;
  braked_ = false;
  const routing::GateState seen = gate_->state();
  if (served_ > seen.ceiling) static_cast<void>(gate_->raise(seen, served_));
}

void Runner::enqueue(Pending pending) {
  queue_.push_back(std::move(pending));
  run_queue();
}

void Runner::run_queue() {
  while (!busy_ && !queue_.empty()) {
    Pending next = std::move(queue_.front());
    queue_.pop_front();
    if (is_void(next)) continue;
    const rollout::Plan& plan =
        next.replanning != nullptr ? next.replanning->config.plan : config_.plan;
    rollout::Transition transition = rollout::step(plan, state_, next.event, host_->wall_now());
    if (transition.outcome != rollout::Outcome::kChanged) {
      answer_unchanged(next, transition);
      continue;
    }
    auto job = std::make_shared<Job>();
    job->transition = std::move(transition);
    job->replanning = std::move(next.replanning);
    job->done = std::move(next.done);
    perform(std::move(job));
  }
  if (!busy_) release_brake();
}

// What it was about has passed while it waited.
bool Runner::is_void(const Pending& pending) const {
  // A verdict on the run before says nothing about this one.
  if (pending.run && *pending.run != state_.run) return true;
  if (!pending.if_match || *pending.if_match == state_.generation) return false;
  Answer answer;
  answer.stale = true;
  if (pending.done) pending.done(answer);
  return true;
}

void Runner::answer_unchanged(Pending& pending, const rollout::Transition& transition) {
  const bool refused = transition.outcome == rollout::Outcome::kRefused;
  if (pending.replanning != nullptr && !refused) config_ = std::move(pending.replanning->config);
  if (pending.replanning != nullptr && refused) {
    host_->log->warn(log_event::kReloaded,
                     config_.name + " goes on under its old plan: " + transition.refusal,
                     {{"rollout", config_.name}});
  }
  Answer answer;
  answer.outcome = transition.outcome;
  answer.durable = durable_;
  answer.refusal = transition.refusal;
  if (pending.done) pending.done(answer);
}

// ---- Performing

void Runner::perform(JobPointer job) {
  busy_ = true;
  // Nobody is called before it is durable.
  const bool calls = find_effect<rollout::Decommission>(job->transition) != nullptr;
  if (calls || job->transition.change.direction == rollout::Direction::kUp) {
    rise(job);
  } else {
    fall_or_stay(job);
  }
}

// Persist, publish, wait for every worker, lift the gate.
void Runner::rise(const JobPointer& job) {
  const auto self = shared_from_this();
  host_->store->write(batch_of(*job), store::Keep::kOnce, [self, job](const Result<void>& written) {
    if (self->host_->closed) return;
    if (!written) {
      self->rise_failed(job, written.error());
      return;
    }
    self->durable_ = true;
    self->store_works();
    self->publish_rise(job);
  });
}

void Runner::publish_rise(const JobPointer& job) {
  commit(*job);
  const routing::GateState seen = gate_->state();
  const auto self = shared_from_this();
  // The workers may have the table before publish() returns; what comes next in the queue must find
  // the evidence of this step begun all the same.
  const auto missing = std::make_shared<int>(2);
  const auto arrived = [self, job, seen, missing] {
    if (--*missing > 0 || self->host_->closed) return;
    self->lift_gate(job->transition.change, seen);
    self->finish(job, true);
  };
  host_->publish(arrived);
  update_evidence(*job);
  arrived();
}

// The gate, the tables, the journal.
void Runner::fall_or_stay(const JobPointer& job) {
  gate_->lower(gate_generation_, rollout::served_weight(job->transition.state));
  store::Batch batch = batch_of(*job);
  const std::uint64_t epoch_before = epoch_;
  commit(*job);
  if (epoch_ != epoch_before) host_->publish(nullptr);
  update_evidence(*job);
  const auto self = shared_from_this();
  host_->store->write(
      std::move(batch), store::Keep::kUntilWritten, [self, job](const Result<void>& written) {
        if (self->host_->closed) return;
        self->durable_ = written.has_value();
        if (written) {
          self->store_works();
        } else {
          self->kept_ = written.error().retry != Retry::kNever;
          self->store_failed(written.error());
        }
        self->finish(job, written.has_value());
      });
}

void Runner::commit(Job& job) {
  const rollout::Transition& transition = job.transition;
  const bool run_changed = transition.state.run != state_.run;
  const bool watched = watches_stable();
  const bool gone = rollout::stable_is_gone(state_);
  if (job.replanning != nullptr) config_ = job.replanning->config;
  state_ = transition.state;
  const BasisPoints served = rollout::served_weight(state_);
  const rollout::Admission admission = rollout::admission(state_);
  const bool step_begun = find_effect<rollout::BeginStep>(transition) != nullptr;
  const bool retires = watched != watches_stable() || gone != rollout::stable_is_gone(state_);
  if (run_changed || step_begun || retires || served != served_ || admission != admission_) {
    ++epoch_;
  }
  // Nothing that was lowered for an older run may hold back this one, and nothing is raised here.
  if (run_changed) {
    const BasisPoints ceiling = std::min(gate_->ceiling(), served);
    gate_generation_ = state_.generation + 1;
    gate_->begin(gate_generation_, ceiling);
    exposure_.begin(0);
    trips_.begin();
    exposure_stored_ = 0;
  }
  served_ = served;
  admission_ = admission;
  forget_circuit();
}

void Runner::update_evidence(const Job& job) {
  if (const auto* fresh = find_effect<rollout::FreshEvidence>(job.transition)) {
    evidence_ = Evidence(config_.name, fresh->run, config_.analysis);
  }
  if (const auto* begun = find_effect<rollout::BeginStep>(job.transition)) {
    evidence_.begin_step(begun->weight, begun->next_weight, has_control(begun->weight));
  }
}

// With the figures in force before the transition. The evidence may not have begun with the run
// yet.
std::string Runner::recorded(const std::string& evidence) const {
  const bool begun = state_.run > 0 && evidence_.run() == state_.run;
  return serialise(begun ? record_of(evidence, evidence_) : record_of(evidence));
}

store::Batch Runner::batch_of(Job& job) {
  store::Batch batch;
  batch.entries.push_back(store::entry_of(job.transition));
  batch.entries.back().evidence = recorded(batch.entries.back().evidence);
  job.evidence = evidence_.take_pending();
  batch.evidence = job.evidence;
  return batch;
}

void Runner::rise_failed(const JobPointer& job, const Error& error) {
  store_failed(error);
  evidence_.put_back(std::move(job->evidence));
  // The configuration is in force already; the plan follows when the journal can be written.
  if (job->replanning == nullptr && rollout::is_another_rollout(config_.plan, state_)) {
    // It was a restart that said so.
    job->replanning = std::make_unique<Replanning>(Replanning{config_});
  }
  if (job->replanning != nullptr && postponed_ == nullptr) postponed_ = std::move(job->replanning);
  busy_ = false;
  Answer answer;
  answer.failed = true;
  answer.refusal =
      "the weight was not raised because the journal cannot be written: " + describe(error);
  if (job->done) job->done(answer);
  run_queue();
}

void Runner::finish(const JobPointer& job, bool durable) {
  const rollout::Change& change = job->transition.change;
  ++counts_.transitions[{std::string(rollout::to_string(change.to)),
                         std::string(rollout::to_string(change.cause))}];
  if (change.to == rollout::Phase::kRolledBack && change.from != rollout::Phase::kRolledBack) {
    ++counts_.rollbacks[std::string(rollout::to_string(change.cause))];
  }
  announce(change, durable);
  if (durable) forget_old_evidence(*job);
  busy_ = false;
  Answer answer;
  answer.outcome = rollout::Outcome::kChanged;
  answer.durable = durable;
  if (job->done) job->done(answer);
  const bool calls = find_effect<rollout::Decommission>(job->transition) != nullptr;
  if (calls && host_->decommission) host_->decommission(config_.name);
  run_queue();
}

// Not before the new run is durable: after a crash the old one would go on without its evidence.
void Runner::forget_old_evidence(const Job& job) {
  const auto* fresh = find_effect<rollout::FreshEvidence>(job.transition);
  if (fresh == nullptr) return;
  host_->store->drop_evidence(config_.name, fresh->run, [](const Result<void>&) {
    // Old rows cost room, not truth: the next fresh start drops them again.
  });
}

void Runner::announce(const rollout::Change& change, bool durable) {
  host_->log->info(log_event::kTransition,
                   rollout::sentence(change),
                   {{"rollout", change.rollout},
                    {"from", rollout::to_string(change.from)},
                    {"to", rollout::to_string(change.to)},
                    {"reason", rollout::to_string(change.cause)},
                    {"weight", change.weight_after.percent()},
                    {"actor", change.actor},
                    {"comment", change.reason},
                    {"evidence", change.evidence},
                    {"generation", change.generation},
                    {"durable", durable}});
  if (host_->announced) host_->announced(change, durable);
}

// ---- The store

void Runner::save_evidence() {
  // One at a time, so that no later row is there while an earlier one is missing.
  if (saving_) return;
  std::vector<store::EvidenceRow> rows = evidence_.take_pending();
  if (rows.empty()) return;
  store::Batch batch;
  batch.evidence = rows;
  saving_ = true;
  const auto self = shared_from_this();
  host_->store->write(std::move(batch),
                      store::Keep::kOnce,
                      [self, rows = std::move(rows)](const Result<void>& written) mutable {
                        self->saving_ = false;
                        if (self->host_->closed) return;
                        if (written) {
                          self->store_works();
                          return;
                        }
                        self->store_failed(written.error());
                        if (rows.front().run == self->evidence_.run()) {
                          self->evidence_.put_back(std::move(rows));
                        }
                      });
}

void Runner::store_failed(const Error& error) {
  if (!store_failing_) {
    host_->log->error(
        log_event::kStoreFailed,
        "the journal cannot be written; no weight rises until it can: " + describe(error),
        {{"rollout", config_.name}});
  }
  store_failing_ = true;
}

// Something was written; that nothing had to be is no proof.
void Runner::store_works() {
  if (!store_failing_) return;
  store_failing_ = false;
  host_->log->info(
      log_event::kStoreRecovered, "the journal is written again", {{"rollout", config_.name}});
}

// What the store did not keep it cannot write later either: then only a later transition makes the
// state durable.
void Runner::retry_store() {
  if (flushing_ || !kept_) return;
  flushing_ = true;
  const auto self = shared_from_this();
  host_->store->flush([self](const Result<void>& flushed) {
    self->flushing_ = false;
    if (self->host_->closed || !flushed) return;
    self->durable_ = true;
    self->store_works();
  });
}

}  // namespace canaryd::control
