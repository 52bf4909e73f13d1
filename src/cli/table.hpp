// Columns for the terminal, as wide as what stands in them.
#pragma once

#include "cli/line.hpp"

#include <string>
#include <vector>

namespace canaryd::cli {

struct Cell {
  std::string text;
  Style style = Style::kPlain;
};
using Cells = std::vector<Cell>;

[[nodiscard]] std::string or_dash(std::string text);

// Rows of as many cells as the first one.
[[nodiscard]] std::string render_table(const std::vector<Cells>& rows,
                                       const ScreenOptions& options);

}  // namespace canaryd::cli
