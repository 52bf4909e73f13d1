// Columns for the terminal, as wide as what stands in them.
#pragma once

#include "cli/line.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::cli {

struct Cell {
  std::string text;
  Style style = Style::kPlain;
};
using Cells = std::vector<Cell>;

[[nodiscard]] std::string or_dash(std::string text);

// Rows of as many cells as the first one, which has the titles. Where the terminal is too narrow,
// the names in the first column are shortened, and then columns left out, of those that may be, in
// their order. has_names: else the first column is one of figures, which are never cut.
[[nodiscard]] std::string render_table(const std::vector<Cells>& rows,
                                       const ScreenOptions& options,
                                       std::span<const std::string_view> least_needed = {},
                                       bool has_names = true);

}  // namespace canaryd::cli
