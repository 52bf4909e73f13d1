// A Config as the tree it would be read from.
#pragma once

#include "canaryd/config/config.hpp"
#include "canaryd/config/yaml_tree.hpp"

namespace canaryd::config {

// Every key, defaults filled in, variables not escaped.
[[nodiscard]] Node to_tree(const Config& config);

// Puts masks in place of what may be a secret; a mask stays one.
void mask_secrets(Node& node);

}  // namespace canaryd::config
