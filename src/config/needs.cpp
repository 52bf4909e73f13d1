#include "canaryd/config/needs.hpp"

namespace canaryd::config {

std::vector<std::string> others_that_need_stable(
    const Config& config, std::size_t giver, const std::function<bool(const Rollout&)>& gave_up) {
  const UpstreamId upstream = config.rollouts[giver].stable;
  std::vector<std::string> others;
  for (const Route& route : config.routes) {
    if (route.upstream == upstream) others.push_back("route " + route.name);
    if (route.mirror && route.mirror->to == upstream) {
      others.push_back("the mirror of route " + route.name);
    }
  }
  for (std::size_t i = 0; i < config.rollouts.size(); ++i) {
    const Rollout& other = config.rollouts[i];
    const bool serves = other.stable == upstream && !gave_up(other);
    if (i != giver && (serves || other.canary == upstream))
      others.push_back("rollout " + other.name);
  }
  return others;
}

}  // namespace canaryd::config
