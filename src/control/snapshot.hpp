// From the configuration and where the rollouts stand to what the data plane reads. Pure.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/config/config.hpp"
#include "canaryd/proxy/snapshot.hpp"
#include "canaryd/rollout/state.hpp"
#include "canaryd/routing/cohort_gate.hpp"
#include "canaryd/stats/latency.hpp"
#include "canaryd/telemetry/collector.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace canaryd::control {

// What of a rollout is in force in the data plane.
struct InForce {
  // Names of upstreams, of the rollout as it is and not as the file has it: they may differ while
  // the one waits for the other. Those that the file no longer has are replaced by its own.
  std::string stable;
  std::string canary;
  std::string revision;
  BasisPoints weight;
  BasisPoints waiting;  // While suspended: whose users may probe.
  rollout::Admission admission = rollout::Admission::kForceOnly;
  bool watched = false;      // Who uses stable is noted.
  bool stable_gone = false;  // Nobody goes back there by the gate.
  std::uint64_t run = 0;
  std::uint64_t epoch = 0;  // Of weight and step: another one closes the open block of evidence.
  std::uint32_t step = 0;
  std::uint64_t attempt = 0;          // As often as a step has begun, be it at the same weight.
  stats::LatencyRules latency;        // How the step's blocks are cut.
  std::vector<std::string> routes;    // analysis::Settings::routes of the run.
  std::vector<std::string> segments;  // The same.
  stats::KnownLatency known;          // Evidence::known_latency().
  std::shared_ptr<routing::CohortGate> gate;
  proxy::ParityPolicy parity;
};

// `in_force` has one entry for each rollout of the configuration, in its order.
[[nodiscard]] Result<std::shared_ptr<const proxy::Snapshot>> make_snapshot(
    const config::Config& config, const std::vector<InForce>& in_force, std::uint64_t epoch);

[[nodiscard]] telemetry::TableLayout make_layout(const config::Config& config,
                                                 const std::vector<InForce>& in_force,
                                                 std::uint64_t epoch);

[[nodiscard]] upstream::UpstreamSpec make_upstream(const config::Upstream& upstream);
[[nodiscard]] std::shared_ptr<const proxy::ListenerSpec> make_listener(
    const config::Listener& listener);

}  // namespace canaryd::control
