#include "canaryd/base/text.hpp"
#include "convert/manifest.hpp"

#include <charconv>
#include <cmath>

namespace canaryd::convert {
namespace {

void skip_blanks(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
}

bool take(std::string_view& text, std::string_view word) {
  skip_blanks(text);
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

}  // namespace

std::optional<std::string> number_from(std::string_view text) {
  skip_blanks(text);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  std::string out;
  append_json_number(out, value);
  return out;
}

bool put_in(std::string& text, const Values& values) {
  for (std::size_t at = 0; (at = text.find("{{", at)) != std::string::npos;) {
    const std::size_t end = text.find("}}", at);
    if (end == std::string::npos) return false;
    std::string name = text.substr(at + 2, end - at - 2);
    std::erase(name, ' ');
    const auto found = values.find(name);
    if (found == values.end()) return false;
    text.replace(at, end + 2 - at, found->second);
    at += found->second.size();
  }
  return true;
}

bool read_condition(std::string_view condition, DraftQuery& query) {
  if (!take(condition, "result")) return false;
  if (condition.starts_with("[0]")) condition.remove_prefix(3);
  const bool below = take(condition, "<");
  const bool above = !below && take(condition, ">");
  if (!below && !above) return false;
  if (condition.starts_with('=')) condition.remove_prefix(1);
  const auto number = number_from(condition);
  if (!number) return false;
  (below ? query.max : query.min) = *number;
  return true;
}

}  // namespace canaryd::convert
