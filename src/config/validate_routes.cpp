// Routes: their names, where they lead, and whether any request can get to them.
#include "canaryd/routing/path_template.hpp"
#include "config/codec.hpp"
#include "config/validate.hpp"
#include "config/validate_parts.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace canaryd::config {
namespace {

std::vector<std::string> sorted_methods(const Match& match) {
  std::vector<std::string> methods = match.methods;
  std::sort(methods.begin(), methods.end());
  return methods;
}

// "/api/" and "/api" fit the same requests, and so do "/{a}" and "/{b}".
std::string bare_path(const Match& match) {
  if (match.path_kind == Match::Path::kTemplate) return routing::without_names(match.path);
  if (match.path_kind == Match::Path::kExact || match.path.size() == 1 ||
      match.path.back() != '/') {
    return match.path;
  }
  return match.path.substr(0, match.path.size() - 1);
}

std::vector<std::pair<std::string, std::optional<std::string>>> sorted_headers(const Match& match) {
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  for (const HeaderMatch& header : match.headers) {
    std::string name = header.name;
    std::transform(name.begin(), name.end(), name.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    headers.emplace_back(std::move(name), header.equals);
  }
  std::sort(headers.begin(), headers.end());
  return headers;
}

// What a route asks for beside host and path, and its place in the order of
// routing/routing_table.hpp: methods before none, more headers first, then the order of the file.
struct Criteria {
  std::size_t index = 0;
  std::vector<std::string> methods;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;

  [[nodiscard]] auto rank() const {
    return std::tuple(methods.empty(), -static_cast<std::ptrdiff_t>(headers.size()), index);
  }
};

// Does every request that fits `inner` also fit `outer`, which is looked at first?
bool shadows(const Criteria& outer, const Criteria& inner) {
  const bool methods =
      outer.methods.empty() ||
      (!inner.methods.empty() &&
       std::includes(
           outer.methods.begin(), outer.methods.end(), inner.methods.begin(), inner.methods.end()));
  return methods && outer.rank() < inner.rank() &&
         std::includes(inner.headers.begin(),
                       inner.headers.end(),
                       outer.headers.begin(),
                       outer.headers.end());
}

void check_reachable(const Config& config, Reader& in) {
  // Only routes with the same host and path can hide each other, so compare within such groups.
  std::map<std::tuple<std::string, Match::Path, std::string>, std::vector<Criteria>> groups;
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    const Match& match = config.routes[i].match;
    if (in.is_bad(indexed("routes", i) + ".match")) continue;
    groups[{match.host, match.path_kind, bare_path(match)}].push_back(
        {i, sorted_methods(match), sorted_headers(match)});
  }
  constexpr std::size_t kMaxCompared = 100;  // Comparing is quadratic; larger groups are not real.
  for (auto& [key, group] : groups) {
    if (group.size() > kMaxCompared) group.resize(kMaxCompared);
    for (const Criteria& inner : group) {
      const auto outer = std::find_if(
          group.begin(), group.end(), [&](const Criteria& other) { return shadows(other, inner); });
      if (outer == group.end()) continue;
      const std::string path = indexed("routes", inner.index);
      in.error_at(path,
                  path + ": the route " + quoted(config.routes[inner.index].name) +
                      " can never be reached: " + quoted(config.routes[outer->index].name) +
                      " takes all of its requests");
    }
  }
}

// Taken as they stand, so that no client asks for such a path.
void warn_of_patterns(const Config& config, Reader& in) {
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    const Match& match = config.routes[i].match;
    const std::string path = indexed("routes", i) + ".match.path_prefix";
    const std::size_t at = match.path.find_first_of("*{}");
    if (match.path_kind != Match::Path::kPrefix || at == std::string::npos || in.is_bad(path)) {
      continue;
    }
    in.warn_at(path,
               path + ": " + quoted(match.path.substr(at, 1)) + " stands for itself in a prefix",
               "path_template has variables: \"/orders/{id}\"; a prefix needs none at its end");
  }
}

}  // namespace

void check_routes(const Config& config, Reader& in) {
  check_unique(
      config.routes,
      [](const Route& r) { return r.name; },
      [&](std::size_t i, std::size_t first) {
        const std::string path = indexed("routes", i) + ".name";
        if (in.is_bad(path) || config.routes[i].name.empty()) return;
        in.error_at_value(path,
                          path + ": the name " + quoted(config.routes[i].name) + " is taken by " +
                              indexed("routes", first));
      });
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    const Route& route = config.routes[i];
    const std::string path = indexed("routes", i);
    if (in.is_bad(path)) continue;
    const int given = int{route.rollout.has_value()} + int{route.upstream.has_value()} +
                      int{!route.split.empty()};
    if (given > 1) {
      in.error_at(path, path + ": rollout, split and upstream exclude each other");
    } else if (given == 0 && !route.respond) {
      in.error_at(path, path + ": the route goes nowhere", "add rollout: NAME or upstream: NAME");
    }
  }
  warn_of_patterns(config, in);
  check_reachable(config, in);
}

}  // namespace canaryd::config
