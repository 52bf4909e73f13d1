// Timeouts that can never fire, of upstreams and of routes over them, and those that leave no time
// for a fallback.
#include "canaryd/base/units.hpp"
#include "config/codec.hpp"
#include "config/validate.hpp"

#include <algorithm>
#include <string>

namespace canaryd::config {
namespace {

// One that is not shorter than the whole request never fires.
void check_per_try(Duration per_try,
                   Duration request,
                   std::uint8_t attempts,
                   const std::string& path,
                   Reader& in) {
  if (per_try == Duration::zero() || in.is_bad(path)) return;
  if (request > Duration::zero() && per_try >= request) {
    in.error_at_value(path + ".per_try",
                      path + ": per_try (" + format_duration(per_try) +
                          ") is not shorter than request (" + format_duration(request) + ")");
  }
  if (attempts == 0) {
    in.warn_at(path + ".per_try",
               path + ": per_try has no effect without retries",
               "set retries.attempts of the upstream");
  }
}

void check_route(const Route& route,
                 const Upstream& upstream,
                 const std::string& path,
                 Reader& in) {
  const RouteTimeouts& own = route.timeouts;
  if (!own.per_try && !own.request) return;
  if (in.is_bad("upstreams." + upstream.name)) return;
  check_per_try(own.per_try.value_or(upstream.timeouts.per_try),
                own.request.value_or(upstream.timeouts.request),
                upstream.retries.attempts,
                path,
                in);
}

// 0 is never.
Duration sooner(Duration one, Duration other) noexcept {
  if (one == Duration::zero()) return other;
  return other == Duration::zero() ? one : std::min(one, other);
}

// Stable is asked once the canary has been silent for long enough, in what is left for the request.
void warn_of_late_fallback(const Config& config,
                           const Route& route,
                           const Rollout& rollout,
                           const std::string& path,
                           Reader& in) {
  if (rollout.fallback.methods.empty()) return;
  const Upstream& canary = config.upstream(rollout.canary);
  const RouteTimeouts& own = route.timeouts;
  const Duration total = own.request.value_or(config.upstream(rollout.stable).timeouts.request);
  const Duration silence = own.first_byte.value_or(canary.timeouts.first_byte);
  const Duration given_up = sooner(silence, own.request.value_or(canary.timeouts.request));
  if (total == Duration::zero() || (given_up > Duration::zero() && given_up < total)) return;
  const std::string request = "request (" + format_duration(total) + ")";
  const std::string why = silence == Duration::zero()
                              ? canary.name + " has no first_byte, and there is " + request
                              : "first_byte of " + canary.name + " (" + format_duration(silence) +
                                    ") is not shorter than " + request;
  in.warn_at(path + ".request",
             path + ": " + why + ": a canary that hangs leaves no time for the fallback",
             "a shorter first_byte or a longer request");
}

}  // namespace

void check_timeouts(const Config& config, Reader& in) {
  for (const Upstream& upstream : config.upstreams) {
    const std::string path = "upstreams." + upstream.name;
    if (!is_name(upstream.name) || in.is_bad(path + ".retries")) continue;
    const UpstreamTimeouts& own = upstream.timeouts;
    check_per_try(own.per_try, own.request, upstream.retries.attempts, path + ".timeouts", in);
  }
  if (in.is_bad("upstreams") || in.is_bad("rollouts")) return;
  for (std::size_t i = 0; i < config.routes.size(); ++i) {
    const Route& route = config.routes[i];
    const std::string path = "routes[" + std::to_string(i) + "]";
    if (in.is_bad(path)) continue;
    // The rollout's versions may differ; stable is the one that everybody meets.
    const std::string timeouts = path + ".timeouts";
    if (route.upstream) check_route(route, config.upstream(*route.upstream), timeouts, in);
    if (const auto rollouts = route.rollouts(); !rollouts.empty()) {
      const Rollout& rollout = config.rollout(rollouts.front());
      check_route(route, config.upstream(rollout.stable), timeouts, in);
    }
    for (const RolloutId id : route.rollouts()) {
      warn_of_late_fallback(config, route, config.rollout(id), timeouts, in);
    }
  }
}

}  // namespace canaryd::config
