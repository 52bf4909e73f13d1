// Paths with variables: "/v1/orders/{id}" has as many segments as the paths that it fits, and each
// "{name}" stands for one of them that is not empty. It fits /v1/orders/7, not /v1/orders/,
// /v1/orders/7/ or /v1/orders/7/lines. All other segments are compared byte by byte, in canonical
// form (http/uri.hpp); one that ends with a slash has an empty segment at its end.
//
// A variable is a whole segment, its name [A-Za-z_][A-Za-z0-9_]*, and no name stands twice; names
// mean nothing for what fits.
//
// Pure; any thread. Limits: kTemplateSegmentsMax.
#pragma once

#include "canaryd/base/error.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace canaryd::routing {

inline constexpr std::size_t kTemplateSegmentsMax = 32;

// How many segments there are, and which of them are variables.
struct TemplateShape {
  std::uint32_t segments = 0;
  std::uint32_t variables = 0;  // Bit i: segment i is one.
  friend bool operator==(const TemplateShape&, const TemplateShape&) = default;

  [[nodiscard]] bool is_variable(std::uint32_t segment) const noexcept {
    return (variables >> segment & 1U) != 0;
  }
};

// The sentence says what is wrong: no variable at all, one that is not a whole segment, a name.
// Whether what is not variable is canonical is not looked at.
[[nodiscard]] Result<TemplateShape> parse_template(std::string_view text);

// With "{}" for each variable: two that are equal fit the same paths.
[[nodiscard]] std::string without_names(std::string_view text);

// Of two that fit the same path, this one is looked at first: it has more literal segments, or as
// many and is literal in the first segment in which they differ.
[[nodiscard]] bool goes_before(const TemplateShape& shape, const TemplateShape& other) noexcept;

// The first segment of a path that begins with a slash, without it; what is left begins with the
// next slash, or is empty.
[[nodiscard]] std::string_view take_segment(std::string_view& path) noexcept;

// How many segments a path has; "/" has one, which is empty. Stops counting behind
// kTemplateSegmentsMax.
[[nodiscard]] std::uint32_t count_segments(std::string_view path) noexcept;

}  // namespace canaryd::routing
