// Reading JSON from a server that may send anything: a missing or wrong member is empty, never an
// error.
#pragma once

#include "canaryd/base/error.hpp"

#include <boost/json/value.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace canaryd::cli {

// A place in a document that outlives it; or nowhere.
class JsonView {
 public:
  JsonView() = default;
  explicit JsonView(const boost::json::value& value) : value_(&value) {}

  [[nodiscard]] JsonView operator[](std::string_view key) const;
  [[nodiscard]] JsonView operator[](std::size_t index) const;
  [[nodiscard]] std::size_t size() const;  // Of an array.
  [[nodiscard]] bool is_null() const { return value_ == nullptr || value_->is_null(); }
  [[nodiscard]] bool is_object() const { return value_ != nullptr && value_->is_object(); }

  [[nodiscard]] std::optional<double> number() const;
  [[nodiscard]] std::optional<bool> flag() const;
  [[nodiscard]] std::string text() const;  // Empty when it is not a string.

 private:
  const boost::json::value* value_ = nullptr;
};

[[nodiscard]] Result<boost::json::value> parse_json(std::string_view text);
// Indented by two spaces, safe for a terminal, with a line feed at the end.
[[nodiscard]] std::string pretty_json(const boost::json::value& value);
// The same on one line, without blanks.
[[nodiscard]] std::string json_line(const boost::json::value& value);

}  // namespace canaryd::cli
