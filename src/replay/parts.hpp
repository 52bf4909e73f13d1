// What the readers of all kinds of lines share.
#pragma once

#include "canaryd/base/error.hpp"
#include "canaryd/base/text.hpp"

#include <string>
#include <string_view>

namespace canaryd::replay {

inline constexpr unsigned kSwitchingProtocols = 101;

// A piece of an untrusted line in a message: in quotes, safe to show, not too long.
[[nodiscard]] inline std::string quote(std::string_view text) {
  constexpr std::size_t kMost = 40;
  std::string out;
  append_json_string(out, text.substr(0, kMost));
  if (text.size() > kMost) out += "...";
  return out;
}

[[nodiscard]] inline tl::unexpected<Error> wrong(std::string_view what,
                                                 std::string_view text,
                                                 const char* expected) {
  return fail(ErrorCode::kMalformed, std::string(what) + " " + quote(text) + " is not " + expected);
}

}  // namespace canaryd::replay
