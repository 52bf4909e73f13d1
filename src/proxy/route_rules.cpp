#include "canaryd/proxy/route_rules.hpp"

#include <algorithm>

namespace canaryd::proxy {

std::string location_of(const RespondPolicy& respond, const http::Target& target) {
  const std::string_view path = target.path == "*" ? "/" : target.path;
  std::string out;
  std::string_view rest = respond.location;
  while (!rest.empty()) {
    const std::size_t open = std::min(rest.find('{'), rest.size());
    out += rest.substr(0, open);
    rest.remove_prefix(open);
    if (rest.empty()) break;
    const std::size_t close = rest.find('}');
    const std::string_view name = rest.substr(1, close - 1);
    if (name == "path") out += path;
    if (name == "rest") out += path.substr(std::min(respond.prefix_bytes, path.size()));
    if (name == "query" && !target.query.empty()) out.append("?").append(target.query);
    rest.remove_prefix(close + 1);
  }
  return out;
}

}  // namespace canaryd::proxy
