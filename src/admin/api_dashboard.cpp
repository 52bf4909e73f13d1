// The dashboard, and what is there for it alone.
#include "admin/answer.hpp"
#include "admin/api.hpp"
#include "admin/assets.hpp"
#include "admin/json.hpp"
#include "admin/problem.hpp"
#include "admin/query.hpp"
#include "canaryd/base/units.hpp"
#include "canaryd/telemetry/series.hpp"

#include <boost/json.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

namespace canaryd::admin {
namespace {

using telemetry::kSeriesGrains;

// Nothing but our own files runs, and nobody shows the page within theirs.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

Duration step_of(std::size_t grain) {
  return std::chrono::seconds(kSeriesGrains.at(grain).seconds);
}

Duration reach_of(std::size_t grain) {
  return step_of(grain) * static_cast<int>(kSeriesGrains.at(grain).kept);
}

Result<std::optional<Duration>> read_duration(const Query& query, std::string_view name) {
  if (!query.has(name)) return std::optional<Duration>();
  auto read = parse_duration(query.text(name));
  if (!read || *read <= Duration::zero()) {
    return fail(ErrorCode::kInvalidArgument,
                std::string(name) + R"( must be a time, such as "1h")");
  }
  return std::optional<Duration>(*read);
}

// The finest that reaches back so far, if none is asked for.
Result<std::size_t> choose_grain(Duration window, std::optional<Duration> step) {
  const std::size_t last = kSeriesGrains.size() - 1;
  for (std::size_t grain = 0; grain <= last; ++grain) {
    const bool fits = window <= reach_of(grain);
    if (!step && fits) return grain;
    if (step != step_of(grain)) continue;
    if (fits) return grain;
    return fail(ErrorCode::kInvalidArgument,
                "points of " + format_duration(step_of(grain)) + " are kept for " +
                    format_duration(reach_of(grain)));
  }
  if (step) return fail(ErrorCode::kInvalidArgument, R"(step must be "5s" or "1m")");
  return fail(ErrorCode::kInvalidArgument,
              "points are kept for " + format_duration(reach_of(last)));
}

Result<control::SeriesQuery> read_series_query(const Request& request) {
  CANARYD_TRY_ASSIGN(const Query query, Query::parse(request.query(), {"window", "step"}));
  CANARYD_TRY_ASSIGN(const auto window, read_duration(query, "window"));
  CANARYD_TRY_ASSIGN(const auto step, read_duration(query, "step"));
  control::SeriesQuery series;
  series.window = window.value_or(std::chrono::hours(1));
  CANARYD_TRY_ASSIGN(series.grain, choose_grain(series.window, step));
  return series;
}

}  // namespace

void Api::series(const Request& request, const Match& match, const Done& done) {
  auto query = read_series_query(request);
  if (!query) return done(invalid(request, query.error()));
  query->rollout = match.rollout;
  const auto points = backend_.series(*query);
  if (!points) return done(no_such_rollout(request, match.rollout, backend_));
  done(json_response({{"name", query->rollout},
                      {"time", format_time(clock_.wall_now())},
                      {"window", format_duration(query->window)},
                      {"step", format_duration(step_of(query->grain))},
                      {"items", to_json(*points)}}));
}

void Api::whoami(const Request& request, const Match& /*match*/, const Done& done) {
  done(json_response({{"name", request.actor}, {"role", to_string(request.actor_role)}}));
}

void Api::page(const Request& request, const Match& /*match*/, const Done& done) {
  const Asset* const asset = find_asset(request.path());
  if (asset == nullptr || (options_.dashboard && !options_.dashboard())) {
    return done(to_response({404, "not-found", "admin.dashboard is off"}, request.path()));
  }
  Response response;
  response.content_type = asset->content_type;
  response.headers.emplace_back("Content-Security-Policy", kPolicy);
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  response.headers.emplace_back("Cross-Origin-Opener-Policy", "same-origin");
  response.headers.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
  response.body = asset->text;
  done(std::move(response));
}

}  // namespace canaryd::admin
