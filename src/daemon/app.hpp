// The daemon itself: makes every part, wires them, runs until it is told to stop. Owns everything.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/config/config.hpp"
#include "canaryd/config/load.hpp"

#include <functional>
#include <string>

namespace canaryd::daemon {

struct AppOptions {
  config::Config config;
  std::vector<config::Problem> warnings;
  // Reads the configuration again, for a reload.
  std::function<config::LoadResult()> load_config;
  // Reads a file that the configuration names.
  std::function<Result<std::string>(const std::string& name)> read_file;
  std::string folder;  // That such names, and the programs of hooks, are relative to.
};

// Runs until SIGTERM, SIGINT or a drain through the API; the exit code.
[[nodiscard]] int run_app(AppOptions options);

}  // namespace canaryd::daemon
