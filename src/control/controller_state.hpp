// What the parts of the controller share. Private to the room.
#pragma once

#include "canaryd/config/diff.hpp"
#include "canaryd/control/controller.hpp"
#include "control/awaited_rows.hpp"
#include "control/discovery.hpp"
#include "control/event_log.hpp"
#include "control/feedback.hpp"
#include "control/health_check.hpp"
#include "control/hook_call.hpp"
#include "control/messenger.hpp"
#include "control/parity.hpp"
#include "control/retention.hpp"
#include "control/retirement.hpp"
#include "control/runner.hpp"
#include "control/step_consent.hpp"
#include "control/taps.hpp"
#include "control/upstream_registry.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace canaryd::control {

struct ReloadCounts {
  bool last_successful = true;
  WallTime last_success{};
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;
};

struct Controller::State {
  State(Parts parts_in, config::Config config_in, Recovered recovered_in);

  // Makes the table, closes the evidence of the old one, posts; see RunnerHost::publish.
  void publish(std::function<void()> done);
  void absorb_blocks();
  void tick_runner(Runner& runner);
  // hooks.cpp: what the before_step hooks say, if `tick` leads to a step; and why they do not
  // agree.
  [[nodiscard]] rollout::Consent consent_for(const Runner& runner, rollout::Tick tick);
  [[nodiscard]] std::string objection_to(const Runner& runner) const;
  // start.cpp: what one that has not begun waits for.
  [[nodiscard]] std::string start_sentence(const Runner& runner) const;
  [[nodiscard]] std::string manual_start_sentence(const Runner& runner) const;
  [[nodiscard]] std::string own_start_sentence(const Runner& runner) const;
  [[nodiscard]] std::optional<std::string> missing_consent(const Runner& runner,
                                                           const char* what) const;
  [[nodiscard]] bool may_start_on(std::string_view upstream) const noexcept;
  // hanging.cpp: what no step can be accepted over; empty: nothing.
  [[nodiscard]] std::string hanging_text(const Runner& runner) const;
  // next_sentence.cpp: what one that has begun waits for.
  [[nodiscard]] std::optional<std::string> next_sentence(const Runner& runner,
                                                         std::uint64_t requests) const;
  [[nodiscard]] std::optional<std::string> state_sentence(const Runner& runner,
                                                          std::uint64_t requests) const;
  [[nodiscard]] std::string suspended_sentence(const Runner& runner) const;
  [[nodiscard]] std::string stable_down_text(const Runner& runner) const;
  [[nodiscard]] std::string bake_sentence(const Runner& runner) const;
  [[nodiscard]] std::string rest_sentence(const Runner& runner) const;
  // groups.cpp: whether the others of its group may take the step as well, or have; and whether one
  // of them has ended, which follow_group() learns from each change, recall_groups() from the
  // journal.
  [[nodiscard]] bool group_agrees(const Runner& runner) const;
  // The rollout of its group that has ended; null: none has.
  [[nodiscard]] const std::string* group_failed(const Runner& runner) const;
  void follow_group(const rollout::Change& change);
  void recall_groups();
  void doom(const Runner& runner, const Runner& ended);
  // retirement.cpp: who uses an old version that is to go, and the hook that ends it.
  [[nodiscard]] std::vector<std::string> others_that_need_stable(const Runner& runner) const;
  [[nodiscard]] StableWatch* watch_of(const Runner& runner) const noexcept;
  void forget_unwatched(const std::vector<InForce>& all);
  void fill_watches(const std::vector<InForce>& all,
                    std::size_t worker,
                    proxy::WorkerSnapshot& copy);
  [[nodiscard]] std::uint64_t open_at_stable(const Runner& runner, bool shared) const;
  void look_at_stable(const Runner& runner);
  [[nodiscard]] Duration known_idle(const std::string& rollout) const;
  void save_idle(const Runner& runner);
  [[nodiscard]] rollout::StableUse stable_use(const Runner& runner) const;
  [[nodiscard]] std::string stragglers_text(const Runner& runner) const;
  void decommission(const std::string& name);
  void hook_ended(const std::string& name, bool ok, std::string said, bool called_it = true);
  // Also of a rollout that has left the file; null: none.
  [[nodiscard]] Runner* find_kept(const std::string& name) const noexcept;
  [[nodiscard]] std::optional<RetireView> retire_view(const Runner& runner) const;
  [[nodiscard]] RolloutView view(const Runner& runner) const;
  // parity_gate.cpp: of rollouts that wait to begin by themselves until the versions are seen to
  // answer reads alike.
  void ask_for_parity(std::vector<InForce>& all);
  [[nodiscard]] bool waits_for_parity(const Runner& runner) const;
  [[nodiscard]] std::string parity_at_start(const Runner& runner) const;
  void show_parity(const Runner& runner, RolloutView& view) const;
  // protection.cpp: before it.
  // `index` of `runners`.
  void watch(Runner& runner, std::size_t index) const;
  // After it: what is counted is read with the next tick.
  void count_overdue() const;
  // sample_ratio.cpp
  void tell_sample_ratio(Runner& runner) const;
  void tell_withheld_cookies(Runner& runner) const;
  // feedback_intake.cpp
  void receive_votes();
  void save_comments();
  // Whether what the journal has would still be there after a restart.
  void look_at_store();
  // ejections.cpp: writes into the log who was ejected, and who is back.
  void tell_ejections();
  // streams.cpp: to those who follow. The verdicts before the tick that acts on them.
  void tell_verdicts(const Runner& runner);
  void tell_samples() const;
  // An endpoint is well, or not, that was not so before.
  void health_changed();
  // Whether any endpoint of this upstream may be used.
  [[nodiscard]] bool is_up(std::string_view upstream) const noexcept;
  // Whether a rollout with this name has come to its end.
  [[nodiscard]] bool is_promoted(std::string_view rollout) const noexcept;
  [[nodiscard]] std::vector<InForce> in_force() const;
  // Of `runners`; their number for a name that none has.
  [[nodiscard]] std::size_t index_of(std::string_view name) const noexcept;
  [[nodiscard]] Runner* find(std::string_view name) const noexcept;
  [[nodiscard]] std::int64_t second() const noexcept;
  // The first table, then the listeners.
  void begin_serving(std::function<void(Result<void>)> done);
  void open_listeners(std::vector<std::shared_ptr<const proxy::ListenerSpec>> specs,
                      std::function<void(Result<void>)> done);
  struct Opening;
  [[nodiscard]] std::string advice_on_port(const SocketAddress& address) const;
  void open_next(const std::shared_ptr<Opening>& opening);
  // Runners of the rollouts that none runs for yet, as the journal knows them.
  using Runners = std::vector<std::shared_ptr<Runner>>;
  [[nodiscard]] Result<Runners> make_runners(const config::Config& next) const;
  void begin_reload(Asked by, Backend::ReloadDone done);
  void next_reload();
  // A configuration whose new listeners are open already; `joining` are the runners it adds, `rows`
  // gets what it writes into the history.
  void apply(config::Config next,
             const Runners& joining,
             const std::vector<config::Change>& changes,
             const Asked& by,
             AwaitedRows& rows);
  // Once a second.
  void look_at_awaited_rows();

