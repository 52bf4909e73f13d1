#include "control/retirement.hpp"

#include "canaryd/base/text.hpp"
#include "canaryd/base/units.hpp"
#include "canaryd/config/needs.hpp"
#include "control/controller_state.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::control {
namespace {

std::string printable(std::string_view text) {
  std::string out;
  append_printable(out, text);
  return out;
}

bool is_same(const StragglerView& a, const StragglerView& b) {
  return a.route == b.route && a.rule == b.rule && a.client == b.client &&
         a.user_agent == b.user_agent;
}

std::uint64_t open_of(const UpstreamEntry* upstream) noexcept {
  std::uint64_t open = 0;
  if (upstream == nullptr) return open;
  for (const EndpointEntry& each : upstream->endpoints) open += each.active_requests();
  return open;
}

std::string before_retirement(const Runner& runner, const RolloutView& view) {
  const std::string& stable = runner.state().stable;
  const RetireView& retire = *view.retire;
  if (retire.kept) return stable + " is kept until `canaryctl retire`";
  const bool by_hand = runner.config().plan.mode == rollout::Mode::kObserve;
  std::string text =
      by_hand ? "mode observe: `canaryctl retire` gives " + stable + " up" : stable + " is retired";
  text += " after " + format_duration(retire.idle_for) + " without a request; idle for " +
          format_duration_brief(retire.idle.value_or(Duration::zero()));
  if (view.frozen_until) {
    text += "; not before the freeze ends, at " + format_time(*view.frozen_until);
  }
  return text;
}

// Nobody is there, and the way back is open: until when?
std::string way_back(const Runner& runner, const RolloutView& view) {
  const std::string& stable = runner.state().stable;
  const RetireView& retire = *view.retire;
  std::string text = "nobody is sent to " + stable + "; `canaryctl unretire` brings it back";
  const rollout::Plan* const postponed = runner.postponed();
  if (postponed != nullptr && postponed->stable == stable) {
    return text + "; it is not given up while the file names it as stable";
  }
  if (runner.config().plan.mode == rollout::Mode::kObserve) {
    text += "; mode observe: `canaryctl retire` ends this";
    return retire.undo_until ? text + ", from " + format_time(*retire.undo_until) + " on" : text;
  }
  text += " until ";
  const auto& frozen = view.frozen_until;
  if (retire.undo_until && (!frozen || *frozen <= *retire.undo_until)) {
    return text + format_time(*retire.undo_until);
  }
  const bool calls = retire.has_hook && retire.needed_by.empty();
  const std::string end = calls ? "the decommission hook is called" : "it is retired";
  if (frozen) return text + end + ", when the freeze ends, at " + format_time(*frozen);
  return text + end + ", once it has had no request for " +
         format_duration_brief(runner.config().plan.retire->idle_for) +
         " and the canary is healthy";
}

// What happens next to the old version.
std::optional<std::string> retire_sentence(const Runner& runner, const RolloutView& view) {
  using rollout::RetireHook;
  const rollout::State& state = runner.state();
  if (state.phase == rollout::Phase::kPromoted) return before_retirement(runner, view);
  const bool retiring = state.phase == rollout::Phase::kRetiring;
  if (retiring && state.retire_hook == RetireHook::kNone) return way_back(runner, view);
  switch (state.retire_hook) {
    case RetireHook::kCalled:
      return "the decommission hook runs";
    case RetireHook::kFailed:
      return "the decommission hook failed (" + state.retire_said +
             "); `canaryctl retire` calls it again";
    case RetireHook::kUnknown:
      return "nobody knows whether the decommission hook ran; `canaryctl retire` calls it again, "
             "`--skip-hook` takes it as done";
    case RetireHook::kLeftOut:
      return "the decommission hook was left out; `canaryctl retire` calls it once nobody else "
             "needs " +
             state.stable;
    default:
      return std::nullopt;
  }
}

}  // namespace

StableWatch::StableWatch(std::size_t workers, Duration idle) : idle_(idle) {
  for (std::size_t i = 0; i < workers; ++i) {
    shares_.push_back(std::make_shared<stats::StableUse>());
  }
}

