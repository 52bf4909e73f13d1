// The grammar of nginx: directives of words that end with ";" or have a block of further ones.
#pragma once

#include "convert/draft.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::convert {

struct Directive {
  std::vector<std::string> words;  // The first is its name.
  std::uint32_t line = 0;
  bool has_block = false;
  std::vector<Directive> block;
};

inline constexpr std::size_t kDirectivesMax = 20'000;
inline constexpr std::size_t kWordsMax = 1000;  // Of one directive.

// Of split_clients, "20% new; 80% old": with nothing left for `*` the larger of two stands for it,
// or the second, which is a warning. Nothing: the shares are others.
[[nodiscard]] const Directive* rest_of(Draft& draft, const std::vector<Directive>& shares);

// As far as it goes; what does not fit the grammar is an error.
[[nodiscard]] std::vector<Directive> read_directives(Draft& draft, std::string_view text);

}  // namespace canaryd::convert
