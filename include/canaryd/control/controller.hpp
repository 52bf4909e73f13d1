// The control plane: once a second it collects what the workers counted, lets the analysis judge
// it, feeds the rollout machines, performs what they ask and publishes the outcome; in between it
// answers the admin API and reloads.
//
// Traffic never waits for it: while it stalls, the last table stays in force.
//
// Thread rule: the control thread, all of it; completions come there too (the store's executor and
// the data plane see to that). The collaborators in Parts outlive it.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/ip.hpp"
#include "canaryd/base/log.hpp"
#include "canaryd/config/config.hpp"
#include "canaryd/config/load.hpp"
#include "canaryd/control/backend.hpp"
#include "canaryd/control/data_plane.hpp"
#include "canaryd/control/exec_io.hpp"
#include "canaryd/control/health_io.hpp"
#include "canaryd/control/http_io.hpp"
#include "canaryd/store/async_store.hpp"
#include "canaryd/store/store.hpp"
#include "canaryd/telemetry/access_log.hpp"
#include "canaryd/telemetry/collector.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::control {

// What the store knew when the daemon started.
struct Recovered {
  std::vector<store::JournalRow> latest;
  std::map<std::string, std::vector<store::EvidenceRow>> evidence;  // By rollout, of its last run.
  std::map<std::string, std::uint64_t> exposure;                    // The same.
  std::map<std::string, store::StableIdle> idle;                    // The same.
  std::uint64_t turn = 0;  // The newest one of a group that any of them knows.
};
// Reads it, on the thread that opened the store, before the control plane runs.
[[nodiscard]] Result<Recovered> recover(store::Store& store);

// Reads a file that the configuration names; the name is as written there.
using ReadFile = std::function<Result<std::string>(const std::string& name)>;
// Looks a name up, without blocking. `done` is called on the control thread: once, or never if the
// daemon ends meanwhile.
using Resolve = std::function<void(const std::string& host,
                                   std::uint16_t port,
                                   std::function<void(Result<std::vector<SocketAddress>>)> done)>;

struct Parts {
  const Clock* clock = nullptr;
  Log* log = nullptr;
  DataPlane* data_plane = nullptr;
  telemetry::Collector* collector = nullptr;
  store::AsyncStore* store = nullptr;
  const telemetry::AccessLog* access_log = nullptr;  // Null: none.
  // Reads the configuration file again.
  std::function<config::LoadResult()> load_config;
  // For upstreams whose endpoints are not listed.
  ReadFile read_file;
  Resolve resolve;
  // Asks the daemon to drain and stop.
  std::function<void()> drain;
  HealthIo* health_io = nullptr;  // Null: endpoints are not checked.
  HttpIo* http_io = nullptr;      // Null: nobody is asked, so nobody answers.
  ExecIo* exec_io = nullptr;      // Null: no program is run.
  BuildView build;
};

class Controller final : public Backend {
 public:
  // A rollout whose journalled state cannot be read is an error: nothing is guessed.
  [[nodiscard]] static Result<std::unique_ptr<Controller>> create(Parts parts,
                                                                  config::Config config,
                                                                  Recovered recovered);
  ~Controller() override;

  // Looks names up, publishes the first table, then opens the listeners; the first that cannot be
  // bound is the error. A name that cannot be resolved is none: its upstream has no endpoints yet.
  void start(std::function<void(Result<void>)> done);
  // Once a second.
  void tick();
  // Several times a second, once started: what the data plane has done by itself
  // (routing/cohort_gate.hpp) becomes a transition, taps are emptied, endpoints files are read, and
  // names looked up when it is time.
  void look();
  // Not ready any more; listeners are the daemon's to drain.
  void set_draining() noexcept;
  // The daemon ends: whoever has reloaded and still waits for the history is told that it is
  // behind. False: nobody waited.
  bool answer_reloads();
  // Writes what is left of the evidence.
  void save();

  [[nodiscard]] const config::Config& config() const noexcept;

  [[nodiscard]] std::vector<RolloutView> rollouts() const override;
  [[nodiscard]] std::optional<RolloutView> rollout(std::string_view name) const override;
  void act(ActionRequest request, ActionDone done) override;
  [[nodiscard]] std::optional<std::vector<PointView>> series(
      const SeriesQuery& query) const override;
  void history(HistoryQuery query, HistoryDone done) override;
  [[nodiscard]] FeedbackStatus feedback(FeedbackRequest request) override;
  void comments(CommentQuery query, CommentsDone done) override;
  void verify(VerifyQuery query, VerifyDone done) override;
  void verify_history(HistoryCheckQuery query, HistoryCheckDone done) override;
  [[nodiscard]] std::vector<ListenerView> listeners() const override;
  [[nodiscard]] std::vector<UpstreamView> upstreams() const override;
  [[nodiscard]] std::vector<RouteView> routes() const override;
  [[nodiscard]] MigrationView migration() const override;
  [[nodiscard]] Result<Explanation> explain(const ExplainRequest& question) const override;
  [[nodiscard]] Readiness readiness() const override;
  [[nodiscard]] BuildView build() const override;
  [[nodiscard]] std::string metrics_text() override;
  [[nodiscard]] Result<std::unique_ptr<Subscription>> tap(telemetry::TapFilter filter,
                                                          EventSink sink) override;
  [[nodiscard]] std::unique_ptr<Subscription> events(std::optional<std::uint64_t> after,
                                                     ControlSink sink) override;
  [[nodiscard]] std::string config_text() const override;
  [[nodiscard]] std::string config_schema() const override;
  void reload(Asked by, ReloadDone done) override;
  void drain() override;
  [[nodiscard]] Result<void> set_log_level(std::string_view level) override;

  struct State;  // Private to the room.

 private:
  explicit Controller(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace canaryd::control
