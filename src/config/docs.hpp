// What the reference in Markdown and the manual page say of a key.
#pragma once

#include "config/field.hpp"

#include <string>
#include <utility>
#include <vector>

namespace canaryd::config {

// "duration", "list of: percentage".
[[nodiscard]] std::string type_text(const FieldInfo& field);

// The sections that a key leads to, behind lists and names, each with what stands between: "[]".
using InnerSections = std::vector<std::pair<const SectionInfo*, std::string>>;
[[nodiscard]] InnerSections sections_of(const Shape& shape);

}  // namespace canaryd::config
