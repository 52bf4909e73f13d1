// Finds the candidates of a request by host and path, best first. Private to routing.
//
// Per host: a map of exact paths, a map of prefixes, and the distinct lengths of those prefixes,
// longest first. A path is looked up once per length and not once per segment: lengths are bounded
// by the configuration, segments only by the client. Prefixes are stored without their trailing
// slash, "/" as the empty one. Templates of one shape are in one map, which looks at their literal
// segments only: one lookup per shape, however many templates have it.
#pragma once

#include "canaryd/routing/routing_table.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace canaryd::routing {

// "/api/" and "/api" are one prefix, "/" is the empty one; exact paths are left as they are, and
// templates lose the names of their variables.
[[nodiscard]] std::string index_path(const MatchSpec& match);

// Of the segments that are not variables; those may be anything but empty.
struct ShapeHash {
  using is_transparent = void;
  std::uint32_t variables = 0;
  [[nodiscard]] std::size_t operator()(std::string_view path) const noexcept;
};
struct ShapeEqual {
  using is_transparent = void;
  std::uint32_t variables = 0;
  [[nodiscard]] bool operator()(std::string_view a, std::string_view b) const noexcept;
};

class RouteIndex {
 public:
  static constexpr std::size_t kNotFound = static_cast<std::size_t>(-1);

  explicit RouteIndex(const std::vector<RouteSpec>& routes);

  // The position of the best route for which fits(position) holds, or kNotFound.
  template <class Fits>
  [[nodiscard]] std::size_t find(std::string_view host,
                                 std::string_view path,
                                 const Fits& fits) const {
    if (!host.empty() && !hosts_.empty()) {
      if (const auto entry = hosts_.find(host); entry != hosts_.end()) {
        if (const std::size_t at = entry->second.find(path, fits); at != kNotFound) return at;
      }
    }
    return any_host_.find(path, fits);
  }

 private:
  // Transparent, so that a lookup by view makes no string.
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  template <class Value>
  using Map = std::unordered_map<std::string, Value, Hash, std::equal_to<>>;
  using Candidates = std::vector<std::uint32_t>;  // Positions of routes, best first.

  struct Templates {
    explicit Templates(TemplateShape of)
        : shape(of), routes(0, ShapeHash{of.variables}, ShapeEqual{of.variables}) {}

    TemplateShape shape;
    std::unordered_map<std::string, Candidates, ShapeHash, ShapeEqual> routes;
  };

  struct Paths {
    Map<Candidates> exact;
    std::vector<Templates> templates;  // By shape, best first.
    Map<Candidates> prefixes;
    std::vector<std::size_t> prefix_lengths;  // Distinct, longest first; without the empty one.
    Candidates whole;                         // Of the empty prefix, which fits every path.

    template <class Fits>
    [[nodiscard]] std::size_t find(std::string_view path, const Fits& fits) const {
      if (!exact.empty()) {
        if (const std::size_t at = first_fit(exact, path, fits); at != kNotFound) return at;
      }
      if (!templates.empty()) {
        if (const std::size_t at = find_template(path, fits); at != kNotFound) return at;
      }
      for (const std::size_t length : prefix_lengths) {
        if (length > path.size()) continue;
        if (length != path.size() && path[length] != '/') continue;
        const std::size_t at = first_fit(prefixes, path.substr(0, length), fits);
        if (at != kNotFound) return at;
      }
      return first_fit(whole, fits);
    }

    // `path` is without the names of its variables.
    void add_template(const std::string& path, std::uint32_t route);

    template <class Fits>
    [[nodiscard]] std::size_t find_template(std::string_view path, const Fits& fits) const {
      const std::uint32_t segments = count_segments(path);
      for (const Templates& each : templates) {
        if (each.shape.segments != segments) continue;
        const std::size_t at = first_fit(each.routes, path, fits);
        if (at != kNotFound) return at;
      }
      return kNotFound;
    }

    template <class AnyMap, class Fits>
    [[nodiscard]] static std::size_t first_fit(const AnyMap& map,
                                               std::string_view path,
                                               const Fits& fits) {
      const auto entry = map.find(path);
      return entry == map.end() ? kNotFound : first_fit(entry->second, fits);
    }
    template <class Fits>
    [[nodiscard]] static std::size_t first_fit(const Candidates& candidates, const Fits& fits) {
      for (const std::uint32_t position : candidates) {
        if (fits(position)) return position;
      }
      return kNotFound;
    }
  };

  Map<Paths> hosts_;
  Paths any_host_;
};

}  // namespace canaryd::routing
