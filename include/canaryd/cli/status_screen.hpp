// The status screen of one rollout and the list of all (docs/interfaces.md section 7), drawn from
// the API's JSON.
//
// Pure: the same input gives the same text. What is missing or of the wrong type in the JSON is
// shown as "-"; control characters and invalid UTF-8 are replaced, so that a server cannot speak to
// the terminal. Lines never exceed the width (20 columns or more): they are cut with an ellipsis,
// and columns that do not fit are left out.
#pragma once

#include "canaryd/base/error.hpp"

#include <string>
#include <string_view>

namespace canaryd::cli {

struct ScreenOptions {
  int columns = 100;
  bool color = false;
  bool utf8 = false;
  std::string today{};  // "2026-01-05", UTC: what has this date is shown without one.
  int rows = 0;         // Of a screen that cannot scroll; 0: any number.
};

// rollout: the answer of GET /api/v1/rollouts/{name}. history: that of .../history, or empty.
// kMalformed when rollout is not a JSON object.
[[nodiscard]] Result<std::string> render_rollout(std::string_view rollout,
                                                 std::string_view history,
                                                 const ScreenOptions& options);

// rollouts: the answer of GET /api/v1/rollouts. wide adds rates and latencies.
[[nodiscard]] Result<std::string> render_list(std::string_view rollouts,
                                              bool wide,
                                              const ScreenOptions& options);

// One line without position or colour, for --watch into a pipe: state, step, weight and reason.
[[nodiscard]] Result<std::string> render_line(std::string_view rollout,
                                              const ScreenOptions& options);
// The same of each rollout of the list.
[[nodiscard]] Result<std::string> render_lines(std::string_view rollouts,
                                               const ScreenOptions& options);

}  // namespace canaryd::cli
