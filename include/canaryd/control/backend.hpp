// What the admin API asks of the control plane: plain data out, actions in.
//
// Control implements Backend; the admin room turns it into HTTP and JSON (docs/interfaces.md
// section 3). Everything here is a value, so that a view can be handed on without locks.
//
// Thread rule: every call is made on the control thread, and every callback is called there, once,
// either inside the call or later. A callback may be called, or destroyed uncalled, after its
// caller and the io_context are gone: then it does nothing. Reading calls answer at once and never
// block.
//
// Units: durations and times as in base/clock.hpp; rates, shares and latencies (seconds) as plain
// numbers; weights in basis points. An empty optional means "not known yet" and is null in JSON.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/error.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/control/events.hpp"
#include "canaryd/control/history_check.hpp"
#include "canaryd/control/migration_view.hpp"
#include "canaryd/control/rollout_view.hpp"
#include "canaryd/control/verification.hpp"
#include "canaryd/stats/feedback.hpp"
#include "canaryd/telemetry/series.hpp"
#include "canaryd/telemetry/tap.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace canaryd::control {

// ---- Actions

enum class Action : std::uint8_t {
  kStart,
  kRetry,
  kPromote,
  kPause,
  kResume,
  kAbort,
  kRollback,
  kSetWeight,
  kApprove,
  kRetire,
  kUnretire,
};

struct ActionWord {
  Action action;
  std::string_view word;  // Last segment of the path and subcommand of canaryctl.
};

inline constexpr std::array<ActionWord, 11> kActionWords{{
    {Action::kStart, "start"},
    {Action::kRetry, "retry"},
    {Action::kPromote, "promote"},
    {Action::kPause, "pause"},
    {Action::kResume, "resume"},
    {Action::kAbort, "abort"},
    {Action::kRollback, "rollback"},
    {Action::kSetWeight, "weight"},
    {Action::kApprove, "approve"},
    {Action::kRetire, "retire"},
    {Action::kUnretire, "unretire"},
}};

[[nodiscard]] constexpr std::string_view to_string(Action action) noexcept {
  for (const ActionWord& entry : kActionWords) {
    if (entry.action == action) return entry.word;
  }
  return "";
}

struct ActionRequest {
  std::string rollout;
  Action action = Action::kPause;
  std::optional<BasisPoints> weight;    // kSetWeight: always set.
  std::string gate;                     // kApprove: always set.
  std::optional<Duration> expires;      // kApprove.
  std::optional<Duration> over;         // kRollback: a tenth at a time. 10 s to a day.
  std::string approver;                 // kApprove: who says to be asking; may be empty.
  std::optional<std::string> revision;  // kStart.
  bool full = false;                    // kPromote: straight to 100 %.
  bool skip_hook = false;               // kRetire: what a hook did not do is taken as done.
  std::string reason;  // May be empty. Untrusted text, at most 1 KiB of valid UTF-8.
  std::string actor;   // Who asked: "local", "uid:1000".
  std::optional<std::uint64_t> if_match;  // Refuse as kStale unless this is the generation.
};

enum class ActionStatus : std::uint8_t {
  kOk,          // In force and durable.
  kNotDurable,  // In force; the store fails and is retried.
  kRefused,     // Not allowed in this state; nothing changed.
  kStale,       // if_match is not the generation; nothing changed.
  kNotFound,    // No such rollout or gate.
};

struct ActionResult {
  ActionStatus status = ActionStatus::kOk;
  std::string detail;               // Why it was refused; a sentence.
  std::optional<RolloutView> view;  // The rollout after it; empty with kNotFound.
};

// ---- Points for charts

struct SeriesQuery {
  std::string rollout;
  std::size_t grain = 0;  // Index of telemetry::kSeriesGrains.
  Duration window{};      // As far back, as far as points are kept.
};

struct PointView {
  WallTime time{};     // The end of its stretch,
  Duration over{};     // and how long that is.
  BasisPoints weight;  // In force then.
  CohortView stable;   // Of the requests that ended in it alone, all figures.
  CohortView canary;
};

// ---- History

struct HistoryQuery {
  std::string rollout;
  std::size_t limit = 100;  // 1 to 1000.
  std::optional<std::uint64_t>
      after;  // Rows with a greater id; without it the newest `limit` rows.
};

// One line of the audit log.
struct HistoryRow {
  std::uint64_t id = 0;
  WallTime time{};
  std::string rollout;
  std::string event;  // "transition", "refused", "approved".
  std::string from;
  std::string to;
  std::string reason;
  BasisPoints weight;
  std::string actor;
  std::string message;        // A sentence for people.
  std::string evidence_json;  // A JSON value, or empty.
};

