// canaryd replay: recorded traffic from files through the engine (canaryd/replay).
#pragma once

#include "canaryd/config/config.hpp"
#include "daemon/options.hpp"

namespace canaryd::daemon {

// Reads the files of the command line, a piece at a time, and prints the outcome; gives the exit
// code. What is wrong goes to the standard error as FILE:LINE: error: ...
[[nodiscard]] int replay_files(const CommandLine& line, const config::Config& config);

}  // namespace canaryd::daemon
