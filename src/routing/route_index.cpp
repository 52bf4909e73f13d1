#include "routing/route_index.hpp"

#include <algorithm>
#include <tuple>

namespace canaryd::routing {

std::string_view index_path(const MatchSpec& match) noexcept {
  std::string_view path = match.path;
  if (match.path_kind == PathKind::kPrefix && path.ends_with('/')) path.remove_suffix(1);
  return path;
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
    const std::string path(index_path(match));
    if (match.path_kind == PathKind::kExact) {
      paths.exact[path].push_back(at);
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

}  // namespace canaryd::routing
