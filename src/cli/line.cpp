#include "cli/line.hpp"

#include "canaryd/base/text.hpp"
#include "canaryd/cli/status_screen.hpp"

#include <algorithm>
#include <array>

namespace canaryd::cli {
namespace {

// Code point of a valid sequence.
char32_t decode(std::string_view sequence) noexcept {
  const auto byte = [sequence](std::size_t i) -> char32_t {
    return static_cast<unsigned char>(sequence[i]);
  };
  if (sequence.size() == 1) return byte(0);
  char32_t point = byte(0) & (0xFFU >> (sequence.size() + 1));
  for (std::size_t i = 1; i < sequence.size(); ++i) point = (point << 6U) | (byte(i) & 0x3FU);
  return point;
}

struct Range {
  char32_t first;
  char32_t last;
};

// Characters of two columns (Unicode Standard Annex 11, wide and fullwidth), in broad strokes.
constexpr std::array<Range, 35> kWide{
    {{0x1100, 0x115F}, {0x231A, 0x231B}, {0x23E9, 0x23EC}, {0x23F0, 0x23F0},   {0x23F3, 0x23F3},
     {0x25FD, 0x25FE}, {0x2614, 0x2615}, {0x2648, 0x2653}, {0x267F, 0x267F},   {0x2693, 0x2693},
     {0x26A1, 0x26A1}, {0x26AA, 0x26AB}, {0x26BD, 0x26BE}, {0x26C4, 0x26C5},   {0x26CE, 0x26CE},
     {0x26D4, 0x26D4}, {0x26EA, 0x26EA}, {0x26F2, 0x26F5}, {0x26FA, 0x26FD},   {0x2705, 0x2705},
     {0x270A, 0x270B}, {0x2728, 0x2728}, {0x274C, 0x274E}, {0x2753, 0x2757},   {0x2795, 0x2797},
     {0x27B0, 0x27BF}, {0x2B1B, 0x2B1C}, {0x2B50, 0x2B55}, {0x2E80, 0xA4CF},   {0xAC00, 0xD7A3},
     {0xF900, 0xFAFF}, {0xFE30, 0xFE6F}, {0xFF00, 0xFF60}, {0x1F300, 0x1FAFF}, {0x20000, 0x3FFFD}}};

int columns_of(std::string_view sequence) noexcept {
  const char32_t point = decode(sequence);
  const bool wide = std::any_of(kWide.begin(), kWide.end(), [point](Range range) {
    return point >= range.first && point <= range.last;
  });
  return wide ? 2 : 1;
}

// Calls visit(sequence) for each character of valid UTF-8; visit returns false to end.
template <class Visit>
void for_each_character(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const std::size_t length = std::max<std::size_t>(utf8_sequence_length(text), 1);
    if (!visit(text.substr(0, length))) return;
    text.remove_prefix(length);
  }
}

std::string_view code_of(Style style) noexcept {
  switch (style) {
    case Style::kPlain:
      return "";
    case Style::kBold:
      return "\x1b[1m";
    case Style::kDim:
      return "\x1b[2m";
    case Style::kGood:
      return "\x1b[32m";
    case Style::kBad:
      return "\x1b[31m";
    case Style::kWarn:
      return "\x1b[33m";
    case Style::kActive:
      return "\x1b[36m";
  }
  return "";
}

// Appends at most `columns` columns of text; without UTF-8, one "?" for what is not ASCII.
void append_cut(std::string& out, std::string_view text, int columns, bool utf8) {
  for_each_character(text, [&](std::string_view character) {
    columns -= utf8 ? columns_of(character) : 1;
    if (columns < 0) return false;
    out += utf8 || character.size() == 1 ? character : "?";
    return true;
  });
}

}  // namespace

int display_width(std::string_view text) {
  int width = 0;
  for_each_character(text, [&width](std::string_view character) {
    width += columns_of(character);
    return true;
  });
  return width;
}

namespace {

// The length of the colour that the text begins with: "ESC [ ... m".
std::size_t colour_length(std::string_view text) noexcept {
  if (!text.starts_with("\x1b[")) return 0;
  const std::size_t end = text.find('m');
  return end == std::string_view::npos ? 0 : end + 1;
}

}  // namespace

