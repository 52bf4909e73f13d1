// What goes out as it happens: to taps, and to those who follow the rollouts.
#include "canaryd/base/suggest.hpp"
#include "control/controller_state.hpp"

#include <algorithm>
#include <utility>

namespace canaryd::control {

TransitionView view_of(const rollout::Change& change, bool durable) {
  TransitionView view;
  view.row.time = change.at;
  view.row.rollout = change.rollout;
  view.row.event = change.event;
  view.row.from = rollout::to_string(change.from);
  view.row.to = rollout::to_string(change.to);
  view.row.reason = change.reason.empty() ? rollout::to_string(change.cause) : change.reason;
  view.row.weight = change.weight_after;
  view.row.actor = change.actor;
  view.row.message = rollout::sentence(change);
  view.row.evidence_json = change.evidence;
  view.generation = change.generation;
  view.durable = durable;
  return view;
}

void Controller::State::tell_verdicts(const Runner& runner) {
  const std::string& name = runner.config().name;
  const auto& metrics = runner.evidence().verdict().metrics;
  const auto& queries = runner.queries().reports;
  const auto is_news = [&](std::string_view metric, std::string_view verdict) {
    return events.is_news(name, metric, verdict);
  };
  // Nearly always nothing is, and a view is not cheap.
  const bool any =
      std::any_of(metrics.begin(),
                  metrics.end(),
                  [&](const auto& each) { return is_news(each.name, to_string(each.state)); }) ||
      std::any_of(queries.begin(), queries.end(), [&](const auto& each) {
        return is_news(query_metric(each), analysis::to_string(each.state));
      });
  if (!any) return;
  const auto traffic = parts.collector->traffic(name);
  for (const MetricView& metric : metric_views(runner, traffic)) events.judge(name, metric);
}

void Controller::State::tell_samples() const {
  if (!events.followed()) return;
  for (const auto& runner : runners) {
    events.show(view(*runner));
  }
}

Result<std::unique_ptr<Subscription>> Controller::tap(telemetry::TapFilter filter, EventSink sink) {
  const auto& routes = state_->config.routes;
  const auto is_named = [&](const config::Route& route) { return route.name == filter.route; };
  if (!filter.route.empty() && std::none_of(routes.begin(), routes.end(), is_named)) {
    std::vector<std::string_view> names;
    for (const config::Route& route : routes) names.push_back(route.name);
    return fail(ErrorCode::kInvalidArgument, no_such("route", names));
  }
  return state_->taps.open(std::move(filter), std::move(sink));
}

std::unique_ptr<Subscription> Controller::events(std::optional<std::uint64_t> after,
                                                 ControlSink sink) {
  return state_->events.follow(after, std::move(sink));
}

}  // namespace canaryd::control
