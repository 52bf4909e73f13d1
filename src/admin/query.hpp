// The query of a request to the admin API: known names only, each at most once. Values are plain
// words and numbers; percent-encoding is not read.
#pragma once

#include "canaryd/base/error.hpp"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace canaryd::admin {

class Query {
 public:
  // Holds views into text.
  [[nodiscard]] static Result<Query> parse(std::string_view text,
                                           std::initializer_list<std::string_view> known);

  [[nodiscard]] bool has(std::string_view name) const noexcept { return find(name) != nullptr; }
  // Empty when the name is absent, or has no value.
  [[nodiscard]] std::string_view text(std::string_view name) const noexcept {
    const std::string_view* const value = find(name);
    return value == nullptr ? std::string_view() : *value;
  }
  // Empty when the name is absent.
  [[nodiscard]] Result<std::optional<std::uint64_t>> number(std::string_view name,
                                                            std::uint64_t low,
                                                            std::uint64_t high) const;

 private:
  [[nodiscard]] const std::string_view* find(std::string_view name) const noexcept;

  std::vector<std::pair<std::string_view, std::string_view>> entries_;
};

}  // namespace canaryd::admin
