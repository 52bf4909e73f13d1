// YAML text to a validated Config, or to the list of everything that is wrong with it, in one pass.
//
// Pure: the text, the environment and the overrides are passed in; whoever reads the file sits
// above. The input is untrusted: at most kMaxFileBytes, nesting of kMaxDepth, no anchors, no
// aliases, no tags, one document, and at most kMaxProblems problems are reported.
#pragma once

#include "canaryd/config/config.hpp"
#include "canaryd/config/problem.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace canaryd::config {

inline constexpr std::size_t kMaxFileBytes = 1024 * 1024;
inline constexpr std::size_t kMaxDepth = 32;
inline constexpr std::size_t kMaxProblems = 100;

struct LoadInput {
  std::string file_name;  // For messages only.
  std::string text;
  // Value of an environment variable for ${NAME}, nullopt when unset. Empty function: no variable
  // is set.
  std::function<std::optional<std::string>(std::string_view name)> environment;
  // `--set key=value`, in order: dotted path ("admin.address", "listeners[0].address") and the
  // value as YAML. A path that is not in the file is added to it.
  std::vector<std::pair<std::string, std::string>> overrides;
  bool strict = false;                    // Warnings are errors.
  std::vector<LearnedTraffic> learned{};  // For the warnings of feasibility.hpp.
};

struct LoadResult {
  std::optional<Config> config;  // Set when no problem is an error.
  std::vector<Problem> problems;
};

[[nodiscard]] LoadResult load(const LoadInput& input);

// "key=value" of --set as a pair, for LoadInput::overrides; nullopt without '=' or with an empty
// key.
[[nodiscard]] std::optional<std::pair<std::string, std::string>> split_override(
    std::string_view text);

}  // namespace canaryd::config
