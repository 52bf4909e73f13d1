// A configuration file on this machine: `check FILE` says whether it is valid, `diff FILE` what the
// daemon would change if it were reloaded with it.
#pragma once

#include "canaryd/cli/commands.hpp"
#include "cli/daemon.hpp"
#include "cli/options.hpp"

namespace canaryd::cli {

// With a daemon: by the traffic that it has seen, where it has seen enough.
[[nodiscard]] int check_file(const Options& options,
                             Environment& environment,
                             const Daemon* daemon = nullptr);

// Reads the daemon; changes nothing there.
[[nodiscard]] int diff_file(const Daemon& daemon, const Options& options, Environment& environment);

}  // namespace canaryd::cli
