#include "cli/table.hpp"

#include "canaryd/base/text.hpp"
#include "canaryd/cli/status_screen.hpp"

#include <algorithm>
#include <numeric>
#include <set>
#include <string>

namespace canaryd::cli {
namespace {

// Of names, which are first. They are cut so short before a column is left out; further only where
// none is left that may be.
constexpr int kNameLeast = 20;
constexpr int kNameShortest = 4;  // As its title.

// So that no two become the same, if that can be had: the name is what the next command takes.
int least_width_of_names(const std::vector<Cells>& rows, int longest, bool utf8) {
  for (int width = std::min(kNameLeast, longest); width < longest; ++width) {
    std::set<std::string> seen;
    const bool differ = std::all_of(rows.begin(), rows.end(), [&](const Cells& cells) {
      std::string text;
      append_printable(text, cells.front().text);
      return seen.insert(shortened(text, width, utf8)).second;
    });
    if (differ) return width;
  }
  return longest;
}

int width_of(const std::vector<std::size_t>& kept, const std::vector<int>& widths) {
  return std::accumulate(
      kept.begin(), kept.end(), -2, [&](int sum, std::size_t i) { return sum + widths[i] + 2; });
}

// The columns that fit, of the table with its header. The first one becomes as wide as it may be.
std::vector<std::size_t> fit(const Cells& titles,
                             std::vector<int>& widths,
                             int columns,
                             std::span<const std::string_view> least_needed,
                             int least_name) {
  const bool has_names = least_name > 0;
  std::vector<std::size_t> kept(titles.size());
  std::iota(kept.begin(), kept.end(), std::size_t{0});
  const int longest = widths.front();
  if (has_names) widths.front() = std::min(longest, least_name);
  for (const std::string_view title : least_needed) {
    if (width_of(kept, widths) <= columns) break;
    std::erase_if(kept, [&](std::size_t i) { return titles[i].text == title; });
  }
  if (!has_names) return kept;
  const int room = columns - (width_of(kept, widths) - widths.front());
  widths.front() = std::min(longest, std::max(room, kNameShortest));
  return kept;
}

}  // namespace

std::string or_dash(std::string text) {
  return text.empty() ? "-" : text;
}

std::string render_table(const std::vector<Cells>& rows,
                         const ScreenOptions& options,
                         std::span<const std::string_view> least_needed,
                         bool has_names) {
  std::vector<int> widths(rows.front().size(), 0);
  for (const Cells& cells : rows) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      widths[i] = std::max(widths[i], Line().add(cells[i].text).width());
    }
  }
  std::string out;
  const std::vector<std::size_t> shown =
      fit(rows.front(),
          widths,
          options.columns,
          least_needed,
          has_names ? least_width_of_names(rows, widths.front(), options.utf8) : 0);
  for (const Cells& cells : rows) {
    Line line;
    for (const std::size_t i : shown) {
      std::string text;
      append_printable(text, cells[i].text);
      if (i == 0) text = shortened(text, widths[i], options.utf8);
      line.add_left(text, widths[i] + 2, cells[i].style);
    }
    out += line.finish(options);
  }
  return out;
}

}  // namespace canaryd::cli
