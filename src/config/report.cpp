#include "config/report.hpp"

#include "canaryd/base/text.hpp"

#include <algorithm>
#include <tuple>

namespace canaryd::config {
namespace {

constexpr std::size_t kMaxExcerpt = 200;  // Bytes of a source line that are shown.
constexpr std::size_t kMaxQuoted = 60;

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (true) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    if (end == std::string_view::npos) return lines;
    text.remove_prefix(end + 1);
  }
}

bool continues_character(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xc0U) == 0x80;
}

std::uint32_t count_characters(std::string_view text) noexcept {
  return static_cast<std::uint32_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !continues_character(c); }));
}

// How much of the line belongs to the word at its front: up to the closing quote, or to what ends a
// plain scalar.
std::size_t token_length(std::string_view text) noexcept {
  if (text.empty()) return 0;
  const char first = text.front();
  if (first == '"' || first == '\'') {
    std::size_t end = text.find(first, 1);
    while (end != std::string_view::npos && first == '"' && text[end - 1] == '\\') {
      end = text.find(first, end + 1);
    }
    return end == std::string_view::npos ? text.size() : end + 1;
  }
  if (first == '{' || first == '[') return 1;
  std::size_t length = 0;
  for (; length < text.size(); ++length) {
    const char c = text[length];
    const char next = length + 1 < text.size() ? text[length + 1] : ' ';
    if (c == ',' || c == ']' || c == '}') break;
    if (c == ':' && next == ' ') break;
    if (c == ' ' && next == '#') break;
  }
  while (length > 1 && text[length - 1] == ' ') --length;
  return length;
}

// What goes on the screen must not move its cursor.
std::string printable(std::string_view text, std::size_t limit) {
  std::size_t end = std::min(text.size(), limit);
  while (end > 0 && end < text.size() && continues_character(text[end])) --end;
  std::string plain(text.substr(0, end));
  std::replace(plain.begin(), plain.end(), '\t', ' ');
  std::string out;
  append_printable(out, plain);
  return out;
}

}  // namespace

Report::Report(const LoadInput& input) : input_(input), lines_(split_lines(input.text)) {}

void Report::add(Severity severity, const Place& place, std::string message, std::string hint) {
  Problem problem;
  problem.severity = input_.strict ? Severity::kError : severity;
  const bool is_error = problem.severity == Severity::kError;
  // Above what is shown, so that the first of the file are shown and not the first that were found.
  if ((is_error ? errors_ : problems_.size() - errors_) >= 3 * kMaxProblems) {
    (is_error ? left_out_errors_ : left_out_warnings_) = true;
    return;
  }
  errors_ += is_error ? 1 : 0;
  problem.file =
      place.source == 0 ? input_.file_name : "--set " + input_.overrides[place.source - 1].first;
  problem.message = std::move(message);
  problem.hint = std::move(hint);
  if (place.source == 0 && place.line > 0 && place.line <= lines_.size()) {
    std::string_view line = lines_[place.line - 1];
    if (place.line == 1 && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
    const std::size_t start = std::min<std::size_t>(place.column - 1, line.size());
    problem.line = place.line;
    problem.column = count_characters(line.substr(0, start)) + 1;
    if (start < kMaxExcerpt) problem.source_line = printable(line, kMaxExcerpt);
    const std::uint32_t shown = count_characters(problem.source_line);
    const std::size_t token = token_length(line.substr(start));
    const std::uint32_t room = shown < problem.column ? 1 : shown - problem.column + 1;
    problem.length = std::clamp(count_characters(line.substr(start, token)), 1U, room);
  }
  problems_.push_back({problems_.size(), place, std::move(problem)});
}

bool Report::full() const noexcept {
  return errors_ >= 3 * kMaxProblems;
}

// Warnings make room for errors.
void Report::shorten(std::vector<Problem>& problems) {
  const auto is_error = [](const Problem& each) { return each.severity == Severity::kError; };
  const auto errors = static_cast<std::size_t>(std::ranges::count_if(problems, is_error));
  left_out_errors_ |= errors > kMaxProblems;
  left_out_warnings_ |= problems.size() > kMaxProblems;
  std::size_t room = kMaxProblems - std::min(errors, kMaxProblems);  // For warnings.
  std::erase_if(problems, [&](const Problem& each) {
    if (is_error(each)) return false;
    if (room == 0) return true;
    --room;
    return false;
  });
  problems.resize(std::min(problems.size(), kMaxProblems));
}

std::vector<Problem> Report::take() {
  const auto key = [](const Located& located) {
    return std::tuple(
        located.place.source, located.place.line, located.place.column, located.order);
  };
  std::sort(problems_.begin(), problems_.end(), [&](const Located& a, const Located& b) {
    return key(a) < key(b);
  });
  std::vector<Problem> result;
  for (Located& located : problems_) {
    if (std::find(result.begin(), result.end(), located.problem) != result.end()) continue;
    result.push_back(std::move(located.problem));
  }
  shorten(result);
  if (left_out_errors_ || left_out_warnings_) {
    Problem rest;
    if (!left_out_errors_) rest.severity = Severity::kWarning;
    rest.file = input_.file_name;
    rest.message = "more problems than the " + std::to_string(kMaxProblems) + " shown";
    result.push_back(std::move(rest));
  }
  problems_.clear();
  errors_ = 0;
  left_out_errors_ = left_out_warnings_ = false;
  return result;
}

std::string quoted(std::string_view text) {
  return "\"" + printable(text, kMaxQuoted) + (text.size() > kMaxQuoted ? "..." : "") + "\"";
}

}  // namespace canaryd::config
