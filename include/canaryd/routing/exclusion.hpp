// Which requests are traffic, but no evidence: health checks, bots (`analysis.exclude`). They are
// routed as all others.
//
// A pattern is looked for anywhere in the value, whatever the case of its ASCII letters; '*' in it
// stands for anything, so "bot", "*bot*" and "BOT" fit the same values. Only the first
// kValueBytesLooked of a value are looked at, so that the cost of a long one is bounded.
//
// Pure; any thread; does not allocate. Limits: kExclusionsMax rules, kPatternBytesMax.
#pragma once

#include "canaryd/http/message.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace canaryd::routing {

inline constexpr std::size_t kExclusionsMax = 16;
inline constexpr std::size_t kPatternBytesMax = 128;
inline constexpr std::size_t kValueBytesLooked = 512;

// One rule, of one of the two kinds.
struct Exclusion {
  std::string path_prefix{};  // By segments, as a route's; empty: by header.
  std::string header{};
  std::string matches{};  // Empty: it is enough that the header is there.
  friend bool operator==(const Exclusion&, const Exclusion&) = default;
};

[[nodiscard]] bool contains_pattern(std::string_view value, std::string_view pattern) noexcept;

// "/api" and "/api/" fit /api, /api/ and /api/x, not /apix. `path` is canonical (http/uri.hpp).
[[nodiscard]] bool has_path_prefix(std::string_view path, std::string_view prefix) noexcept;

// Any of the rules fits.
[[nodiscard]] bool is_excluded(std::span<const Exclusion> rules,
                               const http::FieldList& fields,
                               std::string_view path) noexcept;

}  // namespace canaryd::routing
