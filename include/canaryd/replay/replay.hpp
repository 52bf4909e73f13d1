// Recorded traffic through the live engine: the same blocks, accounts and plan as in the daemon, by
// the recording's clock (docs/interfaces.md, "Replay"). The cohorts are those of the recording; a
// verdict changes nothing in it.
//
// Requests come in about the order in which they ended: one may be up to kSortMs behind another
// before it, and is put in order. Seconds are those of Unix time. The weight of the requests tells
// the steps: when one with another weight has begun, that weight is in force, and what still ends
// under the old one is no evidence, as in the daemon. A weight of 0 is a pause: no step begins or
// ends. Another revision begins anew. If no weight was recorded, all is one step: that of the plan
// whose weight is nearest to the canary's share of the whole recording.
//
// Latency is judged by what the recording itself tells of stable's. Routes are judged apart as in
// the daemon if the first request tells its own; segments are not, as no recording tells them.
//
// A step is accepted as in the daemon: by the verdict, its min_duration and its min_requests; in
// the last step with nobody left on stable, by time and requests alone.
//
// Pure; a value with one owner. Bounds: memory does not grow with the recording (seconds within
// kSortMs, kTimelineMax events).
#pragma once

#include "canaryd/analysis/analyzer.hpp"
#include "canaryd/base/error.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/replay/line_reader.hpp"
#include "canaryd/rollout/plan.hpp"
#include "canaryd/stats/block.hpp"
#include "canaryd/stats/client_contrast.hpp"
#include "canaryd/stats/dedupe.hpp"
#include "canaryd/stats/histogram.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace canaryd::replay {

inline constexpr std::int64_t kSortMs = 5000;
inline constexpr std::size_t kTimelineMax = 10'000;

enum class EventKind : std::uint8_t { kStep, kRevision, kAccept, kRollback };
[[nodiscard]] std::string_view to_string(EventKind kind) noexcept;

struct Event {
  EventKind kind = EventKind::kStep;
  std::int64_t at_ms = 0;
  BasisPoints weight;                 // In force.
  BasisPoints next_weight;            // Where accepting leads.
  std::uint64_t canary_requests = 0;  // Evidence up to here.
  std::string reason;                 // A sentence; of an acceptance or a rollback.
  friend bool operator==(const Event&, const Event&) = default;
};

struct Outcome {
  // The first rollback if there was one; else accept if the last step was; else hold.
  analysis::Decision decision = analysis::Decision::kHold;
  // A stable word: one of analysis::Reason; "min_duration" or "min_requests" if only that is
  // missing for acceptance.
  std::string reason;
  std::string summary;  // A sentence.
  // When it was decided; of a hold, the end of the recording. Nothing: there was no request.
  std::optional<std::int64_t> at_ms;
  std::optional<std::int64_t> began_ms;  // The first second of the recording.
  // Requests that were evidence up to at_ms.
  std::uint64_t canary_requests = 0;
  std::uint64_t stable_requests = 0;
  analysis::Verdict verdict;  // Of a rollback, as of at_ms; else as of the end.
  std::vector<Event> timeline;
  std::uint64_t events_left_out = 0;
  // Ended under a weight that was not in force any more.
  std::uint64_t late_requests = 0;
  std::optional<double> canary_share;  // Of all evidence; nothing without a request.
};

class Replay {
 public:
  // A valid plan.
  Replay(const rollout::Plan& plan, const analysis::Settings& settings);

  // kMalformed: too far out of order, or not consistent with what came before it. kLimit: more
  // different weights, or failures of known clients, than one second may have. A request that is
  // refused changes nothing.
  [[nodiscard]] Result<void> add(const RecordedRequest& request);
  // The end of the recording. Once.
  [[nodiscard]] Outcome finish();

