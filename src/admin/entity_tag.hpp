// The ETag of a rollout, which answers to reading and to changing it have.
#pragma once

#include "canaryd/control/backend.hpp"

#include <string>

namespace canaryd::admin {

[[nodiscard]] inline std::string entity_tag(const control::RolloutView& view) {
  return '"' + std::to_string(view.generation) + '"';
}

}  // namespace canaryd::admin
