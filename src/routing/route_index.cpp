#include "routing/route_index.hpp"

#include <algorithm>
#include <bit>
#include <tuple>

namespace canaryd::routing {

std::string index_path(const MatchSpec& match) {
  if (match.path_kind == PathKind::kTemplate) return without_names(match.path);
  std::string path = match.path;
  if (match.path_kind == PathKind::kPrefix && path.ends_with('/')) path.pop_back();
  return path;
}

std::size_t ShapeHash::operator()(std::string_view path) const noexcept {
  std::size_t hash = 0;
  for (std::uint32_t bits = variables; !path.empty(); bits >>= 1U) {
    const std::string_view segment = take_segment(path);
    if ((bits & 1U) != 0) continue;
    hash = std::rotl(hash, 5) ^ std::hash<std::string_view>{}(segment);
  }
  return hash;
}

bool ShapeEqual::operator()(std::string_view a, std::string_view b) const noexcept {
  for (std::uint32_t bits = variables; !a.empty() && !b.empty(); bits >>= 1U) {
    const std::string_view of_a = take_segment(a);
    const std::string_view of_b = take_segment(b);
    const bool equal = (bits & 1U) != 0 ? !of_a.empty() && !of_b.empty() : of_a == of_b;
    if (!equal) return false;
  }
  return a.empty() && b.empty();
}

RouteIndex::RouteIndex(const std::vector<RouteSpec>& routes) {
  // Inserted by falling rank, so that each list of candidates is in the order of the rules.
  std::vector<std::uint32_t> order(routes.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto rank = [&](std::uint32_t at) {
    const MatchSpec& match = routes[at].match;
    return std::tuple(match.methods.empty() ? 1 : 0, -static_cast<long>(match.headers.size()), at);
  };
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return rank(a) < rank(b); });

  for (const std::uint32_t at : order) {
    const MatchSpec& match = routes[at].match;
    Paths& paths = match.host.empty() ? any_host_ : hosts_[match.host];
    const std::string path = index_path(match);
    if (match.path_kind == PathKind::kExact) {
      paths.exact[path].push_back(at);
      continue;
    }
    if (match.path_kind == PathKind::kTemplate) {
      paths.add_template(path, at);
      continue;
    }
    if (path.empty()) {
      paths.whole.push_back(at);
      continue;
    }
    paths.prefixes[path].push_back(at);
    auto& lengths = paths.prefix_lengths;
    const auto place =
        std::lower_bound(lengths.begin(), lengths.end(), path.size(), std::greater<>());
    if (place == lengths.end() || *place != path.size()) lengths.insert(place, path.size());
  }
}

void RouteIndex::Paths::add_template(const std::string& path, std::uint32_t route) {
  TemplateShape shape;
  for (std::string_view rest = path; !rest.empty(); ++shape.segments) {
    if (take_segment(rest) == "{}") shape.variables |= 1U << shape.segments;
  }
  auto place = std::find_if(templates.begin(), templates.end(), [&](const Templates& each) {
    return each.shape == shape || goes_before(shape, each.shape);
  });
  if (place == templates.end() || place->shape != shape) {
    place = templates.insert(place, Templates(shape));
  }
  place->routes[path].push_back(route);
}

}  // namespace canaryd::routing
