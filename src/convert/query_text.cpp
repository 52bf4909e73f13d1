#include "canaryd/base/text.hpp"
#include "convert/manifest.hpp"

#include <charconv>
#include <cmath>
#include <limits>

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

std::optional<double> value_from(std::string_view text) {
  skip_blanks(text);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

// The bounds of a query are good values themselves, so the bound is the next double. Another query,
// such as "(q) > bool 0", would have readings of 0 and 1 only. Beside 0 that would be 5e-324, which
// nobody takes for a number; no query that counts or divides has a value as small as the one here.
double number_beside(double number, bool below) {
  constexpr double kBesideZero = 1e-12;
  constexpr double kEndless = std::numeric_limits<double>::infinity();
  if (number == 0) return below ? -kBesideZero : kBesideZero;
  return std::nextafter(number, below ? -kEndless : kEndless);
}

}  // namespace

std::optional<std::string> number_from(std::string_view text) {
  const auto value = value_from(text);
  if (!value) return std::nullopt;
  std::string out;
  append_json_number(out, *value);
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

std::optional<Condition> read_condition(std::string_view text) {
  if (!take(text, "result")) return std::nullopt;
  if (text.starts_with("[0]")) text.remove_prefix(3);
  Condition condition;
  condition.below = take(text, "<");
  if (!condition.below && !take(text, ">")) return std::nullopt;
  condition.exclusive = !text.starts_with('=');
  if (!condition.exclusive) text.remove_prefix(1);
  const auto number = value_from(text);
  if (!number) return std::nullopt;
  append_json_number(condition.number, *number);
  append_json_number(condition.bound,
                     condition.exclusive ? number_beside(*number, condition.below) : *number);
  return condition;
}

}  // namespace canaryd::convert
