#include "canaryd/control/controller.hpp"

#include "control/controller_state.hpp"
#include "control/route_rules.hpp"
#include "control/snapshot.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::control {
namespace {

constexpr std::uint64_t kSaveEveryTicks = 5;

rollout::Judgement judgement_of(analysis::Decision decision) noexcept {
  switch (decision) {
    case analysis::Decision::kHold:
      return rollout::Judgement::kHold;
    case analysis::Decision::kAccept:
      return rollout::Judgement::kAccept;
    case analysis::Decision::kRollback:
      return rollout::Judgement::kRollback;
  }
  return rollout::Judgement::kHold;
}

rollout::Event::What command_of(const ActionRequest& request,
                                WallTime now,
                                bool stable_up,
                                const rollout::StableUse& use) {
  switch (request.action) {
    case Action::kStart:
      return rollout::Start{request.revision, stable_up};
    case Action::kRetry:
      return rollout::Retry{stable_up};
    case Action::kPromote:
      return rollout::Promote{request.full};
    case Action::kPause:
      return rollout::Pause{};
    case Action::kResume:
      return rollout::Resume{};
    case Action::kAbort:
      return rollout::Abort{};
    case Action::kRollback:
      return rollout::RollBack{request.over, stable_up};
    case Action::kSetWeight:
      return rollout::SetWeight{request.weight.value_or(BasisPoints(0))};
    case Action::kApprove: {
      rollout::Approve approve{request.gate, std::nullopt, request.approver};
      if (request.expires) {
        approve.expires =
            now + std::chrono::duration_cast<std::chrono::milliseconds>(*request.expires);
      }
      return approve;
    }
    case Action::kRetire:
      return rollout::Retire{use, request.skip_hook};
    case Action::kUnretire:
      return rollout::Unretire{};
  }
  return rollout::Pause{};
}

// Neither the versions that everybody is on are in the file, nor may its own be begun.
Error nowhere_to_go(const Runner& runner, const char* why) {
  Error error;
  error.code = ErrorCode::kInvalidArgument;
  error.context = "rollout " + runner.config().name + " " + why + "; everybody is on " +
                  runner.state().canary +
                  ", which the file does not have: put it back, or name it as stable";
  return error;
}

}  // namespace

bool has_versions_of(const config::Config& config, const Runner& runner) {
  return config.find_upstream(runner.state().stable) && config.find_upstream(runner.state().canary);
}

// ---- State

Controller::State::State(Parts parts_in, config::Config config_in, Recovered recovered_in)
    : parts(std::move(parts_in)),
      config(std::move(config_in)),
      recovered(std::move(recovered_in)),
      host(std::make_shared<RunnerHost>()),
      upstreams(parts.data_plane->workers()),
      health(parts.health_io, *parts.log, *parts.clock, [this] { health_changed(); }),
      discovery({parts.clock, parts.log, parts.read_file, parts.resolve},
                [this] {
                  discovery.fill(config);
                  publish(nullptr);
                }),
      taps(*parts.data_plane),
      events(parts.clock->wall_now()),
      feedback(*parts.collector),
      hook_caller(parts.http_io, parts.exec_io, parts.read_file, *parts.log),
      parities(parts.data_plane->workers(), *parts.clock, *parts.log),
      messenger(hook_caller, *parts.store, *parts.log, hook_tally, host->clock_watch),
      retention(*parts.store, *parts.log, alive) {
  host->publish = [this](std::function<void()> done) { publish(std::move(done)); };
  host->turn = recovered.turn;
  host->now = [this] { return parts.clock->now(); };
  host->wall_now = [this] { return parts.clock->wall_now(); };
  // A disk that hangs keeps no group together.
  host->fell = [this](const rollout::Change& change) { follow_group(change); };
  host->announced = [this](const rollout::Change& change, bool durable) {
    events.add(view_of(change, durable));
    messenger.look_again();
    follow_group(change);
  };
  host->decommission = [this](const std::string& rollout) { decommission(rollout); };
  host->store = parts.store;
  host->http_io = parts.http_io;
  host->read_file = parts.read_file;
  host->log = parts.log;
  reloads.last_success = parts.clock->wall_now();
}

std::int64_t Controller::State::second() const noexcept {
  return std::chrono::duration_cast<std::chrono::seconds>(parts.clock->now().time_since_epoch())
      .count();
}

