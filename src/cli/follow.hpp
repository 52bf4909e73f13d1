// Commands that follow a rollout: status --watch and wait.
#pragma once

#include "canaryd/cli/commands.hpp"
#include "cli/daemon.hpp"
#include "cli/options.hpp"

#include <functional>

namespace canaryd::cli {

// What a watch shows: in full for a terminal, in one line for a pipe.
struct Frame {
  std::string full;
  std::string line;
  bool wraps = false;  // JSON: no line is cut.
};

// Draws frames once a second until the user interrupts (0) or the answer is an error. A daemon that
// goes away is waited for, except at the very beginning; one that is busy always.
[[nodiscard]] int watch(const std::function<Outcome<Frame>()>& draw, Environment& environment);

[[nodiscard]] int wait_for_outcome(const Daemon& daemon,
                                   const Options& options,
                                   Environment& environment);

}  // namespace canaryd::cli
