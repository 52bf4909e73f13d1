#include "cli/learned_traffic.hpp"

#include "canaryd/base/units.hpp"
#include "cli/json_view.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

namespace canaryd::cli {
namespace {

constexpr double kLeastStableRequests = 100;

// Of one point; a daemon that says more is none.
constexpr double kMostRequests = 1e12;
constexpr Duration kLongestPoint = std::chrono::hours(24);
constexpr Duration kMost = 7 * kLongestPoint;
constexpr double kLeastRate = 0.001;  // Of expected_rps, as its bounds are.
constexpr double kMostRate = 1e7;

struct Seen {
  Duration over{};
  double requests = 0;  // Of both versions.
  double stable = 0;
  double failed = 0;  // Of them.
};

double requests_of(JsonView cohort) {
  return std::clamp(cohort["requests"].number().value_or(0), 0.0, kMostRequests);
}

void add(JsonView point, Seen& seen) {
  const auto over = parse_duration(point["over"].text());
  if (!over || *over > kLongestPoint || seen.over > kMost) return;
  const double stable = requests_of(point["stable"]);
  seen.over += *over;
  seen.requests += stable + requests_of(point["canary"]);
  const auto error_rate = point["stable"]["error_rate"].number();
  if (!error_rate) return;
  seen.stable += stable;
  seen.failed += stable * std::clamp(*error_rate, 0.0, 1.0);
}

Outcome<std::set<std::string>> rollouts_of(const Daemon& daemon) {
  const auto listed = daemon.get("/api/v1/rollouts");
  if (!listed) return tl::unexpected(listed.error());
  const auto document = parse_json(listed->body);
  std::set<std::string> names;
  if (!document) return names;
  const JsonView items = JsonView(*document)["items"];
  for (std::size_t i = 0; i < items.size(); ++i) names.insert(items[i]["name"].text());
  return names;
}

}  // namespace

std::optional<config::LearnedTraffic> learn(const std::string& rollout, std::string_view series) {
  const auto document = parse_json(series);
  if (!document) return std::nullopt;
  Seen seen;
  const JsonView points = JsonView(*document)["items"];
  for (std::size_t i = 0; i < points.size(); ++i) add(points[i], seen);
  if (seen.over <= Duration::zero() || seen.stable < kLeastStableRequests) return std::nullopt;
  config::LearnedTraffic learned;
  learned.rollout = rollout;
  const double rate = seen.requests / std::chrono::duration<double>(seen.over).count();
  learned.requests_per_second = std::clamp(rate, kLeastRate, kMostRate);
  learned.error_rate = seen.failed / seen.stable;
  learned.over = seen.over;
  return learned;
}

Outcome<std::vector<config::LearnedTraffic>> learn_traffic(const Daemon& daemon,
                                                           const config::Config& config) {
  const auto names = rollouts_of(daemon);
  if (!names) return tl::unexpected(names.error());
  std::vector<config::LearnedTraffic> learned;
  for (const config::Rollout& rollout : config.rollouts) {
    if (names->count(rollout.name) == 0) continue;
    // Of a daemon that has just begun, the fine points.
    for (const char* points : {"window=24h&step=1m", "window=1h&step=5s"}) {
      const auto series = daemon.get("/api/v1/rollouts/" + rollout.name + "/series?" + points);
      if (!series) return tl::unexpected(series.error());
      auto seen = learn(rollout.name, series->body);
      if (!seen) continue;
      learned.push_back(std::move(*seen));
      break;
    }
  }
  return learned;
}

}  // namespace canaryd::cli