Result<Controller::State::Runners> Controller::State::make_runners(
    const config::Config& next) const {
  const auto known_to = [](const Runners& some, const std::string& name) {
    return std::any_of(some.begin(), some.end(), [&](const std::shared_ptr<Runner>& runner) {
      return runner->config().name == name;
    });
  };
  Runners made;
  for (const config::Rollout& rollout : next.rollouts) {
    if (known_to(runners, rollout.name) || known_to(parked, rollout.name)) continue;
    CANARYD_TRY_ASSIGN(std::shared_ptr<Runner> runner,
                       make_runner(host, rollout, recovered, parts.clock->wall_now()));
    const bool has_versions = has_versions_of(next, *runner);
    const char* const stays = rollout::why_not_anew(rollout.plan, runner->state(), true);
    if (stays != nullptr && !has_versions) return fail(nowhere_to_go(*runner, stays));
    runner->prepare(rollout.plan, has_versions);
    made.push_back(std::move(runner));
  }
  return made;
}

std::vector<InForce> Controller::State::in_force() const {
  std::vector<InForce> all;
  for (const auto& runner : runners) all.push_back(runner->in_force());
  return all;
}

std::size_t Controller::State::index_of(std::string_view name) const noexcept {
  const auto found = std::find_if(runners.begin(), runners.end(), [&](const auto& runner) {
    return runner->config().name == name;
  });
  return static_cast<std::size_t>(found - runners.begin());
}

Runner* Controller::State::find(std::string_view name) const noexcept {
  const std::size_t index = index_of(name);
  return index < runners.size() ? runners[index].get() : nullptr;
}

void Controller::State::publish(std::function<void()> done) {
  // Of the table that was in force so far.
  receive_votes();
  ++table_epoch;
  std::vector<InForce> all = in_force();
  ask_for_parity(all);
  auto snapshot = make_snapshot(config, all, table_epoch);
  // The configuration was checked when it was loaded; a table that cannot be built is a bug of
  // ours.
  CANARYD_ASSERT(snapshot.has_value());
  parts.collector->begin_table(make_layout(config, all, table_epoch), second());
  absorb_blocks();
  upstreams.update((*snapshot)->upstreams);
  health.update(config.upstreams, upstreams);
  if (watches_paths(config) && path_sketches.empty()) {
    for (std::size_t worker = 0; worker < parts.data_plane->workers(); ++worker) {
      path_sketches.push_back(std::make_shared<stats::PathSketch>());
    }
  }
  std::vector<proxy::WorkerSnapshot> copies;
  for (std::size_t worker = 0; worker < parts.data_plane->workers(); ++worker) {
    proxy::WorkerSnapshot copy;
    copy.shared = *snapshot;
    copy.counters = parts.collector->open_set();
    if (watches_paths(config)) copy.paths = path_sketches[worker];
    for (const upstream::UpstreamSpec& spec : (*snapshot)->upstreams) {
      copy.upstreams.push_back(upstreams.share(spec, worker));
    }
    fill_watches(all, worker, copy);
    copy.parity = parities.queue(worker);
    copies.push_back(std::move(copy));
  }
  forget_unwatched(all);
  published = *snapshot;
  parts.data_plane->publish(std::move(copies), std::move(done));
}

void Controller::State::absorb_blocks() {
  // Blocks come in the order of the table, so the next one is nearly always the next runner's.
  std::size_t next = 0;
  for (const telemetry::ClosedBlock& closed : parts.collector->take_blocks()) {
    if (next >= runners.size() || runners[next]->config().name != closed.rollout) {
      next = index_of(closed.rollout);
    }
    if (next < runners.size()) runners[next++]->absorb(closed.block);
  }
}

void Controller::State::tick_runner(Runner& runner) {
  const analysis::Verdict& verdict = runner.evidence().verdict();
  rollout::Tick tick;
  tick.judgement = judgement_of(verdict.decision);
  // As long as a metric that the step waits for has said nothing, it is not known to say nothing.
  tick.no_data =
      analysis::is_no_data(verdict.reason) || analysis::silent_metric(verdict) != nullptr;
  tick.no_control = verdict.reason == analysis::Reason::kNoControl;
  tick.requests = judged_requests(verdict);
  // Without a stable cohort no block is comparable, but the requests are there.
  if (const auto rates = parts.collector->rates(runner.config().name)) {
    tick.requests = std::max(tick.requests, rates->canary.step_requests);
  }
  tick.canary_hangs = !hanging_text(runner).empty();
  // Where a renewal needs its stable to be up, that is the one in force.
  const UpstreamHealth stable = upstreams.health(runner.stable());
  const UpstreamHealth canary = upstreams.health(runner.canary());
  // Nothing starts by itself on what has not been looked at.
  const bool idle = runner.state().phase == rollout::Phase::kIdle;
  // And no old version is given up for one that nobody has found well.
  const bool gives_up = runner.state().phase == rollout::Phase::kPromoted ||
                        runner.state().phase == rollout::Phase::kRetiring;
  tick.stable_up = is_up(runner.stable()) && (!idle || stable.known);
  tick.both_failing = runner.degraded();
  tick.after_promoted = is_promoted(runner.config().plan.after);
  tick.stable_known = (stable.proven > 0 || !stable.up()) && !runner.awaits_surroundings();
  tick.canary_up =
      is_up(runner.canary()) && (!idle || canary.known) && (!gives_up || canary.proven > 0);
  tick.readings = runner.queries().readings;
  runner.follow_health(canary.up(), canary.proven > 0);
  const std::string* const ended = group_failed(runner);
  tick.group_failed = ended != nullptr;
  look_at_stable(runner);
  tick.stable_use = stable_use(runner);
  tick.consent = consent_for(runner, tick);
  const bool refused = tick.consent == rollout::Consent::kRefused;
  // What ends it by itself has its own figures.
  const bool by_group = tick.group_failed && !idle &&
                        tick.judgement != rollout::Judgement::kRollback &&
                        runner.config().plan.mode == rollout::Mode::kEnforce;
  runner.tick(tick,
              refused ? objection_to(runner) : std::string(),
              by_group ? *ended : parity_at_start(runner),
              stable.known);
}

