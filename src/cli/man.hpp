// canaryctl(1).
#pragma once

#include <string>

namespace canaryd::cli {

[[nodiscard]] std::string man_page();

}  // namespace canaryd::cli
