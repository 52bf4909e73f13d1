// canaryctl without its process: arguments in, text and an exit code out.
//
// Exit codes are those of docs/interfaces.md section 1. Text that came from the server is made safe
// for a terminal before it is printed. Thread rule: one thread; everything blocks.
#pragma once

#include "canaryd/base/clock.hpp"
#include "canaryd/base/error.hpp"

#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitConfigInvalid = 3;
inline constexpr int kExitUnreachable = 5;
inline constexpr int kExitRefused = 6;
inline constexpr int kExitUnauthorised = 7;
inline constexpr int kExitTimeout = 8;
inline constexpr int kExitRolledBack = 10;
inline constexpr int kExitAborted = 11;
inline constexpr int kExitStopped = 12;

// What the process stands in; main fills it from the machine, tests from values.
struct Environment {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  const Clock& clock;
  bool in_is_terminal = false;
  bool out_is_terminal = false;
  bool utf8 = false;         // The locale can show it.
  bool no_color = false;     // NO_COLOR is set and not empty, or TERM is dumb.
  bool is_dumb = false;      // TERM is dumb: no cursor can be moved.
  std::string address;       // CANARYD_ADDR; empty when not set.
  std::string token_file{};  // CANARYD_TOKEN_FILE; empty when not set.
  // Size of the terminal, asked again for each redraw; 0 rows when it is not one.
  std::function<int()> columns;
  std::function<int()> rows;
  // Waits, for --watch and wait; false when the user has interrupted, then at once. From the first
  // call on, an interrupt no longer ends the process.
  std::function<bool(Duration)> wait;
  // Whether the user has interrupted, as wait(0) says it; asked while a watch or a wait is without
  // its answer.
  std::function<bool()> interrupted = {};
  // Whether the terminal shows what is typed; false while a watch draws over it, said before each
  // frame, for a shell may have changed it meanwhile.
  std::function<void(bool shown)> show_typing = {};
  // For check and diff: a file of this machine, and a variable of the environment.
  std::function<Result<std::string>(const std::string& path)> read_file = {};
  std::function<std::optional<std::string>(std::string_view name)> variable = {};
  // For check: whether this user may read a file with a secret; an error if nobody should use it,
  // or it is not there.
  std::function<Result<bool>(const std::string& path)> check_secret = {};
};

// arguments: without the program's name.
[[nodiscard]] int run(const std::vector<std::string>& arguments, Environment& environment);

}  // namespace canaryd::cli
