// The daemon itself: makes every part, wires them, runs until it is told to stop. Owns everything.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/config/config.hpp"
#include "canaryd/config/load.hpp"

#include <functional>

namespace canaryd::daemon {

struct AppOptions {
  config::Config config;
  std::vector<config::Problem> warnings;
  // Reads the configuration again, for a reload.
  std::function<config::LoadResult()> load_config;
};

// Runs until SIGTERM, SIGINT or a drain through the API; the exit code.
[[nodiscard]] int run_app(AppOptions options);

}  // namespace canaryd::daemon
