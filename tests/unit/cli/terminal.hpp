// canaryctl run in this process: a terminal made of strings, against the real admin server with a
// fake backend.
#pragma once

#include "canaryd/cli/commands.hpp"
#include "support/fake_backend.hpp"
#include "support/manual_clock.hpp"

#include <functional>
#include <map>
#include <optional>
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
  bool is_dumb = false;
  int rows = 40;
  std::string address;
  std::map<std::string, std::string> files;     // That read_file finds, by path.
  std::map<std::string, Result<bool>> secrets;  // What check_secret says, by path.
  // Called at each wait with its number, from 0; false is an interrupt. Time goes on by what was
  // waited for.
  std::function<bool(int)> at_wait = [](int) { return false; };
  std::function<bool()> interrupted;
  std::vector<bool> typing;  // Whether it was to be shown, each time that this was said.

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
                            .is_dumb = is_dumb,
                            .address = address,
                            .columns = [] { return 100; },
                            .rows = [this] { return rows; },
                            .wait =
                                [&](Duration duration) {
                                  clock.advance(duration);
                                  return at_wait(waits++);
                                },
                            .interrupted = interrupted,
                            .show_typing = [this](bool shown) { typing.push_back(shown); },
                            .read_file = [this](const std::string& path) { return read(path); },
                            .variable = [](std::string_view name) -> std::optional<std::string> {
                              if (name == "SET") return "set";
                              return std::nullopt;
                            },
                            .check_secret = [this](const std::string& path) -> Result<bool> {
                              const auto found = secrets.find(path);
                              if (found == secrets.end()) return fail(ErrorCode::kIo, "not there");
                              return found->second;
                            }};
    return cli::run(arguments, environment);
  }

  Result<std::string> read(const std::string& path) const {
    const auto found = files.find(path);
    if (found != files.end()) return found->second;
    return fail(ErrorCode::kIo, "No such file or directory");
  }
};

}  // namespace canaryd::cli
