// The files of the dashboard (web/), as they were when this program was built.
#pragma once

#include <string_view>

namespace canaryd::admin {

struct Asset {
  std::string_view path;  // As it is asked for: "/", "/dashboard/app.js".
  std::string_view content_type;
  std::string_view text;
};

// nullptr: there is none.
[[nodiscard]] const Asset* find_asset(std::string_view path) noexcept;

}  // namespace canaryd::admin