bool Controller::State::is_promoted(std::string_view rollout) const noexcept {
  if (rollout.empty()) return false;
  const Runner* const runner = find(rollout);
  // A promotion that the file has taken back already is none.
  if (runner == nullptr || runner->postponed() != nullptr) return false;
  const rollout::Phase phase = runner->state().phase;
  return phase == rollout::Phase::kPromoted || phase == rollout::Phase::kRetiring ||
         phase == rollout::Phase::kRetired;
}

// Not with the next tick: users are on their way to a version that is down.
void Controller::State::health_changed() {
  for (const auto& runner : Runners(runners)) {
    const UpstreamHealth canary = upstreams.health(runner->canary());
    runner->follow_health(canary.up(), canary.proven > 0);
  }
}

// ---- Life

Controller::Controller(std::unique_ptr<State> state) : state_(std::move(state)) {}

Controller::~Controller() {
  *state_->alive = false;
  state_->host->closed = true;
}

Result<std::unique_ptr<Controller>> Controller::create(Parts parts,
                                                       config::Config config,
                                                       Recovered recovered) {
  auto state = std::make_unique<State>(std::move(parts), std::move(config), std::move(recovered));
  CANARYD_TRY_ASSIGN(state->runners, state->make_runners(state->config));
  return std::unique_ptr<Controller>(new Controller(std::move(state)));
}

void Controller::start(std::function<void(Result<void>)> done) {
  State* const state = state_.get();
  state->messenger.follow(state->config.rollouts);
  state->discovery.prepare(
      state->config, [state, done = std::move(done)](const std::vector<std::string>& unresolved) {
        for (const std::string& each : unresolved) {
          state->parts.log->error(log_event::kDiscoveryFailed, each);
        }
        state->discovery.follow(state->config);
        state->begin_serving(done);
      });
}

void Controller::State::begin_serving(std::function<void(Result<void>)> done) {
  publish([state = this, still = alive, done = std::move(done)] {
    if (!*still) return;
    std::vector<std::shared_ptr<const proxy::ListenerSpec>> specs;
    for (const config::Listener& listener : state->config.listeners) {
      specs.push_back(make_listener(listener));
    }
    state->open_listeners(std::move(specs), [state, done](const Result<void>& opened) {
      if (opened) {
        state->listening = true;
        state->recall_groups();
        for (const auto& runner : State::Runners(state->runners)) {
          announce_restart(*runner, "daemon started", has_versions_of(state->config, *runner));
        }
      }
      done(opened);
      if (opened) state->next_reload();
    });
  });
}

struct Controller::State::Opening {
  std::vector<std::shared_ptr<const proxy::ListenerSpec>> specs;
  std::size_t next = 0;
  std::function<void(Result<void>)> done;
};

// One after the other; the first failure closes what was opened.
void Controller::State::open_listeners(
    std::vector<std::shared_ptr<const proxy::ListenerSpec>> specs,
    std::function<void(Result<void>)> done) {
  auto opening = std::make_shared<Opening>();
  opening->specs = std::move(specs);
  opening->done = std::move(done);
  open_next(opening);
}

// To a narrower or wider address of the same port a listener moves with a restart only.
std::string Controller::State::advice_on_port(const SocketAddress& address) const {
  for (const config::Listener& own : config.listeners) {
    if (listening && own.address.port == address.port && own.address != address) {
      return "; this daemon's listener " + own.name + " has that port, at " +
             to_string(own.address) + ": it moves with a restart";
    }
  }
  return "; stop what listens there, or give the listener another `address`";
}

