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

std::string_view line_from(std::string_view text, std::size_t begin) noexcept {
  text.remove_prefix(std::min(begin, text.size()));
  return text.substr(0, text.find('\n'));
}

// Goes through a text and keeps what is open.
class Scan {
 public:
  explicit Scan(std::string_view text) : text_(text) {
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
    if ((c == '"' || c == '\'') && at_start_of_value()) return quote();
    if ((c == '|' || c == '>') && open_.empty() && at_start_of_value()) return skip_block();
    if ((c == '[' || c == '{') && at_start_of_value()) open_.push_back(place());
    if ((c == ']' || c == '}') && !open_.empty()) open_.pop_back();
    next();
  }

  void skip_line() {
    while (at_ < text_.size() && text_[at_] != '\n') next();
  }

  // A block of text below its key or dash: all lines that are further in.
  void skip_block() {
    const std::string_view line = line_from(text_, line_begin_);
    const std::size_t key = indentation(line);
    const bool has_key = line_begin_ + key < at_;
    const std::size_t margin = has_key ? key : line.find_first_not_of(' ');
    skip_line();
    while (at_ < text_.size()) {
      next();  // To the beginning of a line.
      const std::size_t in = line_from(text_, at_).find_first_not_of(" \t\r");
      if (in != std::string_view::npos && in <= margin) return;
      skip_line();
    }
  }

  void quote() {
    const QuotedText quoted = read_quoted(text_, at_);
    if (!quoted.ends || quoted.has_keys) runaway_ = RunawayQuote{place(), quoted.ends};
    while (at_ < quoted.end) next();
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_begin_ = 0;
  std::uint32_t line_ = 1;
  std::vector<Place> open_;
  std::optional<RunawayQuote> runaway_;
};

}  // namespace

std::optional<RunawayQuote> runaway_quote(std::string_view text) {
  Scan scan(text);
  scan.run(std::nullopt);
  return scan.runaway();
}

QuotedText read_quoted(std::string_view text, std::size_t begin) {
  QuotedText result;
  result.end = begin;
  result.ends = begin >= text.size() || (text[begin] != '"' && text[begin] != '\'');
  if (result.ends) return result;
  const char mark = text[begin];
  const std::string_view above = line_from(text, text.substr(0, begin).rfind('\n') + 1);
  std::size_t at = begin + 1;
  for (; at < text.size() && !result.ends; ++at) {
    if (mark == '"' && text[at] == '\\') {
      ++at;
    } else if (text[at] == mark) {
      const bool doubled = mark == '\'' && at + 1 < text.size() && text[at + 1] == mark;
      result.ends = !doubled;
      if (doubled) ++at;  // Two of them stand for one.
    }
    if (at >= text.size() || text[at] != '\n') continue;
    const std::string_view line = line_from(text, at + 1);
    if (!looks_like_a_key(line.substr(0, line.find(mark)))) continue;
    result.has_keys = true;
    result.has_siblings = result.has_siblings || indentation(line) <= indentation(above);
  }
  result.end = std::min(at, text.size());
  return result;
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
