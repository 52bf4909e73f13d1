// `canaryd fmt`: a file in its canonical form, with its comments and single blank lines.
//
// Two spaces, block style; lists and maps that are flat and fit a line are on one. Quotes are where
// YAML needs them. The result reads back to the same tree and has the same comments, or there is
// none. Variables stay as written: nothing is expanded. Pure.
#pragma once

#include "canaryd/config/problem.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::config {

struct Formatted {
  std::optional<std::string> text;  // Not set: problems say why.
  std::vector<Problem> problems;
};

[[nodiscard]] Formatted format(std::string_view file_name, std::string_view text);

}  // namespace canaryd::config
