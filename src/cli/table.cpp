#include "cli/table.hpp"

#include "canaryd/cli/status_screen.hpp"

#include <algorithm>
#include <numeric>

namespace canaryd::cli {
namespace {

// The columns that fit, of the table with its header.
std::vector<std::size_t> fitting(const Cells& titles,
                                 const std::vector<int>& widths,
                                 int columns,
                                 std::span<const std::string_view> least_needed) {
  std::vector<std::size_t> kept(titles.size());
  std::iota(kept.begin(), kept.end(), std::size_t{0});
  const auto width = [&] {
    return std::accumulate(
        kept.begin(), kept.end(), -2, [&](int sum, std::size_t i) { return sum + widths[i] + 2; });
  };
  for (const std::string_view title : least_needed) {
    if (width() <= columns) break;
    std::erase_if(kept, [&](std::size_t i) { return titles[i].text == title; });
  }
  return kept;
}

}  // namespace

std::string or_dash(std::string text) {
  return text.empty() ? "-" : text;
}

std::string render_table(const std::vector<Cells>& rows,
                         const ScreenOptions& options,
                         std::span<const std::string_view> least_needed) {
  std::vector<int> widths(rows.front().size(), 0);
  for (const Cells& cells : rows) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      widths[i] = std::max(widths[i], Line().add(cells[i].text).width());
    }
  }
  std::string out;
  const std::vector<std::size_t> shown =
      fitting(rows.front(), widths, options.columns, least_needed);
  for (const Cells& cells : rows) {
    Line line;
    for (const std::size_t i : shown) {
      line.add_left(cells[i].text, widths[i] + 2, cells[i].style);
    }
    out += line.finish(options);
  }
  return out;
}

}  // namespace canaryd::cli
