// Where brackets and quotes of a YAML text begin that do not end where they should: the parser says
// only where it ran into that, which may be many lines further down. Pure; any thread.
#pragma once

#include "canaryd/config/yaml_tree.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace canaryd::config {

constexpr const char* kRunawayQuote = "this quoted text does not end on its line";
constexpr const char* kEndlessQuote = "this quoted text never ends";
constexpr const char* kMissingQuote = "check for a missing quote";

struct RunawayQuote {
  Place place;
  bool ends = false;
};
// A quoted text that never ends, or that has what looks like keys on its further lines; the first
// one. `siblings_only`: keys that are further in than the line on which it begins are its own text.
[[nodiscard]] std::optional<RunawayQuote> runaway_quote(std::string_view text,
                                                        bool siblings_only = false);

// Whether the quote with which the text begins is closed; true if it begins with none.
[[nodiscard]] bool quote_ends(std::string_view text) noexcept;

// The innermost bracket that is open there.
[[nodiscard]] std::optional<Place> open_bracket(std::string_view text, const Place& before);

struct KeyWithoutColon {
  Place place;
  std::string key;
};
// The line before this one, if it is what makes its ": " an odd one: "canary shop-v2".
[[nodiscard]] std::optional<KeyWithoutColon> key_without_colon(std::string_view text,
                                                               const Place& odd);

[[nodiscard]] std::string_view line_of(std::string_view text, std::uint32_t line);

// A line further in than the one above it, of the same map, whose value YAML takes it for: `odd` is
// the colon of its key.
struct KeyTooDeep {
  Place place;
  std::string above;  // The key of that line.
};
[[nodiscard]] std::optional<KeyTooDeep> key_too_deep(std::string_view text, const Place& odd);

}  // namespace canaryd::config
