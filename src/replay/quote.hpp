// A piece of an untrusted line in a message: in quotes, safe to show, not too long.
#pragma once

#include "canaryd/base/text.hpp"

#include <string>
#include <string_view>

namespace canaryd::replay {

[[nodiscard]] inline std::string quote(std::string_view text) {
  constexpr std::size_t kMost = 40;
  std::string out;
  append_json_string(out, text.substr(0, kMost));
  if (text.size() > kMost) out += "...";
  return out;
}

}  // namespace canaryd::replay