int width_on_screen(std::string_view line) {
  int width = 0;
  while (!line.empty()) {
    const std::size_t colour = colour_length(line);
    const std::size_t length =
        colour > 0 ? colour : std::max<std::size_t>(utf8_sequence_length(line), 1);
    if (colour == 0) width += columns_of(line.substr(0, length));
    line.remove_prefix(length);
  }
  return width;
}

std::string cut_to_width(std::string_view line, int columns) {
  std::string out;
  bool full = false;
  while (!line.empty()) {
    const std::size_t colour = colour_length(line);
    const std::size_t length =
        colour > 0 ? colour : std::max<std::size_t>(utf8_sequence_length(line), 1);
    const std::string_view next = line.substr(0, length);
    if (colour == 0) columns -= columns_of(next);
    full = full || columns < 0;
    // Colours behind the cut too: the last of them ends what is on.
    if (colour > 0 || !full) out += next;
    line.remove_prefix(length);
  }
  return out;
}

Line& Line::add(std::string_view text, Style style) {
  Piece piece{{}, style};
  append_printable(piece.text, text);
  width_ += display_width(piece.text);
  pieces_.push_back(std::move(piece));
  return *this;
}

Line& Line::add(const Line& other) {
  pieces_.insert(pieces_.end(), other.pieces_.begin(), other.pieces_.end());
  width_ += other.width_;
  return *this;
}

Line& Line::add_left(std::string_view text, int width, Style style) {
  const int before = width_;
  add(text, style);
  return add(std::string(static_cast<std::size_t>(std::max(width - (width_ - before), 0)), ' '));
}

Line& Line::add_right(std::string_view text, int width, Style style) {
  std::string safe;
  append_printable(safe, text);
  add(std::string(static_cast<std::size_t>(std::max(width - display_width(safe), 0)), ' '));
  return add(text, style);
}

int Line::blanks_at_end() const {
  int blanks = 0;
  for (auto piece = pieces_.rbegin(); piece != pieces_.rend(); ++piece) {
    const std::size_t last = piece->text.find_last_not_of(' ');
    const std::size_t kept = last == std::string::npos ? 0 : last + 1;
    blanks += static_cast<int>(piece->text.size() - kept);
    if (kept > 0) break;
  }
  return blanks;
}

std::string Line::finish(const ScreenOptions& options) const {
  const std::string_view ellipsis = options.utf8 ? "…" : ".";
  // Blanks at the end are not shown, so they may stand out.
  const bool too_long = width_ - blanks_at_end() > options.columns;
  int left = too_long ? options.columns - 1 : options.columns;
  std::string out;
  for (const Piece& piece : pieces_) {
    const std::string_view code = options.color ? code_of(piece.style) : std::string_view();
    if (piece.text.empty()) continue;
    out += code;
    append_cut(out, piece.text, std::max(left, 0), options.utf8);
    if (!code.empty()) out += "\x1b[0m";
    left -= display_width(piece.text);
    if (left <= 0) break;
  }
  if (too_long) out += ellipsis;
  const std::size_t end = out.find_last_not_of(' ');
  out.erase(end == std::string::npos ? 0 : end + 1);
  out += '\n';
  return out;
}

std::string shortened(const std::string& name, int width, bool utf8) {
  if (display_width(name) <= width) return name;
  return cut_to_width(name, width - 1) + (utf8 ? "…" : ".");
}

std::string flow(const std::vector<Line>& pieces,
                 const Line& gap,
                 int indent,
                 const ScreenOptions& options) {
  std::string out;
  const std::string margin(static_cast<std::size_t>(indent), ' ');
  Line line;
  bool empty = true;
  for (const Line& piece : pieces) {
    if (!empty && line.width() + gap.width() + piece.width() > options.columns) {
      out += line.finish(options);
      line = Line();
      line.add(margin);
      empty = true;
    }
    if (!empty) line.add(gap);
    line.add(piece);
    empty = false;
  }
  return out + line.finish(options);
}

}  // namespace canaryd::cli
