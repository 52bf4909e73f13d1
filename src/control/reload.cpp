// Reload: the new configuration is read, checked and its new listeners are bound before anything of
// the old one ends. Whatever fails leaves the old one in force, whole.
#include "canaryd/base/units.hpp"
#include "canaryd/config/diff.hpp"
#include "control/controller_state.hpp"
#include "control/snapshot.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace canaryd::control {
namespace {

constexpr std::size_t kWaitingReloadsMax = 16;

ConfigProblem problem_of(const config::Problem& problem) {
  ConfigProblem out;
  out.file = problem.file;
  out.line = problem.line;
  out.column = problem.column;
  out.severity = problem.severity == config::Severity::kError ? "error" : "warning";
  out.message = problem.message + (problem.hint.empty() ? "" : "; " + problem.hint);
  return out;
}

// What cannot change without a restart stays as it is; the rest of the file applies.
void keep_what_needs_a_restart(const config::Config& running, config::Config& next) {
  next.workers = running.workers;
  // Only the socket stays.
  auto tokens = std::move(next.admin.tokens);
  const bool dashboard = next.admin.dashboard;
  next.admin = running.admin;
  next.admin.tokens = std::move(tokens);
  next.admin.dashboard = dashboard;
  next.state.dir = running.state.dir;
  next.log.format = running.log.format;
  next.log.file = running.log.file;
  if (next.log.access.has_value() != running.log.access.has_value()) {
    next.log.access = running.log.access;
  } else if (next.log.access) {
    next.log.access->file = running.log.access->file;
  }
}

const config::Listener* find_listener(const config::Config& config, const std::string& name) {
  for (const config::Listener& listener : config.listeners) {
    if (listener.name == name) return &listener;
  }
  return nullptr;
}

// Listeners that have to be bound anew: new names, and names that moved to another address.
std::vector<std::shared_ptr<const proxy::ListenerSpec>> listeners_to_open(
    const config::Config& running, const config::Config& next) {
  std::vector<std::shared_ptr<const proxy::ListenerSpec>> specs;
  for (const config::Listener& listener : next.listeners) {
    const config::Listener* const old = find_listener(running, listener.name);
    if (old == nullptr || !(old->address == listener.address)) {
      specs.push_back(make_listener(listener));
    }
  }
  return specs;
}

// A listener that is renamed, or two that swap their addresses, would be bound while the old one
// still is. Returns what is in the way, or nothing.
std::string renamed_listener(const config::Config& running, const config::Config& next) {
  for (const config::Listener& listener : next.listeners) {
    for (const config::Listener& old : running.listeners) {
      if (listener.name == old.name || !(listener.address == old.address)) continue;
      if (listener.address.port == 0) continue;
      return "listener " + listener.name + " cannot take " + to_string(old.address) +
             " over from listener " + old.name +
             " while the daemon runs; restart it, or keep the name";
    }
  }
  return {};
}

// What of the new file waits, for whoever has reloaded.
std::vector<ConfigProblem> restart_warnings(const std::vector<config::Change>& changes) {
  std::vector<ConfigProblem> warnings;
  for (const config::Change& change : changes) {
    if (!change.needs_restart) continue;
    ConfigProblem warning;
    warning.severity = "warning";
    warning.message = change.path + " changed from " + change.before + " to " + change.after +
                      "; that takes effect after a restart";
    warnings.push_back(std::move(warning));
  }
  return warnings;
}

// A file without tokens is valid by its own address and socket; but those that are bound stay.
std::optional<ConfigProblem> warning_of_tokens(const config::Admin& running,
                                               const config::Admin& next) {
  constexpr std::uint32_t kOthersConnect = 0002;
  const bool is_socket = running.is_socket();
  const bool is_open =
      is_socket ? (running.socket.mode & kOthersConnect) == 0 : running.address.ip.is_loopback();
  if (is_open || !next.tokens.empty()) return std::nullopt;
  ConfigProblem warning;
  warning.severity = "warning";
  warning.message = "admin.tokens cannot go before a restart: until then the admin API is on " +
                    running.where() + ", where others can connect, and ";
  warning.message +=
      is_socket ? "only root and the daemon's own user may do anything" : "nobody may do anything";
  return warning;
}

// State, step and evidence stay, and the users do not.
std::vector<ConfigProblem> redraw_warnings(const Controller::State& state,
                                           const config::Config& next) {
  std::vector<ConfigProblem> warnings;
  for (const config::RolloutChange& change : config::diff_rollouts(state.config, next)) {
    if (change.redrawn.empty()) continue;
    for (const auto& runner : state.runners) {
      if (runner->config().name != change.name) continue;
      const BasisPoints weight = rollout::served_weight(runner->state());
      if (weight == BasisPoints(0) || weight == BasisPoints(BasisPoints::kMax)) continue;
      ConfigProblem warning;
      warning.severity = "warning";
      warning.message = "rollout " + change.name + " stays at " + format_percent(weight) +
                        " %, and its " + change.redrawn;
      warnings.push_back(std::move(warning));
    }
  }
  return warnings;
}

using Runners = Controller::State::Runners;

// One reload on its way from the file to being in force.
struct Reloading {
  config::Config next;
  std::vector<config::Change> changes;
  Runners joining;
  ReloadResult result;
  Asked by;
  Backend::ReloadDone done;
};

void tell_reload(Controller::State& state, const Reloading& reload) {
  for (const ConfigProblem& warning : reload.result.problems) {
    state.parts.log->warn(log_event::kConfigWarning,
                          warning.message,
                          {{"file", warning.file}, {"line", warning.line}});
  }
  const std::size_t changes = reload.changes.size();
  const std::string message = "configuration reloaded: " + std::to_string(changes) +
                              (changes == 1 ? " change" : " changes");
  state.parts.log->info(
      log_event::kReloaded,
      message,
      {{"changes", changes}, {"actor", reload.by.actor}, {"reason", reload.by.reason}});
  state.events.add(ReloadView{true, message});
}

void use_log_level(Log& log, config::LogLevel level) {
  const auto parsed = parse_log_level(config::to_string(level));
  if (parsed) log.set_level(*parsed);
}

bool is_among(const Runners& some, const std::shared_ptr<Runner>& runner) {
  return std::find(some.begin(), some.end(), runner) != some.end();
}

// Leaves in `some` those that the configuration names; the rest is added to `others`.
void keep_named(const config::Config& config, Runners& some, Runners& others) {
  const auto gone =
      std::stable_partition(some.begin(), some.end(), [&](const std::shared_ptr<Runner>& runner) {
        return config.find_rollout(runner->config().name).has_value();
      });
  others.insert(others.end(), gone, some.end());
  some.erase(gone, some.end());
}

// Somebody may have taken it out by mistake; who meant to end it would have aborted it.
void tell_of_removal(Log& log, const Runner& runner) {
  const rollout::State& state = runner.state();
  const bool is_over = state.phase == rollout::Phase::kIdle || rollout::has_ended(state) ||
                       state.phase == rollout::Phase::kPromoted ||
                       state.phase == rollout::Phase::kRetired;
  if (is_over) return;
  const std::string& name = runner.config().name;
  log.warn(log_event::kConfigWarning,
           "rollout " + name + " has left the configuration while " +
               std::string(to_string(state.phase)) + " at " + format_percent(state.weight) +
               " %: its routes decide alone; its state is kept, and goes on should it come back",
           {{"rollout", name}});
}

void fail_reload(Controller::State& state, Reloading& reload) {
  state.reloading = false;
  state.reloads.last_successful = false;
  ++state.reloads.failed;
  const ConfigProblem* first = nullptr;
  for (const ConfigProblem& problem : reload.result.problems) {
    if (problem.severity == "error" && first == nullptr) first = &problem;
  }
  std::string why = first == nullptr ? "unknown" : first->message;
  if (first != nullptr && !first->file.empty()) {
    why = first->file + ":" + std::to_string(first->line) + ":" + std::to_string(first->column) +
          ": " + why;
  }
  const std::string message = "the new configuration is not used: " + why;
  state.parts.log->error(
      log_event::kReloadFailed, message, {{"problems", reload.result.problems.size()}});
  state.events.add(ReloadView{false, message});
  reload.result.ok = false;
  reload.done(std::move(reload.result));
  state.next_reload();
}

// With one more problem, which has no place in the file.
void fail_reload(Controller::State& state, Reloading& reload, std::string why) {
  ConfigProblem problem;
  problem.message = std::move(why);
  reload.result.problems.push_back(std::move(problem));
  fail_reload(state, reload);
}

// It is in force, and the next one need not wait. Whoever has asked is told when the history has it
// as well.
void succeed(Controller::State& state,
             const std::shared_ptr<Reloading>& reload,
             const std::shared_ptr<AwaitedRows>& rows) {
  state.reloading = false;
  state.reloads.last_successful = true;
  state.reloads.last_success = state.parts.clock->wall_now();
  ++state.reloads.succeeded;
  auto tell = [&state, still = state.alive, reload](const std::set<std::string>& missing) {
    if (!*still) return;
    if (!missing.empty()) reload->result.problems.push_back(unwritten_warning(missing));
    tell_reload(state, *reload);
    reload->result.ok = true;
    reload->done(std::move(reload->result));
  };
  const Monotonic now = state.parts.clock->now();
  rows->wait(now + AwaitedRows::kAtMost, std::move(tell));
  if (rows->look(now)) state.awaited_rows.push_back(rows);
  state.next_reload();
}

// Whether that is the renewal that has been postponed.
bool waits_for(const Runner& runner, const rollout::Plan& plan) noexcept {
  const rollout::Plan* const postponed = runner.postponed();
  return postponed != nullptr && postponed->stable == plan.stable &&
         postponed->canary == plan.canary && postponed->revision == plan.revision;
}

// A rollout whose versions the file changes, and which cannot begin anew, would be left without the
// versions that it is of. Returns what is in the way, or nothing.
std::string refused_renewal(const Controller::State& state, const config::Config& next) {
  for (const Runners* some : {&state.runners, &state.parked}) {
    for (const auto& runner : *some) {
      const auto id = next.find_rollout(runner->config().name);
      if (!id) continue;
      const rollout::Plan& plan = next.rollout(*id).plan;
      const rollout::State& old = runner->state();
      // A state that has begun anew could not be told how the hook of the last one ends.
      if (old.retire_hook == rollout::RetireHook::kCalled &&
          rollout::is_another_rollout(plan, old) && runner->postponed() == nullptr) {
        return "rollout " + runner->config().name + " has called its decommission hook for " +
               old.stable + ", which has not ended yet: reload again when it has";
      }
      // It waits as before, and the rest of the file may be what it waits for.
      if (waits_for(*runner, plan) && has_versions_of(next, *runner)) continue;
      const bool stable_up = state.upstreams.health(plan.stable).proven > 0;
      const char* const why = rollout::why_not_anew(plan, runner->state(), stable_up);
      if (why != nullptr) return "rollout " + runner->config().name + " " + why;
    }
  }
  return {};
}

void open_and_apply(Controller::State& state, const std::shared_ptr<Reloading>& reload) {
  const std::string refused = refused_renewal(state, reload->next);
  if (!refused.empty()) return fail_reload(state, *reload, refused);
  const std::string renamed = renamed_listener(state.config, reload->next);
  if (!renamed.empty()) return fail_reload(state, *reload, renamed);
  auto specs = listeners_to_open(state.config, reload->next);
  auto done = [&state, still = state.alive, reload, specs](const Result<void>& opened) {
    if (!*still) return;
    if (!opened) return fail_reload(state, *reload, describe(opened.error()));
    // Rollouts went on meanwhile.
    const std::string refused_since = refused_renewal(state, reload->next);
    if (!refused_since.empty()) {
      for (const auto& spec : specs) state.parts.data_plane->close(spec->name, spec->address);
      return fail_reload(state, *reload, refused_since);
    }
    const auto rows = std::make_shared<AwaitedRows>();
    state.apply(std::move(reload->next), reload->joining, reload->changes, reload->by, *rows);
    succeed(state, reload, rows);
  };
  state.open_listeners(std::move(specs), std::move(done));
}

}  // namespace

