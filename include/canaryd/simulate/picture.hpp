// The course of one simulated rollout as an SVG picture: weight and evidence over time.
//
// One file without outside assets or scripts; follows the reader's light or dark scheme. The size
// does not depend on the length of the run. Pure; any thread.
#pragma once

#include "canaryd/simulate/study.hpp"

#include <string>
#include <vector>

namespace canaryd::simulate {

// `run` and `trace` are of run_rollout(); the trace is not empty.
[[nodiscard]] std::string render_svg(const Scenario& scenario,
                                     const Study& study,
                                     const RunResult& run,
                                     const std::vector<TracePoint>& trace);

}  // namespace canaryd::simulate
