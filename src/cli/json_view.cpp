#include "cli/json_view.hpp"

#include "canaryd/base/text.hpp"

#include <boost/json.hpp>

namespace canaryd::cli {
namespace {

namespace json = boost::json;

// On one line.
constexpr std::size_t kFlat = ~std::size_t{0};

void append(std::string& out, const json::value& value, std::size_t depth);

std::size_t below(std::size_t depth) {
  return depth == kFlat ? kFlat : depth + 1;
}

void append_line_start(std::string& out, std::size_t depth) {
  if (depth == kFlat) return;
  out += '\n';
  out.append(2 * depth, ' ');
}

void append_object(std::string& out, const json::object& object, std::size_t depth) {
  out += '{';
  bool first = true;
  for (const auto& member : object) {
    if (!first) out += ',';
    first = false;
    append_line_start(out, below(depth));
    append_json_string(out, member.key());
    out += depth == kFlat ? ":" : ": ";
    append(out, member.value(), below(depth));
  }
  if (!first) append_line_start(out, depth);
  out += '}';
}

void append_array(std::string& out, const json::array& array, std::size_t depth) {
  out += '[';
  bool first = true;
  for (const json::value& element : array) {
    if (!first) out += ',';
    first = false;
    append_line_start(out, below(depth));
    append(out, element, below(depth));
  }
  if (!first) append_line_start(out, depth);
  out += ']';
}

// As deep as the parser went: Boost.JSON stops at 32 levels.
void append(std::string& out, const json::value& value, std::size_t depth) {
  if (value.is_object()) return append_object(out, value.get_object(), depth);
  if (value.is_array()) return append_array(out, value.get_array(), depth);
  if (value.is_string()) return append_json_string(out, value.get_string());
  if (value.is_double()) return append_json_number(out, value.get_double());
  out += json::serialize(value);
}

}  // namespace

JsonView JsonView::operator[](std::string_view key) const {
  if (value_ == nullptr || !value_->is_object()) return {};
  const json::value* const found = value_->get_object().if_contains(key);
  return found == nullptr ? JsonView() : JsonView(*found);
}

JsonView JsonView::operator[](std::size_t index) const {
  if (index >= size()) return {};
  return JsonView(value_->get_array()[index]);
}

std::size_t JsonView::size() const {
  return value_ != nullptr && value_->is_array() ? value_->get_array().size() : 0;
}

std::optional<double> JsonView::number() const {
  if (value_ == nullptr || !value_->is_number()) return std::nullopt;
  return value_->to_number<double>();
}

std::optional<bool> JsonView::flag() const {
  if (value_ == nullptr || !value_->is_bool()) return std::nullopt;
  return value_->get_bool();
}

std::string JsonView::text() const {
  if (value_ == nullptr || !value_->is_string()) return {};
  return std::string(value_->get_string());
}

Result<json::value> parse_json(std::string_view text) {
  boost::system::error_code code;
  json::value value = json::parse(text, code);
  if (code) return fail(ErrorCode::kMalformed, "the answer is not JSON: " + code.message());
  return value;
}

std::string pretty_json(const json::value& value) {
  std::string out;
  append(out, value, 0);
  out += '\n';
  return out;
}

std::string json_line(const json::value& value) {
  std::string out;
  append(out, value, kFlat);
  out += '\n';
  return out;
}

}  // namespace canaryd::cli
