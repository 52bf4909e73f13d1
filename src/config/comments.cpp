#include "config/comments.hpp"

#include <algorithm>

namespace canaryd::config {
namespace {

class Scanner {
 public:
  Layout scan(std::string_view text) {
    layout_.blank.push_back(false);  // There is no line 0.
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      std::string_view line = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      if (line.ends_with('\r')) line.remove_suffix(1);
      ++number_;
      layout_.lines.push_back(line);
      scan_line(line);
    }
    return std::move(layout_);
  }

 private:
  void scan_line(std::string_view line) {
    const std::size_t first = line.find_first_not_of(" \t");
    const bool blank = first == std::string_view::npos;
    layout_.blank.push_back(blank && quote_ == '\0' && !in_block_);
    if (blank) return;
    if (in_block_) {
      // Lines further in than what the text belongs to are text.
      if (first >= block_indent_) return;
      in_block_ = false;
    }
    const std::size_t end = find_comment(line, first);
    if (end < line.size()) add(line, end, first);
    if (quote_ == '\0') look_for_block(line.substr(0, end), first);
  }

  // Where the comment begins; the end of the line without one.
  std::size_t find_comment(std::string_view line, std::size_t first) {
    for (std::size_t i = quote_ == '\0' ? first : 0; i < line.size(); ++i) {
      const char c = line[i];
      if (quote_ == '"' && c == '\\') {
        ++i;
      } else if (quote_ != '\0') {
        if (c == quote_) quote_ = '\0';
      } else if (c == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t')) {
        return i;
      } else if ((c == '"' || c == '\'') && begins_value(line, i)) {
        quote_ = c;
      }
    }
    return line.size();
  }

  // A quote within a word is a letter like any other.
  static bool begins_value(std::string_view line, std::size_t at) {
    const std::size_t before =
        at == 0 ? std::string_view::npos : line.find_last_not_of(" \t", at - 1);
    if (before == std::string_view::npos) return true;
    const char c = line[before];
    const bool spaced = before + 1 < at;
    return c == '[' || c == '{' || c == ',' || c == '\'' || (spaced && (c == ':' || c == '-'));
  }

  void add(std::string_view line, std::size_t at, std::size_t first) {
    std::string_view text = line.substr(at);
    text = text.substr(0, text.find_last_not_of(" \t") + 1);
    layout_.comments.push_back({number_, at, at == first, std::string(text)});
  }

  // "key: |" and "- >-" begin a text that goes on for as long as it is further in.
  void look_for_block(std::string_view line, std::size_t first) {
    line = line.substr(0, line.find_last_not_of(" \t") + 1);
    const std::size_t mark = line.find_last_of("|>");
    if (mark == std::string_view::npos || mark == 0) return;
    if (line.find_first_not_of("0123456789+-", mark + 1) != std::string_view::npos) return;
    if (line[mark - 1] != ' ') return;
    std::size_t indent = first;
    while (line.substr(indent).starts_with("- ")) {
      indent = std::min(line.find_first_not_of(' ', indent + 1), line.size());
    }
    in_block_ = true;
    block_indent_ = (line[indent] == '|' || line[indent] == '>' ? first : indent) + 1;
  }

  Layout layout_;
  std::uint32_t number_ = 0;
  char quote_ = '\0';
  bool in_block_ = false;
  std::size_t block_indent_ = 0;
};

}  // namespace

Layout read_layout(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  return Scanner().scan(text);
}

}  // namespace canaryd::config
