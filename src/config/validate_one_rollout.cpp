// What a rollout says of itself: its versions, who is on the canary, and its steps.
#include "canaryd/base/units.hpp"
#include "config/codec.hpp"
#include "config/validate.hpp"
#include "config/validate_parts.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>

namespace canaryd::config {
namespace {

std::string key_text(const CohortKey& key) {
  switch (key.source) {
    case KeySource::kCookie:
      return "cookie " + key.name;
    case KeySource::kPerRequest:
      return "per_request";
    default:
      return "client_ip";
  }
}

void check_cohort(const CohortRules& cohort, const std::string& path, Reader& in) {
  if (in.is_bad(path)) return;
  const auto& issue = cohort.issue_cookie;
  bool issued_key = false;
  for (std::size_t i = 0; i < cohort.keys.size(); ++i) {
    const CohortKey& key = cohort.keys[i];
    const std::string key_path = indexed(path + ".keys", i);
    for (std::size_t j = 0; j < i; ++j) {
      if (cohort.keys[j] == key)
        in.error_at(key_path, key_path + ": the same key is listed already");
    }
    const bool issued = issue && key.source == KeySource::kCookie && key.name == issue->name;
    issued_key = issued_key || issued;
    const bool always =
        issued || key.source == KeySource::kClientIp || key.source == KeySource::kPerRequest;
    if (!always || i + 1 == cohort.keys.size()) continue;
    const std::string next = indexed(path + ".keys", i + 1);
    in.error_at(next,
                next + ": this key can never be reached: every request has the one before it, " +
                    key_text(key) + (issued ? ", because the cookie is issued" : ""));
    break;
  }
  if (!issue) return;
  const std::string cookie_path = path + ".issue_cookie";
  if (!issued_key) {
    in.error_at_value(cookie_path + ".name",
                      cookie_path + ": no key reads the cookie " + quoted(issue->name),
                      "add {cookie: " + issue->name + "} at the end of keys");
  }
  if (issue->same_site == SameSite::kNone && issue->secure == CookieSecure::kNever) {
    in.error_at(cookie_path + ".secure",
                cookie_path + ": browsers drop a cookie with same_site: none that is not secure",
                "use secure: always");
  }
}

// Behind the last step comes the bake, at full weight. With a gate somebody lets them go.
void warn_of_leap(const rollout::Plan& plan, const std::string& path, Reader& in) {
  const rollout::Step& last = plan.steps.back();
  const BasisPoints full = rollout::full_weight(plan);
  if (last.weight >= full || !last.gate.empty()) return;
  const std::string step = indexed(path + ".steps", plan.steps.size() - 1);
  const bool everybody = full.value() == BasisPoints::kMax;
  in.warn_at(step,
             step + ": the last step is " + format_percent(last.weight) + " %: when it is passed " +
                 (everybody ? "everybody goes to the canary at once"
                            : "the canary gets " + format_percent(full) +
                                  " % at once, all but bake.holdback"),
             "add steps up to {weight: " + format_percent(full) + "}, or a gate to this one");
}

void check_steps(const Rollout& rollout, const std::string& path, Reader& in) {
  const auto& steps = rollout.plan.steps;
  if (in.is_bad(path + ".steps")) return;
  const std::size_t errors_before = in.rule_errors();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::string step = indexed(path + ".steps", i);
    if (i > 0 && steps[i].weight <= steps[i - 1].weight) {
      in.error_at_value(step + ".weight",
                        step + ".weight: weights rise from step to step, but " +
                            format_percent(steps[i].weight) + " follows " +
                            format_percent(steps[i - 1].weight));
    }
    if (steps[i].max_duration < steps[i].min_duration) {
      in.error_at_value(step + ".max_duration",
                        step + ": max_duration (" + format_duration(steps[i].max_duration) +
                            ") is less than min_duration (" +
                            format_duration(steps[i].min_duration) + ")");
    }
  }
  // Latency has been counted for nobody when the first step is out of time, and so it is held.
  const bool waits_for_latency =
      std::any_of(rollout.analysis.latency_quantiles.begin(),
                  rollout.analysis.latency_quantiles.end(),
                  [](auto quantile) { return quantile != stats::LatencyQuantile::kP999; });
  const Duration warm_up = rollout.analysis.warm_up;
  if (waits_for_latency && !in.is_bad(path + ".analysis") && warm_up >= steps[0].max_duration) {
    in.warn_at(indexed(path + ".steps", 0),
               indexed(path + ".steps", 0) + ": max_duration (" +
                   format_duration(steps[0].max_duration) + ") is over before analysis.warm_up (" +
                   format_duration(warm_up) + "): the step is held before latency is judged",
               "a longer max_duration, or a shorter analysis.warm_up");
  }
  if (in.rule_errors() == errors_before) warn_of_leap(rollout.plan, path, in);
}

// By its path: then both versions may be on one server.
bool tells_versions_apart(const Config& config, const Rollout& rollout) {
  return std::any_of(config.routes.begin(), config.routes.end(), [&](const Route& route) {
    const auto only = route.rewrite ? route.rewrite->upstream : std::nullopt;
    return only && (*only == rollout.stable || *only == rollout.canary);
  });
}

// A slip of copying: whichever version is chosen, the same server answers.
void warn_of_shared_endpoint(const Config& config,
                             const Rollout& rollout,
                             const std::string& path,
                             Reader& in) {
  const Upstream& stable = config.upstreams[rollout.stable.index()];
  const Upstream& canary = config.upstreams[rollout.canary.index()];
  const auto shared = std::find_first_of(
      stable.endpoints.begin(),
      stable.endpoints.end(),
      canary.endpoints.begin(),
      canary.endpoints.end(),
      [](const Endpoint& one, const Endpoint& other) { return one.address == other.address; });
  if (shared == stable.endpoints.end() || tells_versions_apart(config, rollout)) return;
  in.warn_at(path,
             path + ": " + stable.name + " and " + canary.name + " have the same endpoint, " +
                 to_string(shared->address) + ": what it answers says nothing of either version");
}

}  // namespace

void check_rollout(const Config& config, const Rollout& rollout, Reader& in) {
  const std::string path = "rollouts." + rollout.name;
  const std::size_t errors_before = in.rule_errors();
  const bool versions_good = !in.is_bad(path + ".stable") && !in.is_bad(path + ".canary");
  if (versions_good && rollout.stable == rollout.canary) {
    in.error_at_value(path + ".canary",
                      path + ": stable and canary are the same upstream, " +
                          quoted(config.upstreams[rollout.stable.index()].name));
  } else if (versions_good && !in.is_bad("upstreams")) {
    warn_of_shared_endpoint(config, rollout, path, in);
  }
  check_cohort(rollout.cohort, path + ".cohort", in);
  check_segments(config, rollout, path + ".cohort.segments", in);
  check_steps(rollout, path, in);
  // The machine's own rules, in case it knows one that is not above.
  if (in.is_bad(path) || in.rule_errors() > errors_before) return;
  for (const auto& problem : rollout::problems(rollout.plan)) {
    in.error_at_value(path + "." + problem.path,
                      path + "." + problem.path + ": " + problem.message);
  }
}

}  // namespace canaryd::config
