#include "canaryd/routing/routing_table.hpp"

#include "canaryd/http/chars.hpp"
#include "canaryd/routing/client_address.hpp"
#include "canaryd/routing/cohort_pick.hpp"
#include "routing/route_index.hpp"
#include "routing/table_check.hpp"

#include <algorithm>

namespace canaryd::routing {
namespace {

// Any of the lines of that name may satisfy the condition.
bool holds(const HeaderCondition& condition, const http::FieldList& fields) noexcept {
  return std::any_of(fields.begin(), fields.end(), [&](const http::Field& field) {
    return http::equals_ignore_case(field.name, condition.name) &&
           (!condition.equals || field.value == *condition.equals);
  });
}

bool fits(const MatchSpec& match, const http::RequestHead& head) noexcept {
  // Nearly all routes are told apart by host and path alone.
  if (match.methods.empty() && match.headers.empty()) return true;
  const bool method_fits =
      match.methods.empty() ||
      std::find(match.methods.begin(), match.methods.end(), head.method_text) !=
          match.methods.end();
  return method_fits &&
         std::all_of(match.headers.begin(), match.headers.end(), [&](const auto& condition) {
           return holds(condition, head.fields);
         });
}

std::vector<std::string> fields_read_by(const TableSpec& spec) {
  std::vector<std::string> names;
  for (const RouteSpec& route : spec.routes) {
    for (const HeaderCondition& condition : route.match.headers) names.push_back(condition.name);
  }
  for (const RolloutSpec& rollout : spec.rollouts) {
    for (const StickySource& source : rollout.sticky.sources) {
      if (source.kind == KeySource::kHeader) names.push_back(source.name);
    }
    if (!rollout.force.header.empty()) names.push_back(rollout.force.header);
    for (const RequestRule& rule : rollout.exclude) {
      if (!rule.header.empty()) names.push_back(rule.header);
    }
    for (const Segment& segment : rollout.segments) {
      if (!segment.users.header.empty()) names.push_back(segment.users.header);
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::size_t lanes_of(const std::vector<RouteSpec>& routes) {
  std::size_t count = 0;
  for (const RouteSpec& route : routes) {
    if (const auto* lanes = std::get_if<std::vector<Lane>>(&route.target)) count += lanes->size();
  }
  return count;
}

}  // namespace

RoutingTable::RoutingTable(TableSpec spec)
    : epoch_(spec.epoch),
      upstreams_(std::move(spec.upstreams)),
      fields_read_(fields_read_by(spec)),
      reads_what_proxies_say_(std::any_of(fields_read_.begin(), fields_read_.end(), is_of_proxies)),
      routes_(std::move(spec.routes)) {
  rollouts_.reserve(spec.rollouts.size());
  for (RolloutSpec& from : spec.rollouts) {
    if (from.salt.empty()) from.salt = from.name;
    const HashKey key = key_from_salt(from.salt);
    const RolloutId id(static_cast<std::uint32_t>(rollouts_.size()));
    for (StickySource& source : from.sticky.sources) {
      if (source.kind == KeySource::kHeader) source.field = http::field_id(source.name);
    }
    rollouts_.push_back(Rollout{std::move(from), id, key});
  }
  // From here on rollouts_ and routes_ stay where they are: the matches point into them, and into
  // each other.
  matches_.reserve(routes_.size() + lanes_of(routes_));
  for (const RouteSpec& route : routes_) {
    RouteMatch& match = add_match(route.name);
    if (const auto* rollout = std::get_if<RolloutId>(&route.target)) {
      lead(match, *rollout);
    } else if (const auto* upstream = std::get_if<UpstreamId>(&route.target)) {
      match.upstream = *upstream;
    }
  }
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    if (const auto* lanes = std::get_if<std::vector<Lane>>(&routes_[i].target)) {
      add_lanes(matches_[i], *lanes);
    }
  }
  index_ = std::make_unique<RouteIndex>(routes_);
}

RouteMatch& RoutingTable::add_match(std::string_view name) {
  RouteMatch& match = matches_.emplace_back();
  match.id = RouteId(static_cast<std::uint32_t>(matches_.size() - 1));
  match.name = name;
  return match;
}

void RoutingTable::lead(RouteMatch& match, RolloutId rollout) const {
  match.rollout = &rollouts_[rollout.index()];
  match.upstream = match.rollout->stable;
}

void RoutingTable::add_lanes(RouteMatch& route, const std::vector<Lane>& lanes) {
  route.lane_key = lane_hash_key();
  std::uint32_t end = 0;
  for (const Lane& lane : lanes) {
    RouteMatch& match = add_match(route.name);
    lead(match, lane.rollout);
    end += lane.users.value();
    route.lanes.push_back({end, &match});
  }
  route.upstream = route.lanes.front().route->upstream;
}

RoutingTable::~RoutingTable() = default;

Result<std::shared_ptr<const RoutingTable>> RoutingTable::build(TableSpec spec) {
  CANARYD_TRY(check(spec));
  struct Shared : RoutingTable {
    explicit Shared(TableSpec from) : RoutingTable(std::move(from)) {}
  };
  return std::make_shared<const Shared>(std::move(spec));
}

const RouteMatch* RoutingTable::match(const http::RequestHead& head,
                                      const http::Target& target) const noexcept {
  const std::size_t found = index_->find(target.host, target.path, [&](std::size_t position) {
    return fits(routes_[position].match, head);
  });
  return found == RouteIndex::kNotFound ? nullptr : &matches_[found];
}

}  // namespace canaryd::routing
