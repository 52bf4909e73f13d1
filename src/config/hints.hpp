// What may have been meant by what does not fit: said behind the problem. Pure; any thread.
#pragma once

#include "config/field.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::config {

// `write {weight: 5}`.
[[nodiscard]] std::string write_hint(const Node& instead);
// The same to who wrote a single value where a section, or a list of such elements, is expected.
// Empty where it is not clear which key of the section it is for.
[[nodiscard]] std::string section_hint(const Node& node, const SectionInfo& section);
[[nodiscard]] std::string list_hint(const Node& node, const Shape& element);

[[nodiscard]] std::vector<std::string_view> known_keys(const SectionInfo& info);

// A section that is being read, and how much of the path leads to it.
struct OpenSection {
  const SectionInfo* info = nullptr;
  std::size_t path_length = 0;
};

// Which key was meant by one that the last of these sections does not have: one that looks like it,
// one that has it as a word, or one of this name that stands elsewhere: below, around it or beside.
[[nodiscard]] std::string key_hint(std::string_view key,
                                   std::string_view path,
                                   const std::vector<OpenSection>& open);

}  // namespace canaryd::config
