// A conversion, and what is wrong with it as one text.
#pragma once

#include "canaryd/config/load.hpp"
#include "canaryd/convert/convert.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace canaryd::convert {

inline Conversion run(Source from, std::string text) {
  return convert({from, "file", std::move(text), "127.0.0.1:8080"});
}

inline std::string first_error(const Conversion& conversion) {
  if (conversion.errors.empty()) return "none";
  return std::to_string(conversion.errors[0].line) + ": " + conversion.errors[0].message;
}

inline std::string all_errors(const Conversion& conversion) {
  std::string out;
  for (const Note& note : conversion.errors) {
    out += std::to_string(note.line) + ": " + note.message + "\n";
  }
  return out;
}

// The configuration of the result.
inline std::optional<config::Config> loaded(const Conversion& result) {
  EXPECT_EQ(all_errors(result), "");
  config::LoadInput input;
  input.text = result.yaml;
  config::LoadResult read_back = config::load(input);
  EXPECT_TRUE(read_back.config.has_value()) << result.yaml;
  return std::move(read_back.config);
}

inline bool warns(const Conversion& result, const Note& note) {
  return std::find(result.warnings.begin(), result.warnings.end(), note) != result.warnings.end();
}

inline std::size_t warnings_with(const Conversion& result, std::string_view part) {
  return static_cast<std::size_t>(
      std::count_if(result.warnings.begin(), result.warnings.end(), [&](const Note& note) {
        return note.message.find(part) != std::string::npos;
      }));
}

inline const std::string kTwoUpstreams =
    "upstream a { server 127.0.0.1:9001; }\nupstream b { server 127.0.0.1:9002; }\n";

// Each route as "HOST PATH TARGET", of a file whose rollout is called way.
inline std::string ways_of(const Conversion& result) {
  std::string out;
  const auto config = loaded(result);
  if (!config) return out;
  for (const config::Route& route : config->routes) {
    out += (route.match.host.empty() ? "*" : route.match.host) + " " + route.match.path + " ";
    if (route.respond) {
      out += std::to_string(route.respond->status) + " " + route.respond->location;
    } else {
      out += route.rollout ? "way" : config->upstreams.at(route.upstream->index()).name;
    }
    out += "\n";
  }
  return out;
}

inline Conversion servers_of(const std::string& servers) {
  return run(Source::kNginx,
             kTwoUpstreams + "split_clients $http_x $way { 5% b; * a; }\n" + servers);
}

}  // namespace canaryd::convert
