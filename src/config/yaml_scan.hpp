// Where brackets and quotes of a YAML text begin that do not end where they should: the parser says
// only where it ran into that, which may be many lines further down. Pure; any thread.
#pragma once

#include "canaryd/config/yaml_tree.hpp"

#include <cstddef>
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
// Of a text that cannot be parsed: what is in quotes and never ends, or has what looks like keys on
// its further lines; the first one.
[[nodiscard]] std::optional<RunawayQuote> runaway_quote(std::string_view text);

// What is in quotes.
struct QuotedText {
  std::size_t end = 0;  // Behind the mark that closes it.
  bool ends = false;
  bool has_keys = false;      // What looks like one, on a further line.
  bool has_siblings = false;  // One that is no further in than the line on which it begins.
};
// `begin` is where the mark is; one that is none begins no quoted text, and ends at once.
[[nodiscard]] QuotedText read_quoted(std::string_view text, std::size_t begin);

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
