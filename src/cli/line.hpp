// One line of terminal output, built from pieces; made safe, cut to the width and coloured at the
// end.
//
// Text from outside enters only through add(): controls and invalid UTF-8 are replaced before
// colour is added, so it cannot carry escape sequences.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::cli {

enum class Style : std::uint8_t { kPlain, kBold, kDim, kGood, kBad, kWarn, kActive };

struct ScreenOptions;

// Columns that the text takes on a terminal.
[[nodiscard]] int display_width(std::string_view text);

class Line {
 public:
  Line& add(std::string_view text, Style style = Style::kPlain);
  // Padded with spaces on its right or left; never cut.
  Line& add_left(std::string_view text, int width, Style style = Style::kPlain);
  Line& add_right(std::string_view text, int width, Style style = Style::kPlain);
  Line& add(const Line& other);

  [[nodiscard]] int width() const noexcept { return width_; }
  // With a line feed.
  [[nodiscard]] std::string finish(const ScreenOptions& options) const;

 private:
  [[nodiscard]] int blanks_at_end() const;

  struct Piece {
    std::string text;
    Style style;
  };
  std::vector<Piece> pieces_;
  int width_ = 0;
};

// The same of what finish() has made: colours take none.
[[nodiscard]] int width_on_screen(std::string_view line);
// Of such a line, without its line feed: what fits.
[[nodiscard]] std::string cut_to_width(std::string_view line, int columns);

// "a-long-na…"
[[nodiscard]] std::string shortened(const std::string& name, int width, bool utf8);

// Lays pieces out with the gap between them, on as many lines as needed; further lines begin with
// the indent.
[[nodiscard]] std::string flow(const std::vector<Line>& pieces,
                               const Line& gap,
                               int indent,
                               const ScreenOptions& options);

}  // namespace canaryd::cli
