// `canaryctl migration`: what has moved, route by route, and which paths no route names.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/cli/status_screen.hpp"

#include <string>
#include <string_view>

namespace canaryd::cli {

// Of the answer of GET /api/v1/migration.
[[nodiscard]] Result<std::string> render_migration(std::string_view body,
                                                   const ScreenOptions& options);

}  // namespace canaryd::cli