void StableWatch::look(Monotonic now, WallTime wall_now, std::uint64_t open) {
  std::uint64_t uses = 0;
  for (const auto& share : shares_) {
    uses += share->count();
    while (const auto user = share->next()) remember(*user, wall_now);
  }
  const bool used = uses != std::exchange(uses_, uses) || open > 0;
  const Duration passed = looked_ ? now - looked_at_ : Duration::zero();
  idle_ = used ? Duration::zero() : idle_ + passed;
  open_ = open;
  looked_ = true;
  looked_at_ = now;
}

// At once when it is over: what is stored must never be more than what is true.
std::optional<Duration> StableWatch::to_save() const noexcept {
  if (saving_) return std::nullopt;
  const bool due = !stored_ || idle_ < *stored_ || idle_ >= *stored_ + kSaveEvery;
  return due ? std::optional(idle_) : std::nullopt;
}

void StableWatch::saving(Duration idle) noexcept {
  saving_ = true;
  stored_ = idle;
}

void StableWatch::saved(bool ok) noexcept {
  saving_ = false;
  if (!ok) stored_.reset();
}

void StableWatch::remember(const stats::StableUser& user, WallTime at) {
  StragglerView straggler;
  straggler.route = user.route.view();
  straggler.rule = user.rule.view();
  straggler.client = to_string(user.client);
  straggler.user_agent = printable(user.user_agent.view());
  const auto known =
      std::find_if(stragglers_.begin(), stragglers_.end(), [&](const StragglerView& each) {
        return is_same(each, straggler);
      });
  if (known != stragglers_.end()) {
    straggler.requests = known->requests;
    stragglers_.erase(known);
  }
  ++straggler.requests;
  straggler.last = at;
  stragglers_.insert(stragglers_.begin(), std::move(straggler));
  if (stragglers_.size() > kStragglersMax) stragglers_.pop_back();
}

std::string describe(const StragglerView& straggler) {
  std::string text =
      "route " + straggler.route + " (" + straggler.rule + ") from " + straggler.client + ", ";
  text += straggler.user_agent.empty() ? "no User-Agent" : straggler.user_agent;
  text += ", " + std::to_string(straggler.requests);
  text += straggler.requests == 1 ? " request" : " requests";
  return text + ", last at " + format_time(straggler.last);
}

config::Hook decommission_hook(const config::Rollout& rollout, const rollout::State& state) {
  constexpr std::string_view kPlace = "{upstream}";
  config::Hook hook = *rollout.retire->hook;
  for (std::string& argument : hook.exec) {
    for (std::size_t at = 0; (at = argument.find(kPlace, at)) != std::string::npos;) {
      argument.replace(at, kPlace.size(), state.stable);
      at += state.stable.size();
    }
  }
  return hook;
}

std::string decommission_body(const rollout::State& state, const std::string& name) {
  std::string out = "{\"event\": \"decommission\"";
  const auto add = [&out](std::string_view key, std::string_view text) {
    out.append(", \"").append(key).append("\": ");
    append_json_string(out, text);
  };
  add("rollout", name);
  add("revision", state.revision);
  add("upstream", state.stable);
  add("canary", state.canary);
  return out + "}";
}

// ---- The controller

std::vector<std::string> Controller::State::others_that_need_stable(const Runner& runner) const {
  const auto index = config.find_rollout(runner.config().name);
  if (!index) return {};
  return config::others_that_need_stable(config, index->index(), [this](const auto& rollout) {
    const Runner* const other = find(rollout.name);
    return other != nullptr && other->state().phase == rollout::Phase::kRetired;
  });
}

StableWatch* Controller::State::watch_of(const Runner& runner) const noexcept {
  const auto found = stable_watches.find(runner.config().name);
  return found == stable_watches.end() ? nullptr : found->second.get();
}

