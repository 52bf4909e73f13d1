#include "cli/table.hpp"

#include "canaryd/cli/status_screen.hpp"

#include <algorithm>

namespace canaryd::cli {

std::string or_dash(std::string text) {
  return text.empty() ? "-" : text;
}

std::string render_table(const std::vector<Cells>& rows, const ScreenOptions& options) {
  std::vector<int> widths(rows.front().size(), 0);
  for (const Cells& cells : rows) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      widths[i] = std::max(widths[i], Line().add(cells[i].text).width());
    }
  }
  std::string out;
  for (const Cells& cells : rows) {
    Line line;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      line.add_left(cells[i].text, widths[i] + 2, cells[i].style);
    }
    out += line.finish(options);
  }
  return out;
}

}  // namespace canaryd::cli