// ---- Feedback

inline constexpr unsigned kScoreMin = stats::kScoreMin;
inline constexpr unsigned kScoreMax = stats::kScoreMax;
inline constexpr std::size_t kCommentBytesMax = stats::kCommentBytesMax;

// A vote that somebody gives for a user.
struct FeedbackRequest {
  std::string rollout;
  Cohort cohort = Cohort::kCanary;  // kStable or kCanary.
  unsigned score = 0;               // 1 to 5.
  std::string id;       // Whose; one vote for each. Empty: nobody that could be told again.
  std::string comment;  // Untrusted text, at most kCommentBytesMax of valid UTF-8.
  std::string actor;    // As in ActionRequest.
};

enum class FeedbackStatus : std::uint8_t {
  kCounted,      // It is evidence.
  kDuplicate,    // This id has voted already.
  kNoEvidence,   // Heard, but the rollout has nothing to compare now.
  kRateLimited,  // Too many votes of this rollout.
  kNotFound,     // No such rollout.
};

struct CommentQuery {
  std::string rollout;
  std::size_t limit = 100;  // 1 to 1000, the newest.
};

struct CommentView {
  WallTime time{};
  std::string rollout;
  std::string cohort;
  unsigned score = 0;
  std::string actor;
  std::string text;  // Untrusted.
};

// ---- What else there is

struct ListenerView {
  std::string name;
  std::string address;  // As bound: the real port.
  std::uint64_t connections = 0;
};

struct EndpointView {
  std::string address;
  bool healthy = true;
  bool ejected = false;
  std::uint64_t active_requests = 0;
};

struct UpstreamView {
  std::string name;
  std::vector<EndpointView> endpoints;
  std::string source = "list";                // Or "file PATH", "dns NAME:PORT".
  std::optional<std::string> source_error{};  // Why it changes nothing now.
};

struct MirrorView {
  std::string to;  // An upstream.
  BasisPoints percent;
};

// A share of a route's users, who have a rollout of their own.
struct LaneView {
  std::string rollout;
  BasisPoints users;
};

struct RouteView {
  std::string name;
  std::string match;    // As in the file, on one line.
  std::string rollout;  // One of the two is empty, or both, with a split.
  std::string upstream;
  std::uint64_t requests = 0;
  std::optional<MirrorView> mirror{};
  std::vector<LaneView> split{};
};

// ---- One request, explained

struct ExplainRequest {
  std::string method;
  std::string url;  // "/x?y=z", or with a host: "http://host/x".
  std::vector<std::pair<std::string, std::string>> headers;
  std::string listener;  // Empty: the first one.
  std::string client;    // Address of the peer; empty: 127.0.0.1.
};

// What the data plane would do with it now; nothing is sent. Texts that have no value are empty.
struct Explanation {
  std::string refused;  // The word of X-Canaryd-Error, when it gets no further.
  std::string listener;
  std::string client;  // Trust resolved.
  bool peer_trusted = false;
  std::string method;
  std::string host;  // Canonical, as is the path.
  std::string path;
  std::string route;
  std::string match;  // As in RouteView.
  std::string rollout;
  std::string state;
  std::string cohort;  // This and what follows: only with a rollout.
  std::string rule;    // As in the access log, also the key_source.
  std::string key_source;
  std::string key_name;       // Of the header, cookie or parameter.
  bool key_is_fresh = false;  // Made for this request: the next one may have another cohort.
  std::optional<std::uint32_t> bucket;  // 0 to 9999.
  BasisPoints weight;
  bool forced = false;
  bool counts = true;                    // Part of the analysis.
  std::optional<std::uint32_t> segment;  // Of cohort.segments, from 1: the one that decided.
  std::string segment_rule;              // As in the file, on one line.
  std::optional<std::uint32_t> lane;     // Of the route's split, from 1.
  std::string upstream;
  std::string sent_as;  // Path and query, where the route rewrites them.
  std::vector<EndpointView> endpoints;
  std::optional<MirrorView> mirror;  // Of the route: this request may be among those copied.
  std::string why;                   // A sentence.
};

struct ReadinessCheck {
  std::string name;  // "listeners", "configuration", "not_draining".
  bool ok = false;
  std::string detail;
};

struct Readiness {
  bool ready = false;
  std::vector<ReadinessCheck> checks;
};

struct BuildView {
  std::string version;
  std::string commit;
};

// One finding in the configuration, as `canaryd validate --format json` reports it.
struct ConfigProblem {
  std::string file;
  std::size_t line = 0;  // From 1; 0 when it has no place.
  std::size_t column = 0;
  std::string severity = "error";  // "error" or "warning".
  std::string message;
  std::string hint;
};

