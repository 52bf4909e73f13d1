// `canaryd simulate`: a rollout of a configuration, a thousand times in virtual time.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/config/config.hpp"
#include "canaryd/simulate/run.hpp"
#include "daemon/options.hpp"

namespace canaryd::daemon {

// What the flags and the rollout's own expectations make. The error's context says which flag is
// wrong and what would be right.
[[nodiscard]] Result<simulate::Scenario> make_scenario(const config::Rollout& rollout,
                                                       const SimulateFlags& flags);

// Prints the report or the picture on stdout, what is wrong on stderr; on a terminal a line of
// progress there. Returns the exit code.
[[nodiscard]] int run_simulate(const CommandLine& line);

}  // namespace canaryd::daemon