  Parts parts;
  config::Config config;
  Recovered recovered;
  std::shared_ptr<RunnerHost> host;  // Runners share it: completions may come after we are gone.
  Runners runners;                   // In the order of config.rollouts.
  // Of rollouts that a reload took out of the file. Their journal goes on should they come back.
  Runners parked;
  UpstreamRegistry upstreams;
  HealthChecks health;
  Discovery discovery;
  Taps taps;
  EventLog events;
  Feedback feedback;
  HookTally hook_tally;
  HookCaller hook_caller;
  std::map<std::string, std::shared_ptr<StepConsent>> consents;  // By rollout.
  // Generation of the rollouts that would take a step, as of their last tick.
  std::map<std::string, std::uint64_t> ready;
  // Rollouts of whose group another one has ended.
  struct Doom {
    std::uint64_t turn = 0;  // Since which they were bound to it.
    std::string ended;       // Which one it is.
  };
  std::map<std::string, Doom, std::less<>> doomed;
  // Of rollouts that are to be retired.
  std::map<std::string, std::shared_ptr<StableWatch>, std::less<>> stable_watches;
  std::map<std::string, std::uint64_t> decommissions;  // How often the hook was called.
  ParityWatches parities;
  Messenger messenger;
  std::uint64_t table_epoch = 0;
  std::map<std::string, std::uint64_t> stored_idle;  // By rollout, the run that the store may have
                                                     // idle time of.
  std::shared_ptr<const proxy::Snapshot> published;  // The newest.
  // Index: worker. Made when a configuration first asks for them, and kept.
  std::vector<std::shared_ptr<stats::PathSketch>> path_sketches;
  std::uint64_t ticks = 0;
  bool listening = false;
  bool draining = false;
  bool reloading = false;
  // Asked for while one was under way, or the daemon was starting; each is done in its turn.
  struct WaitingReload {
    Asked by;
    Backend::ReloadDone done;
  };
  std::deque<WaitingReload> waiting_reloads;
  // Of reloads that are in force, and that nobody has been told of yet.
  std::vector<std::shared_ptr<AwaitedRows>> awaited_rows;
  bool verifying = false;
  ReloadCounts reloads;
  // Completions may come after the controller is gone; they look at this first.
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);
  RetentionSweep retention;
};

// A rollout as the journal knows it, or a new one. Nothing is guessed: what cannot be read is an
// error.
[[nodiscard]] Result<std::shared_ptr<Runner>> make_runner(const std::shared_ptr<RunnerHost>& host,
                                                          const config::Rollout& config,
                                                          const Recovered& recovered,
                                                          WallTime now);
// Tells a rollout that the journal knows that it was not served for a while. See
// Runner::restarted().
void announce_restart(Runner& runner,
                      const char* why,
                      bool has_versions = true,
                      Runner::Done done = nullptr);
// Whether the file still has both versions that the rollout is of.
[[nodiscard]] bool has_versions_of(const config::Config& config, const Runner& runner);

// sample_ratio.cpp: nothing with too few requests under the weight in force. `was_ok`: the last
// time.
[[nodiscard]] std::optional<bool> sample_ratio_ok(const telemetry::RolloutShare& traffic,
                                                  BasisPoints weight,
                                                  bool was_ok = true);
// views.cpp
// The metrics of its view.
[[nodiscard]] std::vector<MetricView> metric_views(
    const Runner& runner, const std::optional<telemetry::RolloutTraffic>& traffic);
[[nodiscard]] RolloutView view_of(const Runner& runner,
                                  const telemetry::Collector& collector,
                                  const Clock& clock);
// streams.cpp
[[nodiscard]] TransitionView view_of(const rollout::Change& change, bool durable);
// metrics.cpp
[[nodiscard]] std::string metrics_text_of(const Controller::State& state);

}  // namespace canaryd::control