struct ReloadResult {
  bool ok = false;
  std::vector<ConfigProblem> problems;  // Warnings when ok.
};

// ---- Events

struct TransitionView {
  HistoryRow row;  // As the audit log will have it, but for its id.
  std::uint64_t generation = 0;
  bool durable = true;
};

// The verdict on a metric has changed.
struct VerdictView {
  std::string rollout;
  MetricView metric;
};

struct ReloadView {
  bool ok = false;
  std::string message;  // A sentence.
};

// Where a follower wanted to go on from is not known any more: what came after it may be lost.
struct EventsMissed {
  std::uint64_t after = 0;
};

struct ControlEvent {
  using What = std::variant<TransitionView, VerdictView, RolloutView, ReloadView, EventsMissed>;
  // Grows; a sample, which is a RolloutView, has that of the event before it.
  std::uint64_t id = 0;
  What what;
};
using ControlSink = std::function<void(const ControlEvent&)>;

// ---- The interface

// Who wants something of the whole daemon, and why.
struct Asked {
  std::string actor = "canaryd";
  std::string reason{};  // Untrusted text, may be empty.
};

class Backend {
 public:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend() = default;

  using ActionDone = std::function<void(ActionResult)>;
  using HistoryDone = std::function<void(Result<std::vector<HistoryRow>>)>;
  using CommentsDone = std::function<void(Result<std::vector<CommentView>>)>;
  using ReloadDone = std::function<void(ReloadResult)>;

  [[nodiscard]] virtual std::vector<RolloutView> rollouts() const = 0;
  [[nodiscard]] virtual std::optional<RolloutView> rollout(std::string_view name) const = 0;
  virtual void act(ActionRequest request, ActionDone done) = 0;

  // Oldest first, since the daemon started; empty optional: there is no such rollout.
  [[nodiscard]] virtual std::optional<std::vector<PointView>> series(
      const SeriesQuery& query) const = 0;
  // Oldest first. kNotFound when there is no such rollout.
  virtual void history(HistoryQuery query, HistoryDone done) = 0;
  // kNotFound when there is no such rollout or transition; kLimit while another one is under way.
  virtual void verify(VerifyQuery query, VerifyDone done) = 0;
  // The same; of all rollouts.
  virtual void verify_history(HistoryCheckQuery query, HistoryCheckDone done) = 0;

  [[nodiscard]] virtual FeedbackStatus feedback(FeedbackRequest request) = 0;
  // What users said, oldest first. kNotFound when there is no such rollout.
  virtual void comments(CommentQuery query, CommentsDone done) = 0;

  [[nodiscard]] virtual std::vector<ListenerView> listeners() const = 0;
  [[nodiscard]] virtual std::vector<UpstreamView> upstreams() const = 0;
  [[nodiscard]] virtual std::vector<RouteView> routes() const = 0;
  [[nodiscard]] virtual MigrationView migration() const = 0;
  [[nodiscard]] virtual Readiness readiness() const = 0;
  // kInvalidArgument: the question makes no request. One that is refused is an answer.
  [[nodiscard]] virtual Result<Explanation> explain(const ExplainRequest& question) const = 0;
  [[nodiscard]] virtual BuildView build() const = 0;

  // Prometheus text 0.0.4.
  [[nodiscard]] virtual std::string metrics_text() = 0;
  // Requests that finish from now on, as events (docs/interfaces.md section 3.1). kInvalidArgument:
  // there is no such route.
  [[nodiscard]] virtual Result<std::unique_ptr<Subscription>> tap(telemetry::TapFilter filter,
                                                                  EventSink sink) = 0;
  // What happens to the rollouts, and a sample of each once a second. With `after`, what is known
  // to have come after that id comes first, within the call.
  [[nodiscard]] virtual std::unique_ptr<Subscription> events(std::optional<std::uint64_t> after,
                                                             ControlSink sink) = 0;
  // The running configuration as YAML, with a mask in place of what may be a secret.
  [[nodiscard]] virtual std::string config_text() const = 0;
  // The JSON Schema of configuration files.
  [[nodiscard]] virtual std::string config_schema() const = 0;

  // `by` is told in the log, and in the journal of each rollout that the new file changes.
  virtual void reload(Asked by, ReloadDone done) = 0;
  // Starts draining; a second call changes nothing.
  virtual void drain() = 0;
  // kInvalidArgument when there is no such level.
  [[nodiscard]] virtual Result<void> set_log_level(std::string_view level) = 0;
};

}  // namespace canaryd::control