void Controller::State::fill_watches(const std::vector<InForce>& all,
                                     std::size_t worker,
                                     proxy::WorkerSnapshot& copy) {
  const auto watched = [](const InForce& each) { return each.watched; };
  if (std::none_of(all.begin(), all.end(), watched)) return stable_watches.clear();
  // Also of what has left the file: nobody looks there until it comes back.
  std::erase_if(stable_watches, [&](const auto& each) {
    const auto index = config.find_rollout(each.first);
    return !index || !all[index->index()].watched;
  });
  copy.stable_uses.resize(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!all[i].watched) continue;
    const std::string& name = config.rollouts[i].name;
    auto& watch = stable_watches[name];
    if (watch == nullptr) {
      watch = std::make_shared<StableWatch>(parts.data_plane->workers(), known_idle(name));
    }
    copy.stable_uses[i] = watch->share(worker);
  }
}

// While others need the upstream too, what they have open there is theirs.
std::uint64_t Controller::State::open_at_stable(const Runner& runner, bool shared) const {
  if (!shared) return open_of(upstreams.find(runner.stable()));
  std::int64_t open = 0;
  parts.collector->visit_routes([&](std::string_view,
                                    std::string_view rollout,
                                    Cohort cohort,
                                    const stats::CounterSnapshot& counts) {
    if (cohort == Cohort::kStable && rollout == runner.config().name) {
      open += counts.active + counts.tunnels;
    }
  });
  return static_cast<std::uint64_t>(std::max<std::int64_t>(open, 0));
}

void Controller::State::look_at_stable(const Runner& runner) {
  StableWatch* const watch = watch_of(runner);
  if (watch == nullptr) return;
  const bool shared = !others_that_need_stable(runner).empty();
  watch->look(parts.clock->now(), parts.clock->wall_now(), open_at_stable(runner, shared));
  save_idle(runner);
}

// Nobody notes from now on who uses these, neither here nor in a daemon with the same file.
void Controller::State::forget_unwatched(const std::vector<InForce>& all) {
  if (table_epoch == 1) {
    for (const auto& [name, idle] : recovered.idle) {
      if (idle.milliseconds > 0) stored_idle[name] = idle.run;
    }
  }
  store::Batch batch;
  for (auto each = stored_idle.begin(); each != stored_idle.end();) {
    const auto index = config.find_rollout(each->first);
    if (index && all[index->index()].watched) {
      ++each;
      continue;
    }
    batch.idle.push_back({each->first, each->second, 0});
    each = stored_idle.erase(each);
  }
  if (batch.idle.empty()) return;
  parts.store->write(std::move(batch), store::Keep::kUntilWritten, [](const Result<void>&) {});
}

// What the store knew when the daemon started, for the first table: a later watch begins anew.
Duration Controller::State::known_idle(const std::string& rollout) const {
  const Runner* const runner = find(rollout);
  const auto known = recovered.idle.find(rollout);
  const bool first = table_epoch == 1 && known != recovered.idle.end();
  if (runner == nullptr || !first) return Duration::zero();
  const Duration idle = std::chrono::milliseconds(known->second.milliseconds);
  const Duration enough = runner->config().plan.retire->idle_for;
  return std::min(idle, enough - std::min(enough, StableWatch::kWatchAnew));
}

void Controller::State::save_idle(const Runner& runner) {
  const auto watch = stable_watches.find(runner.config().name);
  const std::optional<Duration> idle = watch->second->to_save();
  if (!idle) return;
  watch->second->saving(*idle);
  stored_idle[runner.config().name] = runner.state().run;
  const auto whole = std::chrono::duration_cast<std::chrono::milliseconds>(*idle).count();
  store::Batch batch;
  batch.idle.push_back(
      {runner.config().name, runner.state().run, static_cast<std::uint64_t>(whole)});
  parts.store->write(
      std::move(batch), store::Keep::kOnce, [saved = watch->second](const Result<void>& written) {
        saved->saved(written.has_value());
      });
}

rollout::StableUse Controller::State::stable_use(const Runner& runner) const {
  rollout::StableUse use;
  if (!runner.config().retire) return use;
  use.shared = !others_that_need_stable(runner).empty();
  const StableWatch* const watch = watch_of(runner);
  if (watch == nullptr) return use;
  use.idle = watch->idle();
  use.active = watch->open() > 0;
  return use;
}

