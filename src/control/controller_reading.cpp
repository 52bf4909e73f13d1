// What the controller answers to those who only look.
#include "canaryd/config/schema.hpp"
#include "control/controller_state.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>

namespace canaryd::control {

namespace {

std::string word_of(config::Match::Path kind) {
  switch (kind) {
    case config::Match::Path::kPrefix:
      return "path_prefix";
    case config::Match::Path::kExact:
      return "path_exact";
    case config::Match::Path::kTemplate:
      return "path_template";
  }
  return {};
}

}  // namespace

std::vector<RolloutView> Controller::rollouts() const {
  std::vector<RolloutView> views;
  for (const auto& runner : state_->runners) {
    views.push_back(state_->view(*runner));
  }
  return views;
}

std::optional<RolloutView> Controller::rollout(std::string_view name) const {
  const Runner* const runner = state_->find(name);
  if (runner == nullptr) return std::nullopt;
  return state_->view(*runner);
}

std::vector<ListenerView> Controller::listeners() const {
  std::vector<ListenerView> views;
  for (const ListenerStatus& status : state_->parts.data_plane->listeners()) {
    const auto active = static_cast<std::uint64_t>(std::max<std::int64_t>(status.active, 0));
    views.push_back({status.name, to_string(status.address), active});
  }
  return views;
}

std::vector<UpstreamView> Controller::upstreams() const {
  std::vector<UpstreamView> views;
  for (const config::Upstream& upstream : state_->config.upstreams) {
    UpstreamView view;
    view.name = upstream.name;
    if (const Discovery::Status* const found = state_->discovery.status(upstream.name)) {
      view.source = found->source;
      view.source_error = found->error;
    }
    if (const UpstreamEntry* entry = state_->upstreams.find(upstream.name)) {
      for (const EndpointEntry& each : entry->endpoints) {
        EndpointView endpoint;
        endpoint.address = to_string(each.state->address());
        endpoint.healthy = each.state->healthy();
        endpoint.ejected = each.state->ejected(state_->parts.clock->now());
        endpoint.active_requests = each.active_requests();
        view.endpoints.push_back(std::move(endpoint));
      }
    }
    views.push_back(std::move(view));
  }
  return views;
}

std::vector<RouteView> Controller::routes() const {
  std::map<std::string, std::uint64_t, std::less<>> requests;
  state_->parts.collector->visit_routes([&](std::string_view route,
                                            std::string_view,
                                            Cohort cohort,
                                            const stats::CounterSnapshot& counts) {
    // Of clients: a copy for the mirror is no request of its own.
    if (cohort != Cohort::kShadow) requests[std::string(route)] += counts.requests();
  });
  std::vector<RouteView> views;
  for (const config::Route& route : state_->config.routes) {
    RouteView view;
    view.name = route.name;
    if (!route.match.host.empty()) view.match = "host " + route.match.host + " ";
    view.match += word_of(route.match.path_kind) + " " + route.match.path;
    for (const std::string& method : route.match.methods) view.match += " " + method;
    for (const config::HeaderMatch& header : route.match.headers) {
      view.match += " " + header.name + (header.equals ? "=" + *header.equals : "");
    }
    if (route.rollout) view.rollout = state_->config.rollout(*route.rollout).name;
    for (const routing::Lane& lane : route.split) {
      view.split.push_back({state_->config.rollout(lane.rollout).name, lane.users});
    }
    if (route.upstream) view.upstream = state_->config.upstream(*route.upstream).name;
    view.requests = requests[route.name];
    if (route.mirror) {
      view.mirror =
          MirrorView{state_->config.upstream(route.mirror->to).name, route.mirror->percent};
    }
    views.push_back(std::move(view));
  }
  return views;
}

Readiness Controller::readiness() const {
  Readiness readiness;
  readiness.checks.push_back({"configuration", true, "loaded"});
  readiness.checks.push_back(
      {"listeners", state_->listening, state_->listening ? "bound" : "not bound yet"});
  readiness.checks.push_back(
      {"not_draining", !state_->draining, state_->draining ? "draining" : "accepting"});
  readiness.ready = state_->listening && !state_->draining;
  return readiness;
}

BuildView Controller::build() const {
  return state_->parts.build;
}

std::string Controller::metrics_text() {
  return metrics_text_of(*state_);
}

std::string Controller::config_text() const {
  return config::render_masked_dump(state_->config);
}

std::string Controller::config_schema() const {
  return config::render_schema();
}

}  // namespace canaryd::control