// One that comes while another is under way has seen a newer file, so it is not left out.
void Controller::reload(Asked by, ReloadDone done) {
  const bool busy = state_->reloading || !state_->listening;
  const bool full = state_->waiting_reloads.size() >= kWaitingReloadsMax;
  if (state_->draining || (busy && full)) {
    ConfigProblem problem;
    problem.message = state_->draining ? "the daemon drains, and reads no configuration any more"
                                       : "too many reloads are under way";
    state_->parts.log->warn(log_event::kReloadFailed,
                            "the configuration is not read: " + problem.message);
    done({false, {problem}});
    return;
  }
  if (busy) {
    state_->waiting_reloads.push_back({std::move(by), std::move(done)});
    return;
  }
  state_->begin_reload(std::move(by), std::move(done));
}

void Controller::State::next_reload() {
  if (reloading || waiting_reloads.empty()) return;
  WaitingReload next = std::move(waiting_reloads.front());
  waiting_reloads.pop_front();
  begin_reload(std::move(next.by), std::move(next.done));
}

void Controller::State::begin_reload(Asked by, Backend::ReloadDone done) {
  auto reload = std::make_shared<Reloading>();
  reload->by = std::move(by);
  reload->done = std::move(done);
  config::LoadResult loaded = parts.load_config();
  for (const config::Problem& problem : loaded.problems) {
    reload->result.problems.push_back(problem_of(problem));
  }
  if (!loaded.config) return fail_reload(*this, *reload);
  reload->next = std::move(*loaded.config);
  reload->changes = config::diff(config, reload->next);
  for (ConfigProblem& warning : restart_warnings(reload->changes)) {
    reload->result.problems.push_back(std::move(warning));
  }
  for (ConfigProblem& warning : redraw_warnings(*this, reload->next)) {
    reload->result.problems.push_back(std::move(warning));
  }
  if (auto warning = warning_of_tokens(config.admin, reload->next.admin)) {
    reload->result.problems.push_back(std::move(*warning));
  }
  keep_what_needs_a_restart(config, reload->next);
  auto joining = make_runners(reload->next);
  if (!joining) return fail_reload(*this, *reload, describe(joining.error()));
  reload->joining = std::move(*joining);
  reloading = true;
  // Names that are new must lead somewhere before anybody is sent there.
  discovery.prepare(reload->next, [this, reload](const std::vector<std::string>& unresolved) {
    if (unresolved.empty()) return open_and_apply(*this, reload);
    fail_reload(*this, *reload, unresolved.front());
  });
}

