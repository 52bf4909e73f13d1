// The runner and what a transition asks for: tables, gate, evidence and journal, in the order that
// a rise and a fall need.
#include "control/runner.hpp"
#include "control/verdict_record.hpp"

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

// Everybody on the canary leaves nobody to compare it with.
bool has_control(BasisPoints weight) noexcept {
  return weight.value() < BasisPoints::kMax;
}

}  // namespace

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
  write(batch_of(*job), store::Keep::kOnce, [self, job](const Result<void>& written) {
    if (self->host_->closed) return;
    if (!written) {
      self->rise_failed(job, written.error());
      return;
    }
    self->settle_durable(written);
    self->host_->rises->add(self->rise_of(job));
  });
}

// The queue of the host must not keep the runner that keeps the host.
Rise Runner::rise_of(const JobPointer& job) {
  const auto here = [weak = weak_from_this()] {
    auto self = weak.lock();
    return self != nullptr && !self->host_->closed ? self : nullptr;
  };
  const auto seen = std::make_shared<routing::GateState>();
  Rise rise;
  rise.commit = [here, job, seen] {
    const auto self = here();
    if (self == nullptr) return;
    self->commit(*job);
    *seen = self->gate_->state();
  };
  rise.begin_evidence = [here, job] {
    if (const auto self = here()) self->update_evidence(*job);
  };
  rise.arrived = [here, job, seen] {
    const auto self = here();
    if (self == nullptr) return;
    self->lift_gate(job->transition.change, *seen);
    self->finish(job, true);
  };
  return rise;
}

// The gate, the tables, the journal.
void Runner::fall_or_stay(const JobPointer& job) {
  gate_->lower(gate_generation_, rollout::served_weight(job->transition.state));
  const auto batch = std::make_shared<const store::Batch>(batch_of(*job));
  const std::uint64_t epoch_before = epoch_;
  commit(*job);
  if (epoch_ != epoch_before) host_->publish(nullptr);
  update_evidence(*job);
  if (host_->fell) host_->fell(job->transition.change);
  // The journal has another state until this is written, whatever a retry under way says of that.
  durable_ = false;
  unwritten_ = nullptr;
  const auto self = shared_from_this();
  write(*batch, store::Keep::kUntilWritten, [self, job, batch](const Result<void>& written) {
    if (self->host_->closed) return;
    self->unwritten_ = batch;
    self->settle_durable(written);
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
  if (step_begun) ++attempt_;
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
  if (ends_watch(job)) batch.idle.push_back({config_.name, state_.run, 0});
  return batch;
}

// Users may go to stable again and nobody notes it: a later watch of the same run begins anew.
bool Runner::ends_watch(const Job& job) const noexcept {
  const config::Rollout& next = job.replanning != nullptr ? job.replanning->config : config_;
  return watches_stable() && !control::watches_stable(next.plan, job.transition.state);
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
  if (calls && braked_) {
    // An end, or a canary that is down: the old version is needed, and is all there still.
    rollout::Event not_called;
    not_called.evidence = "not called: what came first needs the old version";
    not_called.what = rollout::HookEnded{false, not_called.evidence, false};
    queue_.push_front({std::move(not_called), nullptr, nullptr, std::nullopt, std::nullopt});
  } else if (calls && host_->decommission) {
    host_->decommission(config_.name);
  }
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

void Runner::write(store::Batch batch, store::Keep keep, Written done) {
  if (++writes_ == 1) unanswered_for_ = 0;
  host_->store->write(
      std::move(batch),
      keep,
      [self = shared_from_this(), done = std::move(done)](const Result<void>& written) {
        --self->writes_;
        self->unanswered_for_ = 0;
        done(written);
      });
}

// Counted in looks and not by a clock: while the process stood still nobody could answer.
void Runner::look_at_writes() {
  if (writes_ == 0 || ++unanswered_for_ <= kHangsAfter) return;
  store_failed(Error{ErrorCode::kTimeout,
                     Origin::kLocal,
                     Retry::kSafe,
                     "a write has been under way for more than " + std::to_string(kHangsAfter) +
                         "s, the disk hangs"});
}

void Runner::save_evidence() {
  // One at a time, so that no later row is there while an earlier one is missing.
  if (saving_) return;
  std::vector<store::EvidenceRow> rows = evidence_.take_pending();
  if (rows.empty()) return;
  store::Batch batch;
  batch.evidence = rows;
  saving_ = true;
  const auto self = shared_from_this();
  write(std::move(batch),
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

// That nothing had to be written is no proof.
void Runner::store_works(std::string_view what) {
  if (!store_failing_) return;
  store_failing_ = false;
  host_->log->info(log_event::kStoreRecovered, what, {{"rollout", config_.name}});
}

void Runner::heed_store(const Result<void>& probed) {
  if (probed) {
    // A good look is no write.
    if (std::exchange(store_missing_, false)) store_works("the journal is in its place again");
    return;
  }
  // Not asked at all, because there is too much to do, or nothing any more.
  const ErrorCode code = probed.error().code;
  if (code == ErrorCode::kLimit || code == ErrorCode::kClosed) return;
  store_missing_ = true;
  store_failed(probed.error());
}

// Of a write of the state in force.
void Runner::settle_durable(const Result<void>& written) {
  durable_ = written.has_value();
  if (written) {
    unwritten_ = nullptr;
    return store_works();
  }
  const Error& error = written.error();
  // A full queue gets empty. What else is refused for good, only a later transition makes durable.
  if (error.retry == Retry::kNever && error.code != ErrorCode::kLimit) unwritten_ = nullptr;
  store_failed(error);
}

// The store tries again with each write, but may have given the row up in one of somebody else:
// only writing it once more tells whether the journal has it.
void Runner::retry_store() {
  // A transition under way says it of the state that comes.
  if (busy_ || retrying_ || unwritten_ == nullptr) return;
  retrying_ = true;
  const auto self = shared_from_this();
  write(*unwritten_, store::Keep::kOnce, [self, batch = unwritten_](const Result<void>& written) {
    self->retrying_ = false;
    if (self->host_->closed || self->unwritten_ != batch) return;
    self->settle_durable(written);
  });
}

}  // namespace canaryd::control
