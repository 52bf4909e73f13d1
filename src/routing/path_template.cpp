#include "canaryd/routing/path_template.hpp"

#include <algorithm>
#include <bit>
#include <vector>

namespace canaryd::routing {
namespace {

bool has_brace(std::string_view segment) noexcept {
  return segment.find_first_of("{}") != std::string_view::npos;
}

bool is_variable(std::string_view segment) noexcept {
  return segment.size() >= 2 && segment.front() == '{' && segment.back() == '}' &&
         !has_brace(segment.substr(1, segment.size() - 2));
}

bool is_variable_name(std::string_view name) noexcept {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !name.empty() && is_letter(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) {
           return is_letter(c) || (c >= '0' && c <= '9');
         });
}

tl::unexpected<Error> wrong(std::string what) {
  return fail(ErrorCode::kInvalidArgument, std::move(what));
}

std::string in_quotes(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

}  // namespace

Result<TemplateShape> parse_template(std::string_view text) {
  if (!text.starts_with('/')) return wrong("it does not begin with /");
  TemplateShape shape;
  std::vector<std::string_view> names;
  while (!text.empty()) {
    const std::string_view segment = take_segment(text);
    if (shape.segments == kTemplateSegmentsMax) {
      return wrong("it has more than " + std::to_string(kTemplateSegmentsMax) + " segments");
    }
    const std::uint32_t at = shape.segments++;
    if (!has_brace(segment)) continue;
    if (!is_variable(segment)) {
      return wrong("a variable is a whole segment, \"/{name}/\", not " + in_quotes(segment));
    }
    const std::string_view name = segment.substr(1, segment.size() - 2);
    if (!is_variable_name(name)) {
      return wrong("the name of a variable has letters, digits and _, not " + in_quotes(segment));
    }
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      return wrong("the variable " + in_quotes(segment) + " stands there twice");
    }
    names.push_back(name);
    shape.variables |= 1U << at;
  }
  if (shape.variables == 0) return wrong("it has no variable");
  return shape;
}

std::string without_names(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::string_view segment = take_segment(text);
    out += '/';
    out += is_variable(segment) ? std::string_view("{}") : segment;
  }
  return out;
}

bool goes_before(const TemplateShape& shape, const TemplateShape& other) noexcept {
  const int variables = std::popcount(shape.variables);
  const int others = std::popcount(other.variables);
  if (variables != others) return variables < others;
  const std::uint32_t differ = shape.variables ^ other.variables;
  return (differ & ~(differ - 1) & other.variables) != 0;
}

std::string_view take_segment(std::string_view& path) noexcept {
  path.remove_prefix(1);
  const std::string_view segment = path.substr(0, path.find('/'));
  path.remove_prefix(segment.size());
  return segment;
}

std::uint32_t count_segments(std::string_view path) noexcept {
  std::uint32_t count = 0;
  for (const char c : path) {
    if (c == '/' && ++count > kTemplateSegmentsMax) break;
  }
  return count;
}

}  // namespace canaryd::routing