void Controller::State::open_next(const std::shared_ptr<Opening>& opening) {
  if (opening->next == opening->specs.size()) {
    opening->done({});
    return;
  }
  const auto spec = opening->specs[opening->next];
  parts.data_plane->open(
      spec, [this, opening, spec, still = alive](const Result<SocketAddress>& bound) {
        if (!*still) return;
        if (bound) {
          parts.log->info(log_event::kListening,
                          "listening on " + to_string(*bound),
                          {{"listener", spec->name}, {"address", to_string(*bound)}});
          ++opening->next;
          open_next(opening);
          return;
        }
        for (std::size_t i = 0; i < opening->next; ++i) {
          parts.data_plane->close(opening->specs[i]->name, opening->specs[i]->address);
        }
        Error error = bound.error();
        error.context = "listener " + spec->name + " cannot listen on " + to_string(spec->address) +
                        (error.context.empty() ? "" : ": " + error.context);
        if (error.code == ErrorCode::kAddressInUse) {
          error.context += advice_on_port(spec->address);
        }
        opening->done(fail(std::move(error)));
      });
}

void Controller::tick() {
  State& state = *state_;
  ++state.ticks;
  state.receive_votes();
  state.parts.collector->tick(state.second());
  state.absorb_blocks();
  state.tell_ejections();
  // A transition may drop or add nobody, but it may complete at once and publish; the list stays.
  std::size_t index = 0;
  for (const auto& runner : std::vector(state.runners)) {
    runner->follow_clock();
    state.watch(*runner, index++);
    state.tell_sample_ratio(*runner);
    state.tell_withheld_cookies(*runner);
    runner->ask_queries(state.is_up(runner->stable()));
    state.tell_verdicts(*runner);
    state.tick_runner(*runner);
  }
  state.count_overdue();
  state.parts.data_plane->measure_lag();
  state.messenger.tick(state.parts.clock->now());
  state.tell_samples();
  state.look_at_awaited_rows();
  state.retention.tick(state.config.state.retention,
                       state.messenger.readers(),
                       state.parts.clock->now(),
                       state.parts.clock->wall_now());
  if (state.ticks % kSaveEveryTicks != 0) return;
  save();
  state.look_at_store();
}

void Controller::State::look_at_store() {
  parts.store->probe([this, still = alive](const Result<void>& probed) {
    if (!*still) return;
    for (const auto& runner : runners) runner->heed_store(probed);
  });
}

void Controller::save() {
  for (const auto& runner : state_->runners) runner->save_evidence();
  state_->save_comments();
}

void Controller::set_draining() noexcept {
  state_->draining = true;
}

const config::Config& Controller::config() const noexcept {
  return state_->config;
}

// ---- Actions

void Controller::act(ActionRequest request, ActionDone done) {
  State* const state = state_.get();
  Runner* const runner = state->find(request.rollout);
  if (runner == nullptr) {
    done(
        {ActionStatus::kNotFound, "there is no rollout \"" + request.rollout + "\"", std::nullopt});
    return;
  }
  rollout::Event event;
  // What nobody has looked at yet, as right after the start, may be down.
  const UpstreamHealth stable = state->upstreams.health(runner->stable());
  const bool stable_up = stable.up() && stable.known;
  event.what =
      command_of(request, state->parts.clock->wall_now(), stable_up, state->stable_use(*runner));
  event.actor = request.actor;
  // A name that nobody has checked yet is a claim, and the journal says whose.
  if (!request.approver.empty()) event.actor += " as " + request.approver;
  event.reason = request.reason;
  if (request.action == Action::kStart) event.evidence = state->parity_at_start(*runner);
  const auto still = state->alive;
  const bool retires = request.action == Action::kRetire;
  runner->handle(
      std::move(event),
      [this, still, name = request.rollout, retires, done](const Runner::Answer& answer) {
        if (!*still) return;
        ActionResult result;
        result.detail = answer.refusal;
        result.view = rollout(name);
        if (answer.stale) {
          result.status = ActionStatus::kStale;
          result.detail = "the rollout is at another generation now";
        } else if (answer.failed || answer.outcome == rollout::Outcome::kRefused) {
          result.status = ActionStatus::kRefused;
          const Runner* const refused = state_->find(name);
          if (retires && refused != nullptr) result.detail += state_->stragglers_text(*refused);
        } else if (!answer.durable) {
          result.status = ActionStatus::kNotDurable;
        }
        done(std::move(result));
      },
      request.if_match);
}

void Controller::drain() {
  state_->parts.drain();
}

Result<void> Controller::set_log_level(std::string_view level) {
  CANARYD_TRY_ASSIGN(const LogLevel parsed, parse_log_level(level));
  state_->parts.log->set_level(parsed);
  return {};
}

}  // namespace canaryd::control
