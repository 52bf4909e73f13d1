// Read parity that could never be shown, or that nothing waits for.
#include "config/codec.hpp"
#include "config/validate.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace canaryd::config {
namespace {

bool takes_reads(const Route& route) {
  const auto& methods = route.match.methods;
  return methods.empty() ||
         std::any_of(methods.begin(), methods.end(), [](const std::string& method) {
           return method == "GET" || method == "HEAD";
         });
}

}  // namespace

void check_parity(const Config& config, Reader& in) {
  if (in.is_bad("rollouts") || in.is_bad("routes")) return;
  for (std::size_t i = 0; i < config.rollouts.size(); ++i) {
    const Rollout& rollout = config.rollouts[i];
    if (!rollout.parity) continue;
    const std::string path = "rollouts." + rollout.name + ".parity";
    const auto& routes = config.routes;
    const auto is_own = [i](const Route& route) {
      const std::vector<RolloutId> own = route.rollouts();
      return std::any_of(own.begin(), own.end(), [i](RolloutId id) { return id.index() == i; });
    };
    const bool any = std::any_of(routes.begin(), routes.end(), is_own);
    const bool reads = std::any_of(routes.begin(), routes.end(), [&is_own](const Route& route) {
      return is_own(route) && takes_reads(route);
    });
    if (any && !reads) {
      in.warn_at(path,
                 path + ": no route of the rollout takes GET or HEAD, so it is never shown",
                 "only `canaryctl start` would begin the rollout");
    }
    if (rollout.plan.start != rollout::StartMode::kManual) continue;
    in.warn_at(path,
               path + ": with start: manual nothing waits for it: `canaryctl start` begins anyway",
               "use start: auto, and `canaryctl status` to look at it");
  }
}

}  // namespace canaryd::config
