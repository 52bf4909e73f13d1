// What the tests of this room share: a small valid file, and loading with a fixed environment.
#pragma once

#include "canaryd/config/load.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace canaryd::config {

using Environment = std::map<std::string, std::string, std::less<>>;
using Overrides = std::vector<std::pair<std::string, std::string>>;

inline const char* const kSmall = R"(version: 1
listeners:
  - {name: public, address: 127.0.0.1:8080}
upstreams:
  old: {endpoints: [127.0.0.1:9001]}
  new: {endpoints: [127.0.0.1:9002]}
rollouts:
  shop: {stable: old, canary: new}
routes:
  - {name: all, rollout: shop}
)";

inline LoadResult load_text(std::string text,
                            Environment variables = {},
                            Overrides overrides = {}) {
  LoadInput input;
  input.file_name = "canaryd.yaml";
  input.text = std::move(text);
  input.overrides = std::move(overrides);
  input.environment =
      [variables = std::move(variables)](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
  return load(input);
}

inline std::string report_of(const LoadResult& result) {
  return render_problems_text(result.problems, "canaryd.yaml");
}

inline Config config_of(const LoadResult& result) {
  EXPECT_TRUE(result.config.has_value()) << report_of(result);
  return result.config.value_or(Config());
}

}  // namespace canaryd::config
