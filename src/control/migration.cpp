// The map of a migration: which routes have moved, with how much of the traffic, and what is asked
// for that no route names.
#include "control/controller_state.hpp"
#include "control/route_rules.hpp"
#include "control/snapshot.hpp"

#include <array>
#include <map>
#include <set>
#include <utility>

namespace canaryd::control {
namespace {

constexpr std::size_t kPathsShown = 100;

// Without a list of them: where rollouts lead away from, unless others lead there.
std::set<std::size_t> upstreams_to_leave(const config::Config& config) {
  std::set<std::size_t> leave;
  if (config.migration && !config.migration->from.empty()) {
    for (const UpstreamId upstream : config.migration->from) leave.insert(upstream.index());
    return leave;
  }
  for (const config::Rollout& rollout : config.rollouts) leave.insert(rollout.stable.index());
  for (const config::Rollout& rollout : config.rollouts) leave.erase(rollout.canary.index());
  return leave;
}

using CohortRequests = std::array<std::uint64_t, kCohortCount>;
using RouteRequests = std::map<std::pair<std::string, std::string>, CohortRequests>;

RouteRequests requests_of(const telemetry::Collector& collector) {
  RouteRequests requests;
  collector.visit_routes([&](std::string_view route,
                             std::string_view rollout,
                             Cohort cohort,
                             const stats::CounterSnapshot& counts) {
    CohortRequests& of = requests[{std::string(route), std::string(rollout)}];
    of[static_cast<std::size_t>(cohort)] += counts.requests();
  });
  return requests;
}

class Map {
 public:
  Map(const config::Config& config, const std::vector<InForce>& in_force)
      : config_(config), in_force_(in_force), leave_(upstreams_to_leave(config)) {}

  [[nodiscard]] std::vector<std::string> from() const {
    std::vector<std::string> names;
    for (const std::size_t each : leave_) names.push_back(config_.upstreams.at(each).name);
    return names;
  }

  void place(const config::Route& route, MigrationRoute& view) const {
    if (route.deprecation) view.sunset = route.deprecation->sunset;
    if (route.respond) view.state = MigrationState::kAnswered;
    if (route.upstream) {
      (leaves(*route.upstream) ? view.from : view.to) = config_.upstream(*route.upstream).name;
      if (!leaves(*route.upstream)) set_weight(view, BasisPoints(BasisPoints::kMax));
    }
    if (route.rollout) {
      view.rollout = place_rollout(*route.rollout, view).name;
      set_weight(view, BasisPoints(moved_by(*route.rollout)));
    }
    if (route.split.empty()) return;
    place_rollout(route.split.front().rollout, view);
    std::uint64_t moved = 0;
    for (const routing::Lane& lane : route.split) {
      view.split.push_back(config_.rollout(lane.rollout).name);
      moved += std::uint64_t{moved_by(lane.rollout)} * lane.users.value();
    }
    set_weight(view, BasisPoints(static_cast<unsigned>(moved / BasisPoints::kMax)));
  }

  void count(const config::Route& route,
             const RouteRequests& requests,
             MigrationRequests& out) const {
    const auto of = [&](const std::string& rollout, Cohort cohort) {
      const auto found = requests.find({route.name, rollout});
      return found == requests.end() ? 0 : found->second[static_cast<std::size_t>(cohort)];
    };
    if (route.respond) out.answered += of({}, Cohort::kNone);
    if (route.upstream) side(*route.upstream, out) += of({}, Cohort::kNone);
    for (const RolloutId id : route.rollouts()) {
      const config::Rollout& rollout = config_.rollout(id);
      side(rollout.stable, out) += of(rollout.name, Cohort::kStable);
      side(rollout.canary, out) += of(rollout.name, Cohort::kCanary);
    }
  }

 private:
  [[nodiscard]] bool leaves(UpstreamId upstream) const { return leave_.contains(upstream.index()); }
  [[nodiscard]] std::uint64_t& side(UpstreamId upstream, MigrationRequests& of) const {
    return leaves(upstream) ? of.left : of.moved;
  }
  const config::Rollout& place_rollout(RolloutId id, MigrationRoute& view) const {
    const config::Rollout& rollout = config_.rollout(id);
    if (leaves(rollout.stable) != leaves(rollout.canary)) {
      place_version(rollout.stable, view);
      place_version(rollout.canary, view);
      return rollout;
    }
    // On one side both: that a rollout has a canary moves nobody there.
    const BasisPoints canary = canary_weight(id);
    if (canary < BasisPoints(BasisPoints::kMax)) place_version(rollout.stable, view);
    if (canary > BasisPoints()) place_version(rollout.canary, view);
    return rollout;
  }
  void place_version(UpstreamId upstream, MigrationRoute& view) const {
    std::string& where = leaves(upstream) ? view.from : view.to;
    if (!where.empty()) where += ", ";
    where += config_.upstream(upstream).name;
  }
  // Of the rollout's users, in basis points.
  [[nodiscard]] unsigned moved_by(RolloutId id) const {
    const config::Rollout& rollout = config_.rollout(id);
    const unsigned canary = canary_weight(id).value();
    unsigned moved = 0;
    if (!leaves(rollout.canary)) moved += canary;
    if (!leaves(rollout.stable)) moved += BasisPoints::kMax - canary;
    return moved;
  }
  [[nodiscard]] BasisPoints canary_weight(RolloutId id) const {
    const InForce& now = in_force_.at(id.index());
    switch (now.admission) {
      case rollout::Admission::kStableOnly:
      case rollout::Admission::kProbeOnly:
      case rollout::Admission::kForceOnly:
        return BasisPoints();
      default:
        return now.weight;
    }
  }
  static void set_weight(MigrationRoute& view, BasisPoints weight) {
    view.weight = weight;
    view.state = weight.value() == 0                   ? MigrationState::kLeft
                 : weight.value() == BasisPoints::kMax ? MigrationState::kMoved
                                                       : MigrationState::kMoving;
  }

  const config::Config& config_;
  const std::vector<InForce>& in_force_;
  std::set<std::size_t> leave_;
};

}  // namespace

MigrationView Controller::migration() const {
  const std::vector<InForce> in_force = state_->in_force();
  const config::Config& config = state_->config;
  const Map map(config, in_force);
  const RouteRequests requests = requests_of(*state_->parts.collector);
  const std::vector<RouteView> routes = this->routes();
  MigrationView view;
  view.from = map.from();
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    MigrationRoute& route = view.routes.emplace_back();
    route.name = routes[i].name;
    route.match = routes[i].match;
    map.place(config.routes[i], route);
    map.count(config.routes[i], requests, route.requests);
    view.requests.add(route.requests);
  }
  for (const ListenerStatus& listener : state_->parts.data_plane->listeners()) {
    view.no_route += listener.errors[static_cast<std::size_t>(proxy::ProxyError::kNoRoute)];
  }
  if (!watches_paths(config)) return view;
  std::vector<stats::PathCount> counts;
  for (const auto& sketch : state_->path_sketches) {
    std::vector<stats::PathCount> read = sketch->read();
    counts.insert(counts.end(), read.begin(), read.end());
  }
  view.paths = stats::merge_paths(std::move(counts), kPathsShown);
  return view;
}

}  // namespace canaryd::control
