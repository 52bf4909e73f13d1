// What the admin API shows of a rollout: its state, its steps, its cohorts, the evidence and what
// is left of the old version (docs/interfaces.md section 3). Plain values; part of backend.hpp,
// where the units are.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/strong.hpp"
#include "canaryd/control/parity_view.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace canaryd::control {

// One step of the plan, as configured.
struct PlannedStepView {
  BasisPoints weight;
  std::optional<std::string> gate;
};

// The step that is running.
struct StepView {
  std::size_t index = 0;  // From 0, as in the API.
  std::size_t count = 0;
  BasisPoints weight;
  Duration elapsed{};
  Duration min_duration{};
  std::uint64_t requests = 0;       // Canary requests in this step.
  std::optional<std::string> gate;  // Gate at the end of this step.
  // Of it, those that count now; `of` empty: anybody may.
  std::uint32_t approvals_needed = 1;
  std::vector<std::string> approvers;
  struct ApprovalView {
    std::string by;
    std::optional<WallTime> until;  // Not set: until it is used.
  };
  std::vector<ApprovalView> approvals;
};

struct WeightView {
  BasisPoints target;
  std::optional<double> actual;  // Observed share of the canary, percent.
  std::optional<bool> sample_ratio_ok;
};

struct CohortView {
  double rps = 0;
  std::uint64_t requests = 0;
  std::optional<double> error_rate;  // 0..1.
  std::optional<double> p50;         // Seconds.
  std::optional<double> p90;
  std::optional<double> p99;
};

// One metric under judgement. Verdicts: "open", "pass", "fail".
struct MetricView {
  std::string metric;  // "errors", "latency_p99".
  std::string verdict = "open";
  // Of errors: rates, 0..1. Of latency: seconds; `tolerated` is what a canary response may take
  // before it is slow. Of feedback: mean scores, 1 to 5.
  std::optional<double> stable;
  std::optional<double> canary;
  std::optional<double> tolerated;
  // Of latency: the shares of slow responses that are compared, 0..1.
  struct Slow {
    std::optional<double> stable;
    std::optional<double> canary;
    std::optional<double> tolerated;
    // So much less the evidence for rollback counts, because clients differ (1: they do not).
    double design_effect = 1;
  };
  std::optional<Slow> slow;
  // Of errors, the same.
  double design_effect = 1;
  // Of a query, "query:refunds": its last reading, in its own unit. Nothing above but the verdict.
  struct Reading {
    std::optional<double> value;
    std::optional<double> min;
    std::optional<double> max;
    std::string said;  // "is 0.031, above 0.01 (2 in a row of 3)".
  };
  std::optional<Reading> reading;
  // Share of the way to each boundary, 0..1; empty for a metric that is shown but gathers no
  // evidence. That for acceptance, and what it needs, where a step runs and waits for the metric.
  std::optional<double> rollback_evidence;
  std::optional<double> accept_evidence;
  std::optional<Duration> needs_about;
  std::optional<std::uint64_t> needs_requests;  // Of the canary; about as many.
};

struct ExposureView {
  std::uint64_t failed = 0;
  std::uint64_t saved = 0;
  std::optional<std::uint64_t> max;
};

// Somebody who still uses the version that is to be retired.
struct StragglerView {
  std::string route;
  std::string rule;  // As in the access log, or "fallback".
  std::string client;
  std::string user_agent;  // Untrusted.
  std::uint64_t requests = 0;
  WallTime last{};
};

// How far the old version is from being retired.
struct RetireView {
  Duration idle_for{};
  std::optional<Duration> idle;  // Empty: it is not watched now.
  std::uint64_t open = 0;        // Requests and tunnels.
  bool blocked = false;          // Promoted, and not idle for long enough.
  bool kept = false;             // By `unretire`.
  std::optional<WallTime> undo_until;
  bool has_hook = false;
  std::string hook;  // rollout::RetireHook: "none", "called", "done", "failed", "unknown".
  std::string said;  // What the hook has ended with.
  // Who else needs the upstream, so that the hook is left out: "route reports".
  std::vector<std::string> needed_by;
  std::vector<StragglerView> stragglers;  // Newest first.
};

struct RolloutView {
  std::string name;
  std::uint64_t generation = 0;  // Raised by every transition; the value of If-Match.
  std::string state;  // docs/interfaces.md section 2.4: "progressing", "held", "rolled_back".
  std::optional<std::string> reason;
  bool condemned = false;   // A bad verdict stands: only `retry` goes on.
  WallTime since{};         // Of this state.
  Duration for_how_long{};  // In this state, by the control plane's clock.
  std::string stable;
  std::string canary;
  std::string revision;
  std::string mode = "enforce";         // "enforce" or "observe".
  std::string on_failure = "rollback";  // What a bad verdict does: "rollback", "hold", "step_down".
  std::optional<StepView> step;         // Empty when no step runs.
  std::vector<PlannedStepView> steps;
  std::optional<Duration> bake;
  WeightView weight;
  CohortView stable_cohort;
  CohortView canary_cohort;
  std::vector<MetricView> analysis;
  std::optional<ExposureView> exposure;
  std::optional<ParityView> parity;      // Empty: it has no `parity`.
  std::optional<RetireView> retire;      // Empty: it has no `retire`.
  std::optional<WallTime> frozen_until;  // A freeze window is open.
  std::optional<std::string> postponed;  // What the file means instead, and why not yet.
  std::optional<std::string> next;       // A sentence.
  bool journal_failing = false;  // The last write to it failed: no weight rises until one works.
  bool durable = true;  // False while the newest transition is in force but not yet stored.
};

}  // namespace canaryd::control
