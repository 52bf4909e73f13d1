#include "cli/query_text.hpp"

#include "canaryd/base/text.hpp"

#include <algorithm>

namespace canaryd::cli {
namespace {

std::string number_text(std::optional<double> number) {
  std::string out;
  append_json_number(out, number.value_or(0));
  return out;
}

std::string bounds_text(JsonView reading) {
  const auto min = reading["min"].number();
  const auto max = reading["max"].number();
  if (min && max) return "; good is " + number_text(min) + " to " + number_text(max);
  if (min) return "; good is " + number_text(min) + " and more";
  return max ? "; good is up to " + number_text(max) : "";
}

}  // namespace

std::string query_text(JsonView metric) {
  const JsonView reading = metric["reading"];
  if (!reading.is_object()) return {};
  std::string name = metric["metric"].text();
  std::replace(name.begin(), name.end(), ':', ' ');
  return name + " " + reading["said"].text() + bounds_text(reading);
}

}  // namespace canaryd::cli
