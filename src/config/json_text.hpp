// JSON written from the same nodes that YAML is written from.
#pragma once

#include "canaryd/config/yaml_tree.hpp"

#include <string>

namespace canaryd::config {

// Appends the node: on one line for indent < 0, else with two spaces for each level from `indent`
// on.
void append_json(std::string& out, const Node& node, int indent);

}  // namespace canaryd::config
