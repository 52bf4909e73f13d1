// What happens to the tree before it is read: overrides, variables, defaults. In this order.
#pragma once

#include "canaryd/config/load.hpp"
#include "canaryd/config/yaml_tree.hpp"
#include "config/report.hpp"

#include <string_view>

namespace canaryd::config {

// Puts each `--set` where its path says. A value in brackets, braces or quotes is YAML, any other
// is plain text.
void apply_overrides(Node& root, const LoadInput& input, Report& report);

// ${NAME} and ${NAME:-default} in values, never in keys; $${ stands for ${. What a variable holds
// stays one scalar, so it cannot bring in keys. `:-` applies to unset and empty variables, as in a
// shell.
void expand_variables(Node& root, const LoadInput& input, Report& report);

// The way back: text that expand_variables turns into `text`.
[[nodiscard]] std::string escape_variables(std::string_view text);

// Merges defaults.rollout under every rollout, marked as inherited.
void merge_defaults(Node& root, Report& report);

}  // namespace canaryd::config
