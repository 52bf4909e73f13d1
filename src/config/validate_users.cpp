// Which users are where: segments that never decide, and splits that would give a user two
// rollouts, or none.
#include "canaryd/base/units.hpp"
#include "canaryd/routing/client_address.hpp"
#include "config/codec.hpp"
#include "config/validate.hpp"

#include <algorithm>
#include <map>
#include <string>

namespace canaryd::config {
namespace {

// Whenever `later` counts, `earlier` has counted before it.
bool hides(const routing::Segment& earlier, const routing::Segment& later) {
  return earlier.users == later.users &&
         (earlier.cohort == Cohort::kStable || earlier.from_weight <= later.from_weight);
}

bool is_reached(const rollout::Plan& plan, BasisPoints weight) {
  return std::any_of(plan.steps.begin(), plan.steps.end(), [&](const rollout::Step& step) {
    return step.weight >= weight && step.weight < BasisPoints(BasisPoints::kMax);
  });
}

// Whoever is in trusted_proxies is a proxy: what it says about whom it speaks for is believed.
void warn_of_trusted_clients(const Config& config,
                             const routing::Segment& segment,
                             const std::string& path,
                             Reader& in) {
  if (!segment.users.client) return;
  const Cidr& clients = *segment.users.client;
  for (const Listener& listener : config.listeners) {
    for (const Cidr& trusted : listener.trusted_proxies) {
      if (trusted.prefix > clients.prefix || !trusted.contains(clients.network)) continue;
      in.warn_at(path + ".client",
                 path + ": " + to_string(clients) + " is inside trusted_proxies (" +
                     to_string(trusted) + ") of listener " + quoted(listener.name) +
                     ": these clients count as proxies, and X-Forwarded-For says who they are",
                 "trust the addresses of the load balancer only");
      return;
    }
  }
}

// ---------------------------------------------------------------- what proxies say

// Its path in the file, and the name of the header.
void warn_of_unbelieved(const Config& config,
                        const std::string& path,
                        const std::string& header,
                        Reader& in) {
  if (!routing::is_of_proxies(header)) return;
  const auto nobody =
      std::find_if(config.listeners.begin(), config.listeners.end(), [](const Listener& listener) {
        return listener.trusted_proxies.empty();
      });
  if (nobody == config.listeners.end()) return;
  in.warn_at(path,
             path + ": nobody is believed about " + header + " on listener " +
                 quoted(nobody->name) + ", so it counts as absent there",
             "name the proxies that set it in trusted_proxies of the listener");
}

void warn_of_rules(const Config& config,
                   const std::vector<routing::RequestRule>& rules,
                   const std::string& list,
                   Reader& in) {
  for (std::size_t i = 0; i < rules.size(); ++i) {
    warn_of_unbelieved(config, indexed(list, i) + ".header", rules[i].header, in);
  }
}

// ---------------------------------------------------------------- splits

// A rollout's lane, in buckets: the first, and the one behind the last.
struct LanePlace {
  unsigned begin = 0;
  unsigned end = 0;
  std::string path;
};
using LanePlaces = std::map<std::size_t, LanePlace>;  // By rollout; of the first route that has it.

std::string lane_text(const LanePlace& lane) {
  return "from " + format_percent(BasisPoints(lane.begin)) + " to " +
         format_percent(BasisPoints(lane.end)) + " %";
}

void check_sum(const Route& route, const std::string& list, Reader& in) {
  unsigned sum = 0;
  for (const routing::Lane& lane : route.split) sum += lane.users.value();
  if (sum == BasisPoints::kMax) return;
  const std::string much =
      sum > BasisPoints::kMax ? "more than 100" : format_percent(BasisPoints(sum));
  in.error_at(list, list + ": the lanes have " + much + " % of the users, not 100 %");
}

// The key of a request is found once, for all of them.
void check_alike(const Config& config, const Route& route, const std::string& list, Reader& in) {
  const Rollout& first = config.rollout(route.split.front().rollout);
  for (std::size_t i = 1; i < route.split.size(); ++i) {
    const Rollout& other = config.rollout(route.split[i].rollout);
    const std::string path = indexed(list, i) + ".rollout";
    const auto differs = [&](const std::string& what) {
      in.error_at_value(path,
                        path + ": " + quoted(other.name) + " has " + what + " than " +
                            quoted(first.name) + "; the rollouts of a split have the same");
    };
    if (other.stable != first.stable) differs("another stable version");
    if (other.cohort.keys != first.cohort.keys) differs("other cohort.keys");
    if (other.cohort.issue_cookie != first.cohort.issue_cookie) {
      differs("another cohort.issue_cookie");
    }
  }
}

void check_each_once(const Config& config,
                     const Route& route,
                     const std::string& list,
                     Reader& in) {
  for (std::size_t i = 0; i < route.split.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (route.split[i].rollout != route.split[j].rollout) continue;
      const std::string path = indexed(list, i) + ".rollout";
      in.error_at_value(path,
                        path + ": " + quoted(config.rollout(route.split[i].rollout).name) +
                            " has a lane already, " + indexed(list, j));
    }
  }
}

// A rollout compares its own users: they are the same ones on every route that splits.
void check_places(const Config& config,
                  const Route& route,
                  const std::string& list,
                  LanePlaces& places,
                  Reader& in) {
  unsigned begin = 0;
  for (std::size_t i = 0; i < route.split.size(); ++i) {
    const LanePlace here{begin, begin + route.split[i].users.value(), indexed(list, i)};
    begin = here.end;
    const auto [entry, fresh] = places.emplace(route.split[i].rollout.index(), here);
    const LanePlace& there = entry->second;
    if (fresh || (there.begin == here.begin && there.end == here.end)) continue;
    const std::string path = here.path + ".rollout";
    in.error_at_value(path,
                      path + ": " + quoted(config.rollout(route.split[i].rollout).name) +
                          " has the users " + lane_text(here) + " here, and those " +
                          lane_text(there) + " in " + there.path,
                      "split in the same way on all routes");
  }
}

}  // namespace

