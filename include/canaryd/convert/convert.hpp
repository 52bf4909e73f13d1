// A configuration from another tool's file: the plan of an Argo Rollouts `Rollout` or a Flagger
// `Canary`, or the split_clients and upstream blocks of nginx.
//
// What such a file says and canaryd does not do, or does another way, is a warning with its line,
// and stands in the configuration as a comment too: nothing is left out silently. The text is
// untrusted: at most config::kMaxFileBytes, nesting of config::kMaxDepth, and at most kNotesMax
// notes. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace canaryd::convert {

inline constexpr std::size_t kNotesMax = 200;

enum class Source : std::uint8_t { kArgo, kFlagger, kNginx };
[[nodiscard]] std::optional<Source> parse_source(std::string_view word) noexcept;

struct Input {
  Source from = Source::kArgo;
  std::string file_name;  // For messages only.
  std::string text;
  std::string listen = "127.0.0.1:8080";
};

struct Note {
  std::uint32_t line = 0;  // From 1; 0: of the file as a whole.
  std::string message;
  friend bool operator==(const Note&, const Note&) = default;
};

struct Conversion {
  std::string yaml;            // Loads without an error; empty if there are errors.
  std::vector<Note> warnings;  // In the order of the lines.
  std::vector<Note> errors;
};

[[nodiscard]] Conversion convert(const Input& input);

}  // namespace canaryd::convert
