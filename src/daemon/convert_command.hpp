// `canaryd convert`: another tool's file on a configuration's way.
#pragma once

#include "daemon/options.hpp"

namespace canaryd::daemon {

// Prints the configuration on stdout, and what it does not have on stderr. Returns the exit code.
[[nodiscard]] int convert_file(const CommandLine& line);

}  // namespace canaryd::daemon
