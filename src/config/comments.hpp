// The comments of a YAML text, which a parser throws away.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::config {

struct Comment {
  std::uint32_t line = 0;  // From 1.
  std::size_t column = 0;  // From 0, in bytes.
  bool own_line = false;   // Nothing stands before it.
  std::string text;        // With its "#", without blanks at the end.
};

struct Layout {
  std::vector<Comment> comments;        // In order.
  std::vector<bool> blank;              // By line, from 1.
  std::vector<std::string_view> lines;  // From 0; of the text that was read.

  [[nodiscard]] bool is_blank(std::uint32_t line) const {
    return line < blank.size() && blank[line];
  }
};

// Of a text that parse_yaml accepts.
[[nodiscard]] Layout read_layout(std::string_view text);

}  // namespace canaryd::config
