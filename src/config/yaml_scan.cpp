#include "config/yaml_scan.hpp"

#include <algorithm>
#include <vector>

namespace canaryd::config {
namespace {

bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\r';
}

bool is_word(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

// How far its first word is from the margin, past the "- " of lists.
std::size_t indentation(std::string_view line) noexcept {
  std::size_t at = line.find_first_not_of(' ');
  while (at != std::string_view::npos && line.substr(at).starts_with("- ")) {
    at = line.find_first_not_of(' ', at + 1);
  }
  return std::min(at, line.size());
}

std::size_t word_length(std::string_view text) noexcept {
  const auto* const end = std::find_if_not(text.begin(), text.end(), is_word);
  return static_cast<std::size_t>(end - text.begin());
}

// "  - name: ..."
bool looks_like_a_key(std::string_view line) noexcept {
  const std::string_view rest = line.substr(indentation(line));
  const std::size_t length = word_length(rest);
  const std::string_view behind = rest.substr(length);
  return length > 0 && behind.starts_with(':') && (behind.size() == 1 || is_blank(behind[1]));
}

// Goes through a text and keeps what is open.
class Scan {
 public:
  explicit Scan(std::string_view text, bool siblings_only = false)
      : text_(text), siblings_only_(siblings_only) {
    if (text_.starts_with("\xef\xbb\xbf")) text_.remove_prefix(3);
  }

  // To that place, or to the end.
  void run(const std::optional<Place>& before) {
    while (at_ < text_.size() && !runaway_) {
      if (before &&
          (line_ > before->line || (line_ == before->line && place().column >= before->column))) {
        return;
      }
      step();
    }
  }
  [[nodiscard]] const std::optional<RunawayQuote>& runaway() const noexcept { return runaway_; }
  [[nodiscard]] const std::vector<Place>& open() const noexcept { return open_; }

 private:
  [[nodiscard]] Place place() const noexcept {
    return {0, line_, static_cast<std::uint32_t>(at_ - line_begin_ + 1)};
  }

  void next() {
    if (text_[at_++] != '\n') return;
    ++line_;
    line_begin_ = at_;
  }

  // Only there do quotes and brackets mean something: further on they are part of plain text.
  [[nodiscard]] bool at_start_of_value() const noexcept {
    std::size_t before = at_;
    while (before > line_begin_ && is_blank(text_[before - 1])) --before;
    if (before == line_begin_) return true;
    const char c = text_[before - 1];
    if (c == '[' || c == '{' || c == ',') return !open_.empty();
    return (c == ':' || c == '-') && before < at_;
  }

  void step() {
    const char c = text_[at_];
    if (c == '#' && (at_ == line_begin_ || is_blank(text_[at_ - 1]))) return skip_line();
    if ((c == '"' || c == '\'') && at_start_of_value()) return quote(c);
    if ((c == '|' || c == '>') && open_.empty() && at_start_of_value()) return skip_block();
    if ((c == '[' || c == '{') && at_start_of_value()) open_.push_back(place());
    if ((c == ']' || c == '}') && !open_.empty()) open_.pop_back();
    next();
  }

  [[nodiscard]] std::string_view line_from(std::size_t begin) const noexcept {
    return text_.substr(begin, text_.find('\n', begin) - begin);
  }

  void skip_line() {
    while (at_ < text_.size() && text_[at_] != '\n') next();
  }

  // A block of text below its key or dash: all lines that are further in.
  void skip_block() {
    const std::string_view line = line_from(line_begin_);
    const std::size_t key = indentation(line);
    const bool has_key = line_begin_ + key < at_;
    const std::size_t margin = has_key ? key : line.find_first_not_of(' ');
    skip_line();
    while (at_ < text_.size()) {
      next();  // To the beginning of a line.
      const std::size_t in = line_from(at_).find_first_not_of(" \t\r");
      if (in != std::string_view::npos && in <= margin) return;
      skip_line();
    }
  }

  void quote(char mark) {
    const Place begin = place();
    bool has_keys = false;
    next();
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (mark == '"' && c == '\\' && at_ + 1 < text_.size()) {
        next();
      } else if (c == mark) {
        if (mark == '"' || at_ + 1 >= text_.size() || text_[at_ + 1] != mark) break;
        next();  // Two of them stand for one.
      }
      next();
      if (at_ == line_begin_) {
        const std::string_view line = line_from(at_);
        const bool deeper = indentation(line) > indentation(line_of(text_, begin.line));
        const bool counts = !siblings_only_ || !deeper;
        has_keys = has_keys || (counts && looks_like_a_key(line.substr(0, line.find(mark))));
      }
    }
    const bool ends = at_ < text_.size();
    if (!ends || has_keys) {
      runaway_ = RunawayQuote{begin, ends};
    } else {
      next();
    }
  }

  std::string_view text_;
  bool siblings_only_;
  std::size_t at_ = 0;
  std::size_t line_begin_ = 0;
  std::uint32_t line_ = 1;
  std::vector<Place> open_;
  std::optional<RunawayQuote> runaway_;
};

}  // namespace