std::string Controller::State::stragglers_text(const Runner& runner) const {
  const StableWatch* const watch = watch_of(runner);
  if (watch == nullptr) return {};
  std::string text;
  if (watch->open() > 0) text += "; " + std::to_string(watch->open()) + " open now";
  if (!watch->stragglers().empty()) {
    text += "; last used by " + describe(watch->stragglers().front());
  }
  return text;
}

Runner* Controller::State::find_kept(const std::string& name) const noexcept {
  for (const Runners* some : {&runners, &parked}) {
    for (const auto& each : *some) {
      if (each->config().name == name) return each.get();
    }
  }
  return nullptr;
}

// Also of one that has left the file while its hook ran: the journal has to know how that ended.
void Controller::State::hook_ended(const std::string& name,
                                   bool ok,
                                   std::string said,
                                   bool called_it) {
  Runner* const called = find_kept(name);
  if (called == nullptr) return;
  rollout::Event event;
  event.evidence = said;
  event.what = rollout::HookEnded{ok, std::move(said), called_it};
  called->handle(std::move(event), nullptr);
}

void Controller::State::decommission(const std::string& name) {
  Runner* const runner = find(name);
  // What the file is now may need the old version, and nobody has checked that.
  if (runner == nullptr) {
    return hook_ended(name, false, "not called: the rollout had left the configuration");
  }
  if (!runner->config().retire || !runner->config().retire->hook) return;
  if (!others_that_need_stable(*runner).empty()) {
    return hook_ended(name, false, "not called: somebody else needs that upstream since", false);
  }
  const config::Hook hook = decommission_hook(runner->config(), runner->state());
  const std::string good = hook.exec.empty() ? "a 2xx" : "exit code 0";
  const std::uint64_t call = ++decommissions[name];
  hook_caller.call(hook,
                   name,
                   decommission_body(runner->state(), name),
                   [this, still = alive, name, call, good](const Result<void>& ended) {
                     if (!*still) return;
                     HookCounts& counts = hook_tally[name];
                     ++(ended ? counts.ok : counts.failed);
                     if (decommissions[name] != call) return;
                     hook_ended(name, ended.has_value(), ended ? good : describe(ended.error()));
                   });
}

RolloutView Controller::State::view(const Runner& runner) const {
  RolloutView made = view_of(runner, *parts.collector, *parts.clock);
  show_parity(runner, made);
  made.retire = retire_view(runner);
  made.next = next_sentence(runner, made.step ? made.step->requests : 0);
  const bool begun = runner.state().phase != rollout::Phase::kIdle;
  if (!begun && !made.next) made.next = start_sentence(runner);
  if (made.retire && !made.next) made.next = retire_sentence(runner, made);
  return made;
}

std::optional<RetireView> Controller::State::retire_view(const Runner& runner) const {
  const auto& retire = runner.config().retire;
  if (!retire) return std::nullopt;
  const rollout::State& state = runner.state();
  RetireView view;
  view.idle_for = retire->idle_for;
  view.has_hook = retire->hook.has_value();
  view.hook = rollout::to_string(state.retire_hook);
  view.said = state.retire_said;
  view.kept = state.keeps_stable;
  view.needed_by = others_that_need_stable(runner);
  if (state.phase == rollout::Phase::kRetiring && state.retire_hook == rollout::RetireHook::kNone) {
    const WallTime end =
        state.since + std::chrono::ceil<std::chrono::milliseconds>(retire->drain + retire->undo);
    if (end > parts.clock->wall_now()) view.undo_until = end;
  }
  if (const StableWatch* const watch = watch_of(runner)) {
    view.idle = watch->idle();
    view.open = watch->open();
    view.stragglers = watch->stragglers();
    view.blocked = runner.state().phase == rollout::Phase::kPromoted &&
                   (watch->open() > 0 || watch->idle() < retire->idle_for);
  }
  return view;
}

}  // namespace canaryd::control
