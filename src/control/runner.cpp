#include "control/runner.hpp"

#include "canaryd/base/units.hpp"
#include "control/verdict_record.hpp"

#include <algorithm>
#include <utility>
#include <variant>

namespace canaryd::control {
namespace {

bool is_in_trouble(const rollout::State& state) noexcept {
  return state.hold == rollout::HoldReason::kEnvironmentDegraded ||
         state.suspended_hold == rollout::HoldReason::kEnvironmentDegraded ||
         rollout::is_returning(state);
}

bool ends_canary(const rollout::Event& event) noexcept {
  const auto* const back = std::get_if<rollout::RollBack>(&event.what);
  return std::holds_alternative<rollout::Abort>(event.what) || (back != nullptr && !back->over);
}

bool ends_canary(const rollout::Plan& plan, const rollout::Tick& tick) noexcept {
  if (plan.mode != rollout::Mode::kEnforce) return false;
  const bool by_verdict = tick.judgement == rollout::Judgement::kRollback &&
                          plan.on_failure == rollout::OnFailure::kRollback;
  const bool degraded = !tick.stable_up || tick.both_failing;
  return by_verdict || (tick.readings == rollout::Readings::kRollback && !degraded);
}

}  // namespace

WallTime RunnerHost::look_at_clocks() {
  // In this order: a process that is stopped in between sees a clock that was set forward, and at
  // the next look back again. Until then nothing has lasted longer for it.
  const Monotonic at = now();
  const WallTime wall = wall_now();
  const WallTime::duration step = clock_watch.look(at, wall);
  if (step != WallTime::duration::zero()) {
    log->warn(kClockSet,
              std::string("the wall clock was set ") +
                  (step > WallTime::duration::zero() ? "forward" : "back") + " by " +
                  format_duration_brief(std::chrono::abs(step)) +
                  ": what has to last goes on by real time, what has a date follows the clock",
              {{"seconds", std::chrono::duration<double>(step).count()}});
  }
  return wall;
}

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
      admission_(rollout::admission(state_)),
      began_in_trouble_(is_in_trouble(state_)) {
  // Of a clock that was set before, nothing is known: the times are those of the journal.
  host_->look_at_clocks();
  clock_seen_ = host_->clock_watch.total();
  // What is durable may be in force from the first table on.
  gate_->begin(gate_generation_, served_);
  // Where no endpoint was healthy nothing has to be probed: it goes on as soon as one is.
  if (state_.phase == rollout::Phase::kSuspended && !state_.unhealthy) {
    gate_->open(gate_generation_, host_->now() + config_.circuit.open_for);
  }
}

InForce Runner::in_force() const {
  InForce now;
  now.stable = state_.stable;
  now.canary = state_.canary;
  now.revision = state_.revision;
  now.weight = served_;
  now.waiting = state_.weight;
  now.admission = admission_;
  now.watched = watches_stable();
  now.stable_gone = rollout::stable_is_gone(state_);
  now.run = gate_generation_;
  now.epoch = epoch_;
  now.step = static_cast<std::uint32_t>(state_.step);
  now.attempt = attempt_;
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

bool watches_stable(const rollout::Plan& plan, const rollout::State& state) noexcept {
  const bool late =
      state.phase == rollout::Phase::kPromoted || state.phase == rollout::Phase::kRetiring;
  return late && plan.retire.has_value();
}

bool Runner::watches_stable() const noexcept {
  return control::watches_stable(config_.plan, state_);
}

// The journal is not told: the next row has the times as they are by then. A daemon that ends
// before goes on from those of the last row, like one whose clock is set while it does not run: no
// restart can tell the two apart, unless that row is ahead of the clock (recovery.cpp). Where a
// step is under way it begins the count again anyway.
WallTime Runner::follow_clock() {
  const WallTime now = host_->look_at_clocks();
  // What is under way has times of the clock before, and takes the place of the state.
  if (busy_) return now;
  const WallTime::duration total = host_->clock_watch.total();
  const WallTime::duration by = total - std::exchange(clock_seen_, total);
  if (by == WallTime::duration::zero()) return now;
  const bool grouped = state_.run_since > WallTime();
  for (WallTime* const time :
       {&state_.since, &state_.step_since, &state_.timer_since, &state_.run_since}) {
    if (time == &state_.run_since && !grouped) continue;
    // As far as a state can say it.
    *time = std::clamp(*time + by, WallTime(), rollout::kForever);
  }
  return now;
}

// ---- The queue

void Runner::handle(rollout::Event event, Done done, std::optional<std::uint64_t> if_match) {
  if (busy_ && ends_canary(event)) {
    // It acts now, so its condition is about the generation in force now. Once it has acted, what
    // is under way must not make it void: nobody who ended what he saw is put back.
    if (if_match == state_.generation) if_match.reset();
    if (!if_match) brake();
  }
  enqueue({std::move(event), nullptr, std::move(done), if_match, std::nullopt});
}

void Runner::tick(const rollout::Tick& tick,
                  std::string reason,
                  std::string evidence,
                  bool stable_known) {
  look_at_writes();
  if (!durable_) retry_store();
  if (postponed_ != nullptr && !busy_ && stable_known) {
    begin_postponed(tick.stable_up);
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
  event.evidence = evidence.empty() ? evidence_text(tick) : std::move(evidence);
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
    event.reason = kNoHealthyEndpoint;
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
  if (verdict.decision == analysis::Decision::kHold) {
    if (const auto* silent = analysis::silent_metric(verdict)) {
      return analysis::describe_rates(*silent);
    }
  }
  return analysis::describe_rates(verdict);
}

std::string Runner::idle_text(const rollout::StableUse& use) const {
  if (use.active) return "requests or tunnels are open";
  return "no request to " + state_.stable + " for " +
         format_duration_brief(use.idle.value_or(Duration::zero()));
}

void Runner::absorb(stats::Block block) {
  // What its last answers and its way back bring would show other figures than those it ended by.
  if (rollout::has_ended(state_)) return evidence_.learn(block);
  if (is_over() && block.limits_only()) return;
  if (is_over()) block.limits = {};
  evidence_.absorb(block);
}

bool Runner::is_over() const noexcept {
  return state_.phase == rollout::Phase::kPromoted || state_.phase == rollout::Phase::kRetiring ||
         state_.phase == rollout::Phase::kRetired;
}

void Runner::prepare(const rollout::Plan& next, bool has_versions) noexcept {
  if (!rollout::is_another_rollout(next, state_) || rollout::stable_is_gone(state_)) return;
  // Whether a promoted one may go back to its stable version is for the renewal to say.
  const bool waits = rollout::why_not_anew(next, state_, false) != nullptr;
  if (!waits || !has_versions) return brake();
  if (!busy_ && queue_.empty()) release_brake();
}

void Runner::restarted(std::string why, bool has_versions, Done done) {
  // Everybody would go to a version that nobody has looked at yet. Where nobody can be left on the
  // one that he is on, there is nothing to ask.
  const bool waits = has_versions && rollout::why_not_anew(config_.plan, state_, false) != nullptr;
  if (waits) postponed_ = std::make_unique<Replanning>(Replanning{config_, "", why, ""});
  in_the_way_ = nullptr;
  rollout::Event event;
  event.what = rollout::Restart{!waits};
  event.reason = std::move(why);
  handle(std::move(event), std::move(done));
}

// What is in its way may pass, so it is asked again with each tick; the log has it once.
void Runner::begin_postponed(bool stable_up) {
  const char* why = rollout::why_not_anew(postponed_->config.plan, state_, stable_up);
  const char* const before = in_the_way_;
  // Who moves the weight by hand meanwhile does not send everybody to what is down either.
  if (why == nullptr && !stable_up && served_ > BasisPoints(0)) {
    why = "waits until its stable version is up";
  }
  in_the_way_ = why;
  if (why == nullptr) {
    const auto next = std::move(postponed_);
    return replan(std::move(*next), stable_up);
  }
  if (why == before) return;
  host_->log->warn(log_event::kReloaded,
                   config_.name + " goes on under its old plan: it " + why,
                   {{"rollout", config_.name}});
}

const rollout::Plan* Runner::postponed() const noexcept {
  const rollout::Plan* plan = postponed_ == nullptr ? &config_.plan : &postponed_->config.plan;
  for (const Pending& each : queue_) {
    if (each.replanning != nullptr) plan = &each.replanning->config.plan;
  }
  return rollout::is_another_rollout(*plan, state_) ? plan : nullptr;
}

std::string Runner::postponed_text() const {
  const rollout::Plan* const plan = postponed();
  if (plan == nullptr) return {};
  std::string text = plan->canary;
  if (!plan->revision.empty()) text += " (revision " + plan->revision + ")";
  text += " has not begun: ";
  if (in_the_way_ != nullptr) return text + config_.name + " " + in_the_way_;
  return text +
         (store_failing_ ? "the journal cannot be written" : stable() + " is looked at first");
}

void Runner::replan(Replanning next, bool stable_up, Done done) {
  // What is still to be told of an earlier reload is told with this one.
  const std::string earlier = postponed_ == nullptr ? "" : postponed_->changes;
  if (!earlier.empty()) next.changes = earlier + (next.changes.empty() ? "" : "; ") + next.changes;
  postponed_ = nullptr;
  in_the_way_ = nullptr;
  rollout::Event event;
  event.what = rollout::NewPlan{stable_up, !next.changes.empty()};
  event.actor = next.actor;
  event.reason = next.reason.empty() ? "configuration reloaded" : next.reason;
  event.evidence = next.changes;
  enqueue({std::move(event),
           std::make_unique<Replanning>(std::move(next)),
           std::move(done),
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
    const WallTime now = follow_clock();
    next.event.turn = ++host_->turn;
    rollout::Transition transition = rollout::step(plan, state_, next.event, now);
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
  // It could begin when it was asked for, but not any more when its turn came.
  if (pending.replanning != nullptr && refused && postponed_ == nullptr) {
    postponed_ = std::move(pending.replanning);
  }
  Answer answer;
  answer.outcome = transition.outcome;
  answer.durable = durable_;
  answer.refusal = transition.refusal;
  if (pending.done) pending.done(answer);
}

}  // namespace canaryd::control
