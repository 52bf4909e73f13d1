// `canaryctl tap`: requests as they finish, a line each.
#pragma once

#include "canaryd/cli/commands.hpp"
#include "canaryd/cli/status_screen.hpp"
#include "cli/daemon.hpp"
#include "cli/json_view.hpp"
#include "cli/options.hpp"

#include <string>

namespace canaryd::cli {

// Lays requests out in columns. Those of names grow with what has been seen, so that lines begin to
// stand below each other; the path has what is left of the width.
class TapTable {
 public:
  // request: the data of an access log line. With `cut`, a line fits the width.
  [[nodiscard]] std::string line(JsonView request, const ScreenOptions& options, bool cut);

 private:
  struct Row;
  int route_width_ = 5;
  int method_width_ = 4;
  int status_width_ = 3;
  int upstream_width_ = 2;
  int error_width_ = 0;
};

// Until the user interrupts (0) or the stream ends, which is a failure.
[[nodiscard]] int run_tap(const Daemon& daemon,
                          const Options& options,
                          ScreenOptions screen,
                          Environment& environment);

}  // namespace canaryd::cli