void Controller::State::apply(config::Config next,
                              const Runners& joining,
                              const std::vector<config::Change>& changes,
                              const Asked& by,
                              AwaitedRows& rows) {
  for (const config::Listener& listener : config.listeners) {
    const config::Listener* const kept = find_listener(next, listener.name);
    if (kept != nullptr && kept->address == listener.address) {
      parts.data_plane->update(make_listener(*kept));
    } else {
      parts.data_plane->close(listener.name, listener.address);
    }
  }
  Runners replanned = std::exchange(runners, {});
  Runners returning = std::exchange(parked, {});
  keep_named(next, replanned, parked);
  for (const auto& runner : parked) tell_of_removal(*parts.log, *runner);
  keep_named(next, returning, parked);
  Runners all = replanned;
  all.insert(all.end(), returning.begin(), returning.end());
  all.insert(all.end(), joining.begin(), joining.end());
  for (const config::Rollout& rollout : next.rollouts) {
    for (const auto& runner : all) {
      if (runner->config().name == rollout.name) runners.push_back(runner);
    }
  }
  if (next.log.level != config.log.level) use_log_level(*parts.log, next.log.level);
  config = std::move(next);
  discovery.follow(config);
  messenger.follow(config.rollouts);
  // All of them before the first table is made.
  for (std::size_t i = 0; i < runners.size(); ++i) {
    runners[i]->prepare(config.rollouts[i].plan, has_versions_of(config, *runners[i]));
  }
  const Runners now = runners;
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (is_among(joining, now[i])) continue;
    const config::Rollout& rollout = config.rollouts[i];
    const bool stable_up = upstreams.health(rollout.plan.stable).proven > 0;
    now[i]->replan(
        {rollout, by.actor, by.reason, config::render_rollout_changes(changes, rollout.name)},
        stable_up,
        rows.expect(rollout.name));
  }
  constexpr const char* kBack = "in the configuration again";
  for (const Runners* some : {&std::as_const(returning), &joining}) {
    for (const auto& runner : *some) {
      announce_restart(
          *runner, kBack, has_versions_of(config, *runner), rows.expect(runner->config().name));
    }
  }
  // While one was out of the file, another one of its group may have ended.
  recall_groups();
  for (const auto& runner : parked) runner->save_evidence();
  publish(nullptr);
}

}  // namespace canaryd::control
