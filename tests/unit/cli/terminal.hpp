// canaryctl run in this process: a terminal made of strings, against the real admin server with a
// fake backend.
#pragma once

#include "canaryd/cli/commands.hpp"
#include "support/fake_backend.hpp"
#include "support/manual_clock.hpp"

#include <functional>
#include <sstream>
#include <string>
#include <vector>

namespace canaryd::cli {

struct Terminal {
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  test::ManualClock clock;
  bool is_terminal = false;
  int rows = 40;
  std::string address;
  // Called at each wait with its number, from 0; false is an interrupt. Time goes on by what was
  // waited for.
  std::function<bool(int)> at_wait = [](int) { return false; };

  int run(std::vector<std::string> arguments) {
    int waits = 0;
    out.str("");
    err.str("");
    Environment environment{.in = in,
                            .out = out,
                            .err = err,
                            .clock = clock,
                            .in_is_terminal = is_terminal,
                            .out_is_terminal = is_terminal,
                            .utf8 = true,
                            .no_color = true,
                            .address = address,
                            .columns = [] { return 100; },
                            .rows = [this] { return rows; },
                            .wait =
                                [&](Duration duration) {
                                  clock.advance(duration);
                                  return at_wait(waits++);
                                }};
    return cli::run(arguments, environment);
  }
};

}  // namespace canaryd::cli
