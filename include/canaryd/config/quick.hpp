// The file that `canaryd quick` runs and prints: a rollout between two addresses, ready to be
// saved. Pure.
#pragma once

#include "canaryd/base/error.hpp"

#include <string>
#include <vector>

namespace canaryd::config {

struct QuickOptions {
  std::string stable;  // host:port
  std::string canary;  // host:port
  std::string listen = "127.0.0.1:8080";
  std::vector<std::string> steps;  // Percent; empty: 1, 5, 10, 25, 100.
};

// A commented file that load() accepts without a problem, or what is wrong with an option.
[[nodiscard]] Result<std::string> quick_yaml(const QuickOptions& options);

}  // namespace canaryd::config