void check_segments(const Config& config,
                    const Rollout& rollout,
                    const std::string& list,
                    Reader& in) {
  const auto& segments = rollout.cohort.segments;
  if (in.is_bad(list)) return;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const std::string path = indexed(list, i);
    const auto begin = segments.begin();
    const auto earlier = std::find_if(begin,
                                      begin + static_cast<std::ptrdiff_t>(i),
                                      [&](const auto& each) { return hides(each, segments[i]); });
    if (earlier != begin + static_cast<std::ptrdiff_t>(i)) {
      const auto index = static_cast<std::size_t>(earlier - begin);
      in.error_at(path,
                  path + ": it can never decide: " + indexed(list, index) +
                      " takes all of its users before");
    }
    if (!in.is_bad("listeners")) warn_of_trusted_clients(config, segments[i], path, in);
    if (in.is_bad("rollouts." + rollout.name + ".steps")) continue;
    if (segments[i].from_weight == BasisPoints() ||
        is_reached(rollout.plan, segments[i].from_weight)) {
      continue;
    }
    in.warn_at(path + ".from_weight",
               path + ": the ring has no effect: no step before 100 % has a weight of " +
                   format_percent(segments[i].from_weight) + " or more");
  }
}

void warn_of_what_proxies_say(const Config& config, Reader& in) {
  if (in.is_bad("listeners")) return;
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    const std::string list = indexed("routes", i) + ".match.headers";
    const auto& headers = config.routes[i].match.headers;
    for (std::size_t j = 0; j < headers.size(); ++j) {
      warn_of_unbelieved(config, indexed(list, j) + ".name", headers[j].name, in);
    }
  }
  for (const Rollout& rollout : config.rollouts) {
    if (!is_name(rollout.name)) continue;
    const std::string path = "rollouts." + rollout.name;
    const auto& keys = rollout.cohort.keys;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (keys[i].source != KeySource::kHeader) continue;
      warn_of_unbelieved(config, indexed(path + ".cohort.keys", i) + ".header", keys[i].name, in);
    }
    const auto& segments = rollout.cohort.segments;
    for (std::size_t i = 0; i < segments.size(); ++i) {
      const std::string at = indexed(path + ".cohort.segments", i) + ".header";
      warn_of_unbelieved(config, at, segments[i].users.header, in);
    }
    warn_of_rules(config, rollout.exclude, path + ".analysis.exclude", in);
  }
}

void check_splits(const Config& config, Reader& in) {
  if (in.is_bad("rollouts") || in.is_bad("upstreams")) return;
  LanePlaces places;
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    const Route& route = config.routes[i];
    const std::string list = indexed("routes", i) + ".split";
    if (route.split.empty() || in.is_bad(indexed("routes", i))) continue;
    const std::size_t errors_before = in.rule_errors();
    check_sum(route, list, in);
    check_alike(config, route, list, in);
    check_each_once(config, route, list, in);
    if (in.rule_errors() == errors_before) check_places(config, route, list, places, in);
  }
}

}  // namespace canaryd::config