 private:
  struct Failure {
    std::uint64_t client = 0;
    Cohort cohort = Cohort::kStable;
    std::optional<std::uint32_t> route;
    friend auto operator<=>(const Failure&, const Failure&) = default;
  };
  struct Counts {
    stats::CohortCounts stable;
    stats::CohortCounts canary;
    stats::Histogram stable_latency;  // Of those that did not fail.
    stats::Histogram canary_latency;
    // Of known clients' responses, by cohort and group; empty, or kClientGroups.
    std::array<std::vector<stats::Histogram>, 2> clients;
    std::array<stats::ClientGroups, 2> left;  // Those without a latency.
  };
  // The requests of one second under one weight.
  struct Group {
    std::optional<BasisPoints> weight;
    std::uint64_t revision = 0;
    std::int64_t first_start_ms = 0;
    std::int64_t last_start_ms = 0;
    Counts all;
    std::map<std::uint32_t, Counts> routes;  // Those that had requests.
    std::vector<Failure> failures;           // Of known clients.
  };
  // A step under judgement. One, or if no weight is known one for each step of the plan.
  struct Track {
    Track(const analysis::Settings& settings, stats::BlockBuilder blocks)
        : builder(std::move(blocks)), analyzer(settings) {}
    stats::BlockBuilder builder;
    analysis::Analyzer analyzer;
    std::size_t step = 0;  // Of the plan.
    BasisPoints weight;
    BasisPoints next_weight;
    std::int64_t began_ms = 0;
    std::uint64_t canary_requests = 0;
    std::optional<Outcome> accepted;  // Without its timeline.
  };
  // What is in force.
  struct Table {
    std::optional<BasisPoints> weight;
    std::uint64_t revision = 0;
    std::int64_t began_ms = 0;
  };

  static void count(const RecordedRequest& request, Counts& counts);
  static void count_client(const RecordedRequest& request, Counts& all);
  static void take_clients(const Counts& all, stats::LatencyCuts cuts, stats::ClientWatch& to);
  void take_clients(const Group& group);
  void take_failure(const Failure& failure, const stats::ClientGroups& came);
  void judge_clients(std::int64_t now_second);
  [[nodiscard]] Group* group_of(const RecordedRequest& request, Error& error);
  void judge_second(std::int64_t second, std::vector<Group>& groups);
  void put_in_force(std::int64_t second, const Group& group);
  void begin_run(std::int64_t second, bool weighted);
  void begin_step(Track& track, std::int64_t second, BasisPoints weight);
  void begin_all_steps(const stats::BlockBuilder& blocks, std::int64_t second);
  void pass_gap(Track& track, std::int64_t second);
  void tick(Track& track, std::int64_t second);
  void take(std::int64_t second, Group& group);
  static void take(const Group& group, Track& track);
  void decide(std::int64_t at_ms);
  // What of the step's own minimum is missing: a word as in Outcome, or nothing.
  [[nodiscard]] std::string_view missing_minimum(const Track& track, std::int64_t at_ms) const;
  // The verdict at the end of the recording, whose last block may still be open.
  [[nodiscard]] static analysis::Verdict verdict_at_end(const Track& track);
  [[nodiscard]] Outcome held(const Track& track) const;
  void try_accept(Track& track, analysis::Verdict verdict, std::int64_t at_ms);
  [[nodiscard]] Outcome outcome_of(analysis::Verdict verdict, std::int64_t at_ms) const;
  void note(EventKind kind, const Track& track, std::int64_t at_ms, std::string reason);
  [[nodiscard]] const Track& track_at_end() const;
  [[nodiscard]] std::optional<double> canary_share() const;

  rollout::Plan plan_;
  analysis::Settings settings_;
  std::map<std::int64_t, std::vector<Group>> waiting_;  // By second.
  std::optional<std::int64_t> newest_ms_;
  std::optional<std::int64_t> began_ms_;
  std::optional<std::int64_t> judged_until_;  // The first second that is not judged yet.
  std::size_t waiting_failures_ = 0;
  std::optional<bool> has_weight_;

  std::optional<Table> table_;
  std::uint64_t epoch_ = 0;
  stats::DedupeTable dedupe_;
  stats::ClientWatch clients_{0};                  // Of this run.
  std::vector<stats::ClientWatch> route_clients_;  // The same, by route.
  std::int64_t clients_second_ = 0;                // Of the last look at them.
  std::vector<Track> tracks_;
  std::uint64_t canary_requests_ = 0;
  std::uint64_t stable_requests_ = 0;
  std::uint64_t late_requests_ = 0;
  std::optional<Outcome> rollback_;
  std::vector<Event> timeline_;
  std::uint64_t events_left_out_ = 0;
};

}  // namespace canaryd::replay
