// `canaryctl check`: what is not as it should be with the daemon, and what to do about it.
#pragma once

#include "canaryd/cli/commands.hpp"
#include "canaryd/cli/status_screen.hpp"
#include "cli/daemon.hpp"

namespace canaryd::cli {

// 1 when something is broken; warnings alone are 0.
[[nodiscard]] int diagnose(const Daemon& daemon,
                           bool json,
                           const ScreenOptions& screen,
                           Environment& environment);

}  // namespace canaryd::cli
