// Points for charts.
#include "control/controller_state.hpp"

#include <algorithm>
#include <optional>

namespace canaryd::control {
namespace {

std::optional<double> known(float figure) {
  return figure < 0 ? std::nullopt : std::optional<double>(figure);
}

CohortView view_of(const telemetry::SeriesPoint::Figures& figures, std::uint32_t seconds) {
  CohortView view;
  view.requests = figures.requests;
  view.rps = static_cast<double>(figures.requests) / std::max(seconds, 1U);
  view.error_rate = known(figures.error_rate);
  view.p50 = known(figures.p50);
  view.p90 = known(figures.p90);
  view.p99 = known(figures.p99);
  return view;
}

}  // namespace

std::optional<std::vector<PointView>> Controller::series(const SeriesQuery& query) const {
  if (state_->find(query.rollout) == nullptr) return std::nullopt;
  const std::int64_t now = state_->second();
  const WallTime wall_now = state_->parts.clock->wall_now();
  const std::int64_t window =
      std::chrono::duration_cast<std::chrono::seconds>(query.window).count();
  std::vector<PointView> views;
  for (const telemetry::SeriesPoint& point :
       state_->parts.collector->series(query.rollout, query.grain, now - window)) {
    PointView view;
    view.time = wall_now - std::chrono::seconds(now - point.second);
    view.over = std::chrono::seconds(point.seconds);
    view.weight = point.weight;
    view.stable = view_of(point.stable, point.seconds);
    view.canary = view_of(point.canary, point.seconds);
    views.push_back(view);
  }
  return views;
}

}  // namespace canaryd::control
