#include "canaryd/config/config.hpp"

#include "config/words.hpp"

#include <algorithm>

namespace canaryd::config {

std::optional<UpstreamId> Config::find_upstream(std::string_view name) const noexcept {
  for (std::uint32_t i = 0; i < upstreams.size(); ++i) {
    if (upstreams[i].name == name) return UpstreamId(i);
  }
  return std::nullopt;
}

std::vector<RolloutId> Route::rollouts() const {
  std::vector<RolloutId> all;
  if (rollout) all.push_back(*rollout);
  for (const routing::Lane& lane : split) all.push_back(lane.rollout);
  return all;
}

std::optional<RolloutId> Config::find_rollout(std::string_view name) const noexcept {
  for (std::uint32_t i = 0; i < rollouts.size(); ++i) {
    if (rollouts[i].name == name) return RolloutId(i);
  }
  return std::nullopt;
}

bool Hook::has(HookOn event) const noexcept {
  return std::find(on.begin(), on.end(), event) != on.end();
}

std::string_view to_string(LoadBalancer value) noexcept {
  return word_of(kLoadBalancers, value);
}
std::string_view to_string(HookOn value) noexcept {
  return word_of(kHookEvents, value);
}
std::string_view to_string(LogLevel value) noexcept {
  return word_of(kLogLevels, value);
}
std::string_view to_string(LogFormat value) noexcept {
  return word_of(kLogFormats, value);
}

}  // namespace canaryd::config
