// The map of a migration as JSON.
#include "admin/json.hpp"
#include "canaryd/base/units.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <utility>

namespace canaryd::admin {
namespace {

namespace json = boost::json;
using control::MigrationState;

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
}

json::value names_or_null(const std::vector<std::string>& names) {
  if (names.empty()) return nullptr;
  json::array array;
  for (const std::string& name : names) array.emplace_back(name);
  return array;
}

json::value share_of(const control::MigrationRequests& requests) {
  const std::optional<double> share = requests.share();
  return share ? json::value(*share) : json::value(nullptr);
}

json::object requests_of(const control::MigrationRequests& requests) {
  json::object object;
  object["left"] = requests.left;
  object["moved"] = requests.moved;
  object["answered"] = requests.answered;
  return object;
}

json::value route_of(const control::MigrationRoute& route) {
  json::object object;
  object["name"] = route.name;
  object["match"] = route.match;
  object["state"] = std::string(control::to_string(route.state));
  object["rollout"] = text_or_null(route.rollout);
  object["split"] = names_or_null(route.split);
  object["from"] = text_or_null(route.from);
  object["to"] = text_or_null(route.to);
  object["weight"] = route.state == MigrationState::kAnswered ? json::value(nullptr)
                                                              : json::value(route.weight.percent());
  object["requests"] = requests_of(route.requests);
  object["share"] = share_of(route.requests);
  object["sunset"] = route.sunset ? json::value(format_time(*route.sunset)) : json::value(nullptr);
  return object;
}

json::value paths_of(const control::MigrationView& view) {
  if (!view.paths) return nullptr;
  json::array items;
  for (const auto& path : *view.paths) {
    json::object item;
    item["path"] = path.shape;
    item["routed"] = path.routed;
    item["requests"] = path.requests;
    item["error"] = path.error;
    items.emplace_back(std::move(item));
  }
  return items;
}

}  // namespace

json::value to_json(const control::MigrationView& view) {
  json::object routes;
  routes["total"] = view.routes.size();
  for (std::size_t i = 0; i < static_cast<std::size_t>(MigrationState::kCount); ++i) {
    const auto state = static_cast<MigrationState>(i);
    routes[std::string(control::to_string(state))] = view.count(state);
  }
  json::object requests = requests_of(view.requests);
  requests["no_route"] = view.no_route;
  requests["share"] = share_of(view.requests);
  json::array from;
  for (const std::string& name : view.from) from.emplace_back(name);
  json::array items;
  for (const control::MigrationRoute& route : view.routes) items.push_back(route_of(route));
  return {{"from", std::move(from)},
          {"routes", std::move(routes)},
          {"requests", std::move(requests)},
          {"items", std::move(items)},
          {"paths", paths_of(view)}};
}

}  // namespace canaryd::admin