std::optional<RunawayQuote> runaway_quote(std::string_view text, bool siblings_only) {
  Scan scan(text, siblings_only);
  scan.run(std::nullopt);
  return scan.runaway();
}

bool quote_ends(std::string_view text) noexcept {
  if (text.empty() || (text.front() != '"' && text.front() != '\'')) return true;
  const char mark = text.front();
  for (std::size_t at = 1; at < text.size(); ++at) {
    if (mark == '"' && text[at] == '\\') {
      ++at;
    } else if (text[at] == mark) {
      const bool doubled = mark == '\'' && at + 1 < text.size() && text[at + 1] == mark;
      if (!doubled) return true;
      ++at;
    }
  }
  return false;
}

std::optional<Place> open_bracket(std::string_view text, const Place& before) {
  Scan scan(text);
  scan.run(before);
  if (scan.open().empty()) return std::nullopt;
  return scan.open().back();
}

std::string_view line_of(std::string_view text, std::uint32_t line) {
  for (std::uint32_t skipped = 1; skipped < line; ++skipped) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

std::optional<KeyWithoutColon> key_without_colon(std::string_view text, const Place& odd) {
  if (odd.line < 2 || odd.column < 1) return std::nullopt;
  const std::string_view after = line_of(text, odd.line);
  // With two of them on one line, the first is not to blame.
  if (after.substr(0, odd.column - 1).find(": ") != std::string_view::npos) return std::nullopt;
  const std::string_view before = line_of(text, odd.line - 1);
  const std::size_t margin = indentation(before);
  if (margin != indentation(after)) return std::nullopt;
  const std::string_view rest = before.substr(margin);
  const std::size_t length = word_length(rest);
  if (length == 0 || looks_like_a_key(before)) return std::nullopt;
  const std::string_view behind = rest.substr(length);
  if (!behind.empty() && !is_blank(behind.front()) && behind.front() != ':') return std::nullopt;
  if (behind.find(": ") != std::string_view::npos) return std::nullopt;
  return KeyWithoutColon{{0, odd.line - 1, static_cast<std::uint32_t>(margin + 1)},
                         std::string(rest.substr(0, length))};
}

std::optional<KeyTooDeep> key_too_deep(std::string_view text, const Place& odd) {
  if (odd.line < 2) return std::nullopt;
  const std::string_view line = line_of(text, odd.line);
  const std::string_view above = line_of(text, odd.line - 1);
  if (!looks_like_a_key(line) || !looks_like_a_key(above)) return std::nullopt;
  const std::size_t margin = indentation(line);
  const bool is_its_colon = odd.column == margin + word_length(line.substr(margin)) + 1;
  const std::string_view key = above.substr(indentation(above));
  if (!is_its_colon || margin <= indentation(above)) return std::nullopt;
  return KeyTooDeep{{0, odd.line, static_cast<std::uint32_t>(margin + 1)},
                    std::string(key.substr(0, word_length(key)))};
}

}  // namespace canaryd::config
