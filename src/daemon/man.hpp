// canaryd(8) and canaryd.yaml(5).
#pragma once

#include <string>

namespace canaryd::daemon {

// "canaryd.yaml"; any other name: canaryd.
[[nodiscard]] std::string man_page(const std::string& name);

}  // namespace canaryd::daemon
